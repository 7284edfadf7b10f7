"""
One part of a class's objects: its values fall into classes by which asks accept them.

Class 0 is what could not be told, class 1 what is known and accepted by nothing that asks (or has no name); real
classes follow in the order in which they are met.
"""

from collections.abc import Callable
from dataclasses import dataclass

from policy.compiler.asks import Ask

UNKNOWN, NONE = 0, 1


@dataclass(frozen=True, slots=True)
class Accepted:
    """
    What a class of values satisfies, as numbers of the part's asks, ascending.

    Attributes:
        yes: Those that accept it.
        maybe: Those that might.
    """

    yes: tuple[int, ...] = ()
    maybe: tuple[int, ...] = ()


class Part:
    """
    Attributes:
        name: For messages.
        asks: Number of each different ask.
        classes: What each class of values satisfies.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.asks: dict[Ask, int] = {}
        self.classes: list[Accepted] = []

    def ask(self, ask: Ask) -> int:
        return self.asks.setdefault(ask, len(self.asks))

    def of(self, *what: str) -> tuple[int, ...]:
        """The asks of some kinds."""
        return tuple(number for ask, number in self.asks.items() if ask.what in what)

    def add(self, accepted: Accepted) -> int:
        self.classes.append(accepted)
        return len(self.classes) - 1


class Values:
    """
    Numbers of values that are told apart by what accepts them, counted from the first of them.

    Args:
        none: What has the number 1.
        make: What becomes of a class that is met for the first time: its number, counted from 0.
    """

    def __init__(self, none: Accepted, make: Callable[[Accepted], int]) -> None:
        self._numbers = {none.yes: NONE}
        self._make = make

    def number(self, yes: tuple[int, ...]) -> int:
        """
        Args:
            yes: The asks that accept the value, ascending.
        """
        found = self._numbers.get(yes)
        if found is None:
            found = self._numbers[yes] = self._make(Accepted(yes))
        return found


def values_of(part: Part, unknown: Accepted, none: Accepted) -> tuple[Values, int]:
    """New values of a part, and the class of the part that their 0 is."""
    base = part.add(unknown)
    part.add(none)
    return Values(none, lambda accepted: part.add(accepted) - base), base
