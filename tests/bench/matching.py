"""How long it takes to find the label of a name, and how many look-ups, by the number of rules."""

import ctypes
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from policy.compiler import Ruleset
from policy.compiler.evaluate import path_label

#: Bytes of every name.
LENGTH = 64
#: Names: few enough to stay in the first cache, and many in turn.
FEW, MANY = 8, 4_000
ROUNDS = 200
SOURCE = Path(__file__).with_name("walk.c")


@dataclass(frozen=True, slots=True)
class Matched:
    """
    Of one name, on average.

    Attributes:
        look_ups: Reads of the automaton and of words.
        warm: Nanoseconds, a few names again and again.
        turns: Nanoseconds, thousands of names in turn.
    """

    look_ups: float
    warm: float
    turns: float


def matched(ruleset: Ruleset, paths: Sequence[str]) -> Matched:
    """
    Of names that follow these paths for as long as they can.

    Raises:
        OSError: There is no C compiler.
        RuntimeError: The walk and `policy.compiler.evaluate` differ.
    """
    names = [name(path) for path in paths]
    with tempfile.TemporaryDirectory() as directory:
        built = Path(directory) / "walk.so"
        subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", built, SOURCE], check=True, timeout=60)
        library = ctypes.CDLL(str(built))
    few = _walk(library, ruleset, [names[at * len(names) // FEW] for at in range(FEW)], ROUNDS * 10)
    many = _walk(library, ruleset, [names[at * 7919 % len(names)] for at in range(MANY)], ROUNDS)
    return Matched(many[1], few[0], many[0])


def name(path: str) -> bytes:
    """A name that a path is about, as long as all are: cut off, or filled up with directories."""
    if path.startswith("/**/"):
        end = path[len("/**") :].encode()
        return (b"/" + b"x" * LENGTH)[: LENGTH - len(end)] + end
    text = path.replace("/**", "/any").replace("*", "some").encode()
    return (text + b"/" + b"x" * LENGTH)[:LENGTH]


def _walk(library: ctypes.CDLL, ruleset: Ruleset, names: Sequence[bytes], rounds: int) -> tuple[float, float]:
    """Nanoseconds and look-ups of one name."""
    table = ruleset.profiles[0]
    automaton = np.ascontiguousarray(ruleset.automaton, np.uint32)
    words = np.ascontiguousarray(ruleset.words, np.uint32)
    profile = np.array([table.start, table.floating, table.pairs, table.alone], np.uint32)
    labels, counted = np.zeros(len(names), np.uint32), np.zeros(2, np.uint64)
    arrays = (automaton, words, profile)
    library.walk.restype = ctypes.c_double
    spent = library.walk(
        *(array.ctypes.data_as(ctypes.c_void_p) for array in arrays),
        table.byte_classes,
        b"".join(names),
        *map(ctypes.c_uint64, (LENGTH, len(names), rounds)),
        *(array.ctypes.data_as(ctypes.c_void_p) for array in (labels, counted)),
    )
    for one, found in zip(names[:FEW], labels.tolist(), strict=False):
        if path_label(ruleset, table, one) != found:
            raise RuntimeError(f"the walk finds label {found} for {one!r}, `evaluate` another")
    return float(spent), float(counted.sum()) / len(names)
