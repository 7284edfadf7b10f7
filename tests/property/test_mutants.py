"""What a policy means is tested sentence by sentence: each one, broken on purpose in a copy, is noticed."""

import pytest

from tests.property.mutants import MUTANTS
from tests.property.mutate import line, outcomes


@pytest.mark.whole
@pytest.mark.timeout(900)
def test_every_broken_sentence_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    """The oracle, or a test of the language, fails for each mutant; the list is printed."""
    found = list(outcomes())

    with capsys.disabled():
        print(f"\nmutants: {len(found)}, and what noticed each")
        print(*(f"  {line(one)}" for one in found), sep="\n")
    assert [line(one) for one in found if not one.found] == []
    assert len(found) == len(MUTANTS)
