"""
What selectors ask of objects, in one form for all classes: so that everything after is free of selectors.

An object has *parts* (a file its name and type, a peer its address, port, protocol and family …). A selector asks
something of some of them, and all that it asks must hold.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from policy.model import names, syscalls
from policy.model.types import (
    CapabilitySelector,
    Class,
    CredentialSelector,
    DeviceSelector,
    ExecSelector,
    FileSelector,
    MountSelector,
    NamespaceSelector,
    NetworkSelector,
    PtraceSelector,
    Rule,
    Selector,
    SignalSelector,
    SyscallSelector,
)

#: The parts of each class's objects, in the order in which `struct rf_class` joins them; words of error messages.
PARTS: dict[Class, tuple[str, ...]] = {
    Class.FILE: ("names", "types"),
    Class.EXEC: ("names",),
    Class.NETWORK: ("addresses", "ports", "protocols", "families"),
    Class.SYSCALL: ("numbers",),
    Class.CAPABILITY: ("numbers",),
    Class.DEVICE: ("devices",),
    Class.MOUNT: ("sources", "targets", "types"),
    Class.NAMESPACE: ("kinds",),
    Class.PTRACE: ("processes",),
    Class.SIGNAL: ("numbers",),
    Class.BPF: (),
    Class.MODULE: (),
    Class.CREDENTIAL: ("ids",),
    Class.KEYRING: (),
    Class.IO_URING: (),
}


@dataclass(frozen=True, slots=True)
class Ask:
    """
    What is asked of one part; equal asks hold together.

    Attributes:
        part: Its place in `PARTS`.
        what: The selector's member.
        values: Any of them. Of `paths`, `unix`, `sources`, `targets` and `filesystems`: patterns as
            `policy.compiler.paths` reads them.
    """

    part: int
    what: str
    values: tuple[Any, ...] = ()

    @property
    def patterns(self) -> tuple[str, ...]:
        """Empty if something else is asked."""
        return self.values if self.what in _OF_PATTERNS else ()


_OF_PATTERNS = frozenset(("paths", "unix", "sources", "targets", "filesystems"))


def rules_joined(rule: Rule) -> Iterator[Rule]:
    """The rule, and those that it matches within: all of them must match."""
    yield rule
    if rule.within is not None:
        yield from rules_joined(rule.within)


def asks(rule: Rule, architecture: str) -> tuple[Ask, ...]:
    """All that a rule asks of an object, each once."""
    if rule.within is None:
        return tuple(_asks(rule.selector, architecture))
    found = (ask for one in rules_joined(rule) for ask in _asks(one.selector, architecture))
    return tuple(dict.fromkeys(found))


def operations(rule: Rule) -> tuple[str, ...]:
    """Those that the rule and all that it matches within are about."""
    if rule.within is None:
        return rule.selector.operations
    others = [one.selector.operations for one in rules_joined(rule)][1:]
    return tuple(one for one in rule.selector.operations if all(one in other for other in others))


def _asks(selector: Selector, architecture: str) -> Iterator[Ask]:
    """A part that is left out is not asked about."""
    match selector:
        case FileSelector() | ExecSelector():
            yield from _of_names(selector)
        case NetworkSelector():
            yield from _of_network(selector)
        case MountSelector(sources=sources, targets=targets, types=types):
            yield from _given((0, "sources", sources), (1, "targets", targets))
            yield from _given((2, "filesystems", tuple("%" + name for name in types)))
        case DeviceSelector(kinds=kinds, numbers=numbers):
            if kinds or numbers:
                yield Ask(0, "devices", (kinds, numbers))
        case PtraceSelector(outside=True):
            yield Ask(0, "outside")
        case _:
            numbers_ = _numbers(selector, architecture)
            if numbers_ is not None:
                yield Ask(0, "numbers", tuple(sorted(set(numbers_))))


def _given(*parts: tuple[int, str, tuple[Any, ...]]) -> Iterator[Ask]:
    return (Ask(*part) for part in parts if part[2])


def _of_names(selector: FileSelector | ExecSelector) -> Iterator[Ask]:
    if selector.fileless:
        yield Ask(0, "fileless")
    yield from _given((0, "paths", selector.paths))
    if isinstance(selector, FileSelector):
        yield from _given((1, "types", selector.types))


def _of_network(selector: NetworkSelector) -> Iterator[Ask]:
    return _given(
        (0, "to", selector.to),
        (0, "unix", selector.unix),
        (1, "ports", selector.ports),
        (2, "protocols", selector.protocols),
        (3, "families", selector.families),
    )


def _numbers(selector: Selector, architecture: str) -> Iterable[int] | None:
    """None: any."""
    match selector:
        case SyscallSelector(names=given):
            known = syscalls.numbers(architecture)
            return [known[name] for name in given if name in known]
        case CapabilitySelector(names=given):
            return [names.CAPABILITIES[name] for name in given]
        case NamespaceSelector(kinds=given):
            return [names.NAMESPACES.index(kind) for kind in given]
        case SignalSelector(signals=numbers) | CredentialSelector(ids=numbers):
            return numbers or None
    return None


def ends(rule: Rule) -> int | None:
    """Unix seconds from which on a rule matches nothing; None: never."""
    if rule.within is None:
        return rule.until
    return min((one.until for one in rules_joined(rule) if one.until is not None), default=None)
