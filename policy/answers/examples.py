"""
Examples: a request of a box, in words.
"""

from dataclasses import dataclass

from policy.answers.boxes import Box
from policy.answers.space import Room
from policy.answers.wording import in_words
from policy.model.types import Request


@dataclass(frozen=True, slots=True)
class Example:
    """
    Attributes:
        text: The request in words, without what does not matter to the answer.
        told: Everything about it could be told.
    """

    request: Request
    text: str
    told: bool


def example(room: Room, box: Box, operation: str) -> Example | None:
    """A request of a box; None: the box has none."""
    request = room.request(box, operation)
    if request is None:
        return None
    anything = set(room.unrestricted(box))
    if all(one.key in anything for one in room.dimensions if one.key.startswith("ancestor ")):
        anything.add("ancestors")
    told = all(mask & one.known for one, mask in zip(room.dimensions, box, strict=True) if _tells(one.key))
    return Example(request, in_words(request, frozenset(anything)), told)


def _tells(key: str) -> bool:
    return key != "time"
