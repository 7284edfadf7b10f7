"""Three answers: what works, what the kernel refuses, and what a refusal cannot tell."""

import errno
import os
from collections.abc import Sequence

import pytest

from agent.kernel.probe import Answer, probe
from agent.kernel.syscall import BpfError


class Refusing:
    """A kernel that refuses one kind of program with that errno, and everything else not at all."""

    def __init__(self, number: int) -> None:
        self._number = number

    def btf_ids(self, hooks: Sequence[tuple[str, int]]) -> tuple[int, ...]:
        return (1,) * len(hooks)

    def btf_load(self, data: bytes) -> int:
        return os.open(os.devnull, os.O_RDONLY)

    def map_create(self, *arguments: object) -> int:
        return os.open(os.devnull, os.O_RDONLY)

    def program_load(self, name: str, type_: int, attach: int, btf_id: int, code: bytes) -> int:
        if type_ == 29:
            raise BpfError("program load", name, self._number)
        return os.open(os.devnull, os.O_RDONLY)


@pytest.mark.parametrize(
    ("number", "root", "answer"),
    [
        (errno.EPERM, True, Answer.NO),
        (errno.EPERM, False, Answer.UNKNOWN),
        (errno.EINVAL, False, Answer.NO),
        (errno.ENOMEM, True, Answer.UNKNOWN),
    ],
)
def test_a_refusal_says_no_only_if_it_is_the_kernels(number: int, root: bool, answer: Answer) -> None:
    """Without rights or memory nothing is known; with them a refusal is a no, and says why."""
    found = {feature.name: feature for feature in probe(Refusing(number), privileged=root)}  # type: ignore[arg-type]

    assert found["lsm"].answer is answer
    assert os.strerror(number) in found["lsm"].why
    assert {feature.answer for name, feature in found.items() if name != "lsm"} == {Answer.YES}
