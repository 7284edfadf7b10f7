"""
Values that are no names: the tables and map entries that lead from an address, a port or a number to its class.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from policy.compiler.limits import SYSCALLS
from policy.compiler.objects import Objects
from policy.compiler.parts import NONE, Accepted, Values
from policy.compiler.ranges import Span, prefixes, spans
from policy.compiler.ruleset import MAJOR_ANY, MINOR_BITS, NumberKind
from policy.compiler.words import Kind, Words
from policy.model.types import Class, DeviceKind, FileType

_PORTS, _PAGE = 1 << 16, 1 << 8
_OF_NUMBERS = (
    (Class.CAPABILITY, NumberKind.CAPABILITY),
    (Class.NAMESPACE, NumberKind.NAMESPACE),
    (Class.SIGNAL, NumberKind.SIGNAL),
    (Class.CREDENTIAL, NumberKind.CREDENTIAL),
)
_OF_DEVICES = (
    (DeviceKind.CHAR, NumberKind.CHAR_DEVICE, NumberKind.CHAR_MAJOR),
    (DeviceKind.BLOCK, NumberKind.BLOCK_DEVICE, NumberKind.BLOCK_MAJOR),
)
#: (kind, id, class)
Number = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Tables:
    """
    Members of `struct rf_profile`, and entries of maps.

    Attributes:
        addresses: (prefix length of 0..128, 16 bytes, class), IPv4 as ::ffff:a.b.c.d.
    """

    ports: int
    protocols: int
    families: int
    address_default: int
    syscalls: int
    addresses: tuple[tuple[int, bytes, int], ...]
    numbers: tuple[Number, ...]


def tables_of(objects: Mapping[Class, Objects], words: Words) -> Tables:
    """The tables of all classes; a part that no rule asks about has one class, 0, and no table."""
    network, calls = objects[Class.NETWORK], objects[Class.SYSCALL]
    _fixed(objects)
    return Tables(
        ports=_pages(_spans(network, 1, _PORTS), words),
        protocols=_page(_spans(network, 2, _PAGE), words),
        families=_page(_spans(network, 3, _PAGE), words),
        address_default=NONE,
        syscalls=_page(_syscalls(calls), words) if calls.active else 0,
        addresses=tuple(_addresses(network)) if network.active else (),
        numbers=tuple(_numbers(objects)),
    )


def _fixed(objects: Mapping[Class, Objects]) -> None:
    """Parts whose values are few and have numbers of their own."""
    files, processes = objects[Class.FILE], objects[Class.PTRACE]
    if len(files.parts) > 1:
        part = files.parts[1]
        part.add(Accepted(maybe=part.of("types")))
        for type_ in FileType:
            part.add(Accepted(tuple(number for ask, number in part.asks.items() if type_ in ask.values)))
    part = processes.parts[0]
    for accepted in (Accepted(maybe=part.of("outside")), Accepted(), Accepted(part.of("outside"))):
        part.add(accepted)


def _addresses(network: Objects) -> Iterator[tuple[int, bytes, int]]:
    values, _ = network.values(0)
    asks = network.parts[0].of("to")
    for length, address, accepting in prefixes(_lists(network, 0, asks)):
        yield length, address, values.number(tuple(asks[at] for at in accepting))


def _lists(objects: Objects, part: int, asks: Sequence[int]) -> list[tuple[Any, ...]]:
    listed = list(objects.parts[part].asks)
    return [listed[number].values for number in asks]


def _spans(network: Objects, part: int, size: int) -> NDArray[np.uint32] | None:
    """The class of each number below `size`; None: nobody asks."""
    one = network.parts[part]
    if not one.asks:
        one.add(Accepted())
        return None
    values, _ = network.values(part)
    lists = [[_span(value) for value in ask.values] for ask in one.asks]
    counts, numbers = zip(*((count, values.number(yes)) for count, yes in spans(lists, size)), strict=True)
    return np.repeat(np.array(numbers, np.uint32), counts)


def _span(value: int | Span) -> Span:
    return (value, value) if isinstance(value, int) else value


def _page(classes: NDArray[np.uint32] | None, words: Words) -> int:
    return 0 if classes is None else words.add(classes)


def _pages(classes: NDArray[np.uint32] | None, words: Words) -> int:
    if classes is None:
        return 0
    return words.add([words.add(page) for page in classes.reshape(-1, _PAGE)], Kind.OFFSET)


def _syscalls(calls: Objects) -> NDArray[np.uint32]:
    found = np.full(SYSCALLS, NONE, np.uint32)
    for number, label in _listed(calls):
        if number < SYSCALLS:
            found[number] = label
    return found


def _listed(objects: Objects) -> Iterator[tuple[int, int]]:
    """(number, label) of every number that some rule lists, ascending."""
    values, _ = objects.values(0)
    accepting: dict[int, list[int]] = {}
    for ask, at in objects.parts[0].asks.items():
        for number in ask.values:
            accepting.setdefault(number, []).append(at)
    for number in sorted(accepting):
        yield number, values.number(tuple(accepting[number]))


def _numbers(objects: Mapping[Class, Objects]) -> Iterator[Number]:
    for class_, kind in _OF_NUMBERS:
        if objects[class_].active:
            yield from ((kind, number, label) for number, label in _listed(objects[class_]) if label != NONE)
    if objects[Class.DEVICE].active:
        yield from _devices(objects[Class.DEVICE])


def _devices(devices: Objects) -> Iterator[Number]:
    """What is told apart of exact numbers, majors and kinds; what says the same as the next wider one is left out."""
    values, _ = devices.values(0)
    asks = devices.parts[0].asks
    for kind, exact, major in _OF_DEVICES:
        mine = {number: ask.values[1] for ask, number in asks.items() if not ask.values[0] or kind in ask.values[0]}
        any_ = _device(values, mine, None, None)
        if any_ != NONE:
            yield major, MAJOR_ANY, any_
        for at in sorted({pair[0] for pairs in mine.values() for pair in pairs}):
            of_major = _device(values, mine, at, None)
            if of_major != any_:
                yield major, at, of_major
            for minor in _minors(mine.values(), at):
                label = _device(values, mine, at, minor)
                if label != of_major:
                    yield exact, at << MINOR_BITS | minor, label


def _minors(lists: Iterable[Sequence[tuple[int, int | None]]], major: int) -> list[int]:
    return sorted({pair[1] for pairs in lists for pair in pairs if pair[0] == major and pair[1] is not None})


def _device(
    values: Values, asks: Mapping[int, Sequence[tuple[int, int | None]]], major: int | None, minor: int | None
) -> int:
    """The label of a device; None: of any that is not listed itself."""
    accepting = [at for at, pairs in asks.items() if not pairs or (major, None) in pairs or (major, minor) in pairs]
    return values.number(tuple(sorted(accepting)))
