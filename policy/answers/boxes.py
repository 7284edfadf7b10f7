"""
Boxes: sets of requests that ask the same kind of thing of every aspect.

A box has one set of cells (an int) for each dimension, none empty; it holds every combination of them.
"""

from collections.abc import Sequence

Box = tuple[int, ...]


def meet(a: Box, b: Box) -> Box | None:
    """What two boxes share; None: nothing."""
    found = []
    for left, right in zip(a, b, strict=True):
        both = left & right
        if not both:
            return None
        found.append(both)
    return tuple(found)


def without(a: Box, b: Box) -> list[Box]:
    """Boxes, disjoint, that make up what is in `a` and not in `b`."""
    if meet(a, b) is None:
        return [a]
    rest, current = [], list(a)
    for at, hole in enumerate(b):
        outside = current[at] & ~hole
        if outside:
            rest.append((*current[:at], outside, *current[at + 1 :]))
            current[at] &= hole
    return rest


def holds(outer: Box, inner: Box) -> bool:
    """Whether all of `inner` is in `outer`."""
    return not any(small & ~large for large, small in zip(outer, inner, strict=True))


def uncovered(box: Box, covers: Sequence[Box], limit: int) -> list[Box] | None:
    """What of a box is in none of the covers; None: more than `limit` boxes would be needed to say so."""
    left = [box]
    for cover in covers:
        left = [piece for one in left for piece in without(one, cover)]
        if not left:
            break
        if len(left) > limit:
            return None
    return left
