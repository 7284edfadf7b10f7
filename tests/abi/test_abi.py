"""`agent.abi` says the same as `bpf/include/abi.h`: the C compiler is asked for every size, offset and number."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agent import abi
from agent.abi import events
from agent.loader.scan import strip

HEADER = Path(__file__).parents[2] / "bpf" / "include" / "abi.h"
COMPILER = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")

_STRUCT = re.compile(r"struct\s+(rf_\w+)\s*\{(.*?)\};", re.DOTALL)
_MEMBER = re.compile(r"(\w+)\s*(?:\[[^\]]*\])?\s*;")
_DEFINE = re.compile(r"^#define\s+(RF_\w+)\s+\S", re.MULTILINE)
_ENUMERATOR = re.compile(r"\b(RF_\w+)\s*=")


def _structs(text: str) -> dict[str, list[str]]:
    return {name: _MEMBER.findall(body) for name, body in _STRUCT.findall(text)}


def _questions(text: str) -> Iterator[tuple[str, str]]:
    """(name, C expression)"""
    for struct, members in _structs(text).items():
        yield struct, f"sizeof(struct {struct})"
        for member in members:
            access = f"((struct {struct} *)0)->{member}"
            yield f"{struct}.{member}", f"__builtin_offsetof(struct {struct}, {member})"
            yield f"{struct}.{member}.size", f"sizeof({access})"
    for name in {*_DEFINE.findall(text), *_ENUMERATOR.findall(text)}:
        yield name, name


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What the compiler says to every question."""
    if not COMPILER:
        pytest.fail("found no C compiler, required gcc, cc or clang")
    text = strip(HEADER.read_text())
    lines = [f'printf("\\"{name}\\": %lld,\\n", (long long)({expression}));' for name, expression in _questions(text)]
    program = f'#include <stdio.h>\n#include <linux/types.h>\n#include "{HEADER}"\n'
    program += 'int main(void) { puts("{"); ' + "\n".join(lines) + ' puts("\\"\\": 0}"); return 0; }\n'
    directory = tmp_path_factory.mktemp("abi")
    (directory / "ask.c").write_text(program)
    subprocess.run([COMPILER, "-o", directory / "ask", directory / "ask.c"], check=True, timeout=60)
    found: dict[str, int] = json.loads(subprocess.run([directory / "ask"], check=True, capture_output=True).stdout)
    return found


def _mirrored(name: str, dtype: np.dtype[np.void]) -> dict[str, int]:
    places = {name: dtype.itemsize}
    for member, (type_, offset, *_) in (dtype.fields or {}).items():
        places |= {f"{name}.{member}": offset, f"{name}.{member}.size": type_.itemsize}
    return places


def test_every_struct_is_mirrored_member_by_member(answers: dict[str, int]) -> None:
    """Each struct of the header has a numpy type with the same members, sizes and offsets, and there is no other."""
    mirrored: dict[str, int] = {}
    for name, dtype in abi.STRUCTS.items():
        mirrored |= _mirrored(name, dtype)

    assert {name: value for name, value in answers.items() if name.startswith("rf_")} == mirrored


def test_types_of_events_are_the_same_twice(answers: dict[str, int]) -> None:
    """`agent.abi.events`, which the ring reader uses, agrees with the header as well."""
    for name, dtype in (("rf_event", events.EVENT), ("rf_name", events.NAME)):
        mirrored = _mirrored(name, dtype)

        assert {key: answers[key] for key in mirrored} == mirrored


def test_every_constant_is_mirrored(answers: dict[str, int]) -> None:
    """Each number with a name has the same name, without RF_, and value; those of an enum are in its mirror."""
    mirrored = {f"RF_{name}": value for name, value in abi.CONSTANTS.items()}
    for prefix, mirror in abi.ENUMS:
        mirrored |= {f"{prefix}{name}": int(value) for name, value in mirror.__members__.items()}
    mirrored["RF_ABI_VERSION"] = abi.VERSION

    assert {name: value for name, value in answers.items() if name.startswith("RF_")} == mirrored


def test_numbers_of_the_model_are_those_of_the_kernel() -> None:
    """Effects and operations of `policy.model` count as the kernel counts."""
    from policy.model.types import OPERATIONS, Class, Effect

    assert {effect.name: int(effect) for effect in Effect} == {effect.name: int(effect) for effect in abi.Effect}
    assert {class_.name: class_.number for class_ in Class} == {
        number.name: int(number) for number in abi.ClassNumber if number
    }
    for class_, operations in OPERATIONS.items():
        for bit, operation in enumerate(operations):
            assert abi.Operation[f"{class_.name}_{operation.upper()}"] == 1 << bit
