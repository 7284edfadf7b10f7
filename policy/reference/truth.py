"""
Three values: True, False, and None where something about the request could not be told.
"""

from collections.abc import Iterable

Truth = bool | None


def every(truths: Iterable[Truth]) -> Truth:
    """All of them hold. One that does not settles it, whatever could not be told of the others."""
    found = list(truths)
    if False in found:
        return False
    return None if None in found else True


def negated(truth: Truth) -> Truth:
    return None if truth is None else not truth
