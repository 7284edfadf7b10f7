"""
Patterns whose literal beginning goes through a symbolic link: names are matched as they really are.

Without a machine to look at, the links that are known are those of usual distributions.
"""

from collections.abc import Callable, Iterator, Sequence

from policy.answers.cells import YES, NameTest, fits_name
from policy.answers.findings import SYMLINK, Finding, Severity, about
from policy.model import glob
from policy.model.types import ExecSelector, FileSelector, MountSelector, NetworkSelector, Policy, Rule

#: Where a name leads if it is a symlink; None: it is none, or does not exist.
Link = Callable[[str], str | None]

#: Links on every machine, or nearly, and where they lead.
ALWAYS = {
    "/dev/fd": "/proc/PID/fd",
    "/dev/stderr": "/proc/PID/fd/2",
    "/dev/stdin": "/proc/PID/fd/0",
    "/dev/stdout": "/proc/PID/fd/1",
    "/etc/mtab": "/proc/PID/mounts",
    "/proc/mounts": "/proc/PID/mounts",
    "/proc/net": "/proc/PID/net",
    "/proc/self": "/proc/PID",
    "/proc/thread-self": "/proc/PID/task/TID",
    "/var/lock": "/run/lock",
}
#: Links on many machines, and the usual names of what they lead to.
USUAL = {
    "/etc/localtime": ("/usr/share/zoneinfo/Etc/UTC",),
    "/etc/os-release": ("/usr/lib/os-release",),
    "/etc/resolv.conf": ("/run/systemd/resolve/stub-resolv.conf",),
    "/usr/bin/awk": ("/usr/bin/mawk", "/usr/bin/gawk"),
    "/usr/bin/editor": ("/usr/bin/nano", "/usr/bin/vim.basic"),
    "/usr/bin/nc": ("/usr/bin/nc.openbsd", "/usr/bin/nc.traditional", "/usr/bin/ncat"),
    "/usr/bin/python": ("/usr/bin/python3.11",),
    "/usr/bin/python3": ("/usr/bin/python3.9", "/usr/bin/python3.11", "/usr/bin/python3.13"),
    "/usr/bin/sh": ("/usr/bin/dash", "/usr/bin/bash"),
    "/usr/bin/vi": ("/usr/bin/vim.tiny", "/usr/bin/vim.basic"),
    "/usr/sbin/init": ("/usr/lib/systemd/systemd",),
    "/usr/sbin/insmod": ("/usr/bin/kmod",),
    "/usr/sbin/iptables": ("/usr/sbin/xtables-nft-multi",),
    "/usr/sbin/modprobe": ("/usr/bin/kmod",),
    "/usr/sbin/rmmod": ("/usr/bin/kmod",),
}
_WILD = frozenset("*?[")


def links(policy: Policy, link: Link | None = None) -> Iterator[Finding]:
    """
    Findings about the patterns of a policy, at most one a pattern.

    Args:
        link: Asks a machine; without, known links count.
    """
    for rule in policy.rules:
        for patterns in _lists(rule):
            for pattern in patterns:
                found = _known(policy, rule, pattern, patterns) if link is None else _real(policy, rule, pattern, link)
                if found:
                    yield found


def _lists(rule: Rule) -> Iterator[tuple[str, ...]]:
    match rule.selector:
        case FileSelector(paths=paths) | ExecSelector(paths=paths):
            yield paths
        case NetworkSelector(unix=unix):
            yield tuple(name for name in unix if name.startswith("/"))
        case MountSelector(sources=sources, targets=targets):
            yield from (sources, targets)
    who = rule.subject
    if who:
        yield from (who.exe, who.parent, who.ancestor, who.not_exe, who.not_parent, who.not_ancestor)


def _known(policy: Policy, rule: Rule, pattern: str, beside: Sequence[str]) -> Finding | None:
    for name in _literal(pattern):
        if name in ALWAYS:
            target = ALWAYS[name]
            message = f"pattern `{pattern}` matches nothing: `{name}` is a symlink"
            hint = f"write `{target}{pattern.removeprefix(name)}`" + " with `*` for PID" * ("PID" in target)
            return about(SYMLINK, Severity.WARNING, policy, rule, message, hint=hint)
    name = next((name for name in _spellings(pattern) if name in USUAL), "")
    targets = USUAL.get(name, ())
    if not targets or any(_matches(beside, target) for target in targets):
        return None
    shown = f"`{name}` of pattern `{pattern}`" if name != pattern else f"`{pattern}`"
    message = f"{shown} matches nothing where it is a symlink, as on most machines"
    hint = "add what it leads to: " + ", ".join(f"`{target}`" for target in targets)
    return about(SYMLINK, Severity.NOTE, policy, rule, message, hint=hint)


def _real(policy: Policy, rule: Rule, pattern: str, link: Link) -> Finding | None:
    """A pattern of which no spelling avoids a link that the machine has."""
    found: list[tuple[str, str]] = []
    for text in glob.alternatives(pattern):
        through = next(((name, target) for name in _prefixes(text) if (target := link(name))), None)
        if through is None:
            return None
        found.append(through)
    name, target = found[0]
    message = f"pattern `{pattern}` matches nothing here: `{name}` is a symlink"
    rest = pattern.removeprefix(name) if pattern.startswith(name) else ""
    return about(SYMLINK, Severity.WARNING, policy, rule, message, hint=f"write `{target}{rest}`")


def _literal(pattern: str) -> Iterator[str]:
    for text in glob.alternatives(pattern):
        yield from _prefixes(text)


def _prefixes(text: str) -> Iterator[str]:
    """The names that a pattern without braces goes through, its own if nothing in it is wild."""
    at = ""
    for component in text.split("/")[1:]:
        if _WILD.intersection(component) or "\\" in component:
            return
        at += "/" + component
        yield at


def _spellings(pattern: str) -> Iterator[str]:
    return (text for text in glob.alternatives(pattern) if not _WILD.intersection(text))


def _matches(patterns: Sequence[str], name: str) -> bool:
    return fits_name(NameTest(tuple(patterns)), name.encode()) == YES
