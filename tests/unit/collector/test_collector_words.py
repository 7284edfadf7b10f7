"""The collector imports neither agent nor policy, and has their words by number: they are the same."""

import re
from pathlib import Path
from typing import get_args

from agent.abi import Reason
from collector.store import spelling
from policy.model.types import OPERATIONS, Class, Effect

CONSOLE = Path(__file__).parents[3] / "collector/console/src/ui/words.tsx"


def test_classes_and_operations_are_those_of_the_language() -> None:
    """A class by its number, an operation by its bit."""
    assert ("", *Class) == spelling.CLASSES
    assert [class_.number for class_ in Class] == [spelling.CLASSES.index(class_) for class_ in Class]
    assert ((), *(OPERATIONS[class_] for class_ in Class)) == spelling.OPERATIONS


def test_effects_and_reasons_are_those_of_the_kernel() -> None:
    """An effect and a reason by their number."""
    assert tuple(map(str, Effect)) == spelling.EFFECTS
    assert tuple(reason.name.lower().replace("_", "-") for reason in Reason) == spelling.REASONS


def test_the_console_offers_every_class() -> None:
    """What violations can be filtered by is every class there is."""
    (words,) = re.findall(r"CLASSES = \[(.*?)\]", CONSOLE.read_text(), re.DOTALL)

    assert tuple(re.findall(r'"(\w+)"', words)) == get_args(spelling.ClassName)
