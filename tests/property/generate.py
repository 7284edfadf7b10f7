"""
Random policies and requests that meet often: names are made from the patterns, and then bent.
"""

import contextlib
import ipaddress
import random
from dataclasses import replace

from policy.model import glob
from policy.model.types import (
    OPERATIONS,
    Action,
    Actor,
    Class,
    Control,
    ExecSelector,
    FailMode,
    FileSelector,
    HostScope,
    Mode,
    Nameless,
    NetworkSelector,
    Peer,
    Policy,
    Request,
    Rule,
    Selector,
    Subject,
    SyscallSelector,
)

COMPONENTS = ["a", "b", "ab", "ba", "etc", "usr", "bin", "lib64", "é", "日本", "x y", "..."]
PIECES = ["*", "?", "[ab]", "[!a]", "[a-c]", "{a,b}", "{ab,é,}", "\\*", "a", "b", "ab", "é", "[^b-d]", "\\{", "a", "b"]
ROOTS = ["", "", "", "/bin", "/usr/bin", "/lib64", "/var/run", "/run", "/a", "/a/b", "/{a,bin}", "/lib*"]
WHOLE = ["**", "*", "*", "*", "{a,b/c}", "?"]
NETWORKS = [
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.3/32",
    "0.0.0.0/0",
    "::/0",
    "2001:db8::/32",
    "2001:db8::1/128",
    "::/64",
]
ADDRESSES = [
    "10.0.0.1",
    "10.1.2.3",
    "10.1.9.9",
    "192.0.2.1",
    "2001:db8::1",
    "2001:db8::2",
    "::1",
    "fe80::1",
    "::",
    "::2",
]
PORTS = [(0, 0), (443, 443), (80, 443), (256, 511), (8000, 8080), (255, 256), (0, 65535), (65535, 65535)]
SYSCALLS = ["ptrace", "mount", "bpf", "execve", "mseal", "io_uring_setup"]
IDS = [0, 1, 33, 1000]


class Generator:
    """Everything comes from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def profiles(self) -> list[tuple[Policy, ...]]:
        """Two profiles of one to four policies, in any order, that may share one."""
        first = self.profile(["alpha", "beta", "gamma", "delta"])
        shared = first[:1] if self.random.random() < 0.3 else ()
        return [first, (*self.profile(["epsilon", "zeta", "eta"]), *shared)]

    def profile(self, names: list[str]) -> tuple[Policy, ...]:
        chosen = self.random.sample(names, min(len(names), self.random.choice([1, 1, 2, 3, 4])))
        return tuple(self.policy(name) for name in chosen)

    def policy(self, name: str) -> Policy:
        chosen = self.random.choice
        actions = [Action.ALLOW, Action.ALLOW, Action.AUDIT, Action.DENY, Action.KILL]
        defaults = [
            (class_, chosen(actions)) for class_ in (Class.FILE, Class.EXEC, Class.NETWORK) if chosen([0, 0, 1])
        ]
        return Policy(
            name=name,
            scope=(HostScope(),),
            rules=tuple(self.rule(f"r{at}") for at in range(chosen([0, 1, 2, 3, 5, 8]))),
            mode=chosen([Mode.ENFORCING, Mode.ENFORCING, Mode.PERMISSIVE]),
            fail_mode=chosen(list(FailMode)),
            defaults=tuple(defaults),
            labels=tuple({chosen(["a", "b"]): chosen(["", "x: y", "é\n", "5", "null"])}.items()),
        )

    def rule(self, id_: str) -> Rule:
        selector = self.selector()
        watching = isinstance(selector, SyscallSelector)
        return Rule(
            id=id_,
            selector=selector,
            action=self.random.choice([Action.ALLOW, Action.AUDIT] if watching else list(Action)),
            subject=self.subject() if self.random.random() < 0.4 else None,
            severity=self.random.choice(["low", "high"]),
            message=self.random.choice(["", "no: #business", "\x1b[2J", '"quoted" \\', "line\nbreak\u2028"]),
            controls=self.random.choice([(), (Control("nist", "5", "AC-6"),)]),
        )

    def selector(self) -> Selector:
        some, chosen = self.random.sample, self.random.choice
        match chosen([Class.FILE, Class.FILE, Class.FILE, Class.EXEC, Class.NETWORK, Class.SYSCALL]):
            case Class.FILE:
                operations = some(OPERATIONS[Class.FILE], chosen([1, 2, 3]))
                return FileSelector(self.patterns(), tuple(sorted(operations, key=OPERATIONS[Class.FILE].index)))
            case Class.EXEC:
                return ExecSelector(self.patterns())
            case Class.NETWORK:
                to, ports = some(NETWORKS, chosen([0, 1, 1, 2])), some(PORTS, chosen([0, 0, 1, 2]))
                return NetworkSelector(tuple(to), tuple(ports), tuple(some([6, 17, 132, 255], chosen([0, 0, 1, 2]))))
            case _:
                return SyscallSelector(tuple(some(SYSCALLS, chosen([1, 2, 3]))))

    def subject(self) -> Subject:
        def ids() -> tuple[int, ...]:
            return tuple(self.random.sample(IDS, self.random.choice([0, 0, 0, 1, 2])))

        def exes() -> tuple[str, ...]:
            return self.patterns() if self.random.random() < 0.4 else ()

        found = Subject(exes(), ids(), ids(), exes(), ids(), ids())
        return found if found != Subject() else replace(found, exe=self.patterns())

    def patterns(self) -> tuple[str, ...]:
        return tuple(self.pattern() for _ in range(self.random.choice([1, 1, 2, 3])))

    def pattern(self) -> str:
        """A pattern that the language accepts."""
        while True:
            parts = [self.component() for _ in range(self.random.choice([0, 1, 1, 2, 3]))]
            text = self.random.choice(ROOTS) + "".join("/" + part for part in parts) or "/"
            with contextlib.suppress(glob.GlobError):
                glob.parse(text)
                return text

    def component(self) -> str:
        chance = self.random.random()
        if chance < 0.4:
            return self.random.choice(COMPONENTS)
        if chance < 0.7:
            return self.random.choice(WHOLE)
        if chance < 0.73:
            return self.random.choice(["**", "a**", "**b", "a**b"])
        pieces = [self.random.choice(PIECES) for _ in range(self.random.choice([1, 2, 2, 3]))]
        return "".join(pieces)

    def name(self, policies: tuple[Policy, ...]) -> bytes:
        """A name that some pattern nearly matches."""
        patterns = [pattern for policy in policies for rule in policy.rules for pattern in _patterns_of(rule)] or ["/a"]
        chance = self.random.random()
        if chance < 0.01:
            return self.hostile()
        name = self.instance(self.random.choice(patterns))
        if chance < 0.15:
            name = b"/".join(name.split(b"/")[:-1]) or b"/"
        elif chance < 0.3:
            name += self.random.choice([b"/a", b"a", b"/b/a", b"\n", b"\xff", b"/\xc3\xa9", b"\xe6"])
        elif chance < 0.35:
            at = self.random.randrange(1, len(name) + 1)
            name = name[:at] + self.random.choice([b"a", b"/", b"\x80", b"\xc3", b"*"]) + name[at + 1 :]
        return name

    def instance(self, pattern: str) -> bytes:
        """Put something in place of what is wild in a pattern."""
        chosen = self.random.choice
        text = pattern.replace("{a,b/c}", chosen(["a", "b/c"])).replace("{a,b}", chosen("ab"))
        text = text.replace("{ab,é,}", chosen(["ab", "é", ""])).replace("{a,bin}", chosen(["a", "bin"]))
        for piece in ("[ab]", "[!a]", "[a-c]", "[^b-d]"):
            text = text.replace(piece, chosen("abcé"))
        text = text.replace("\\*", "\x01").replace("\\{", "{").replace("**", "\x02").replace("*", "\x03")
        text = text.replace("\x01", "*").replace("?", chosen(["a", "é", "日", "/"]))
        text = text.replace("\x02", chosen(["a", "a/b", "b/é/a", "", "etc"])).replace(
            "\x03", chosen(["a", "ab", "日", "", "b"])
        )
        if text.startswith(("/bin", "/lib64")) and self.random.random() < 0.6:
            text = "/usr" + text
        if text.startswith("/var/run") and self.random.random() < 0.6:
            text = text[4:]
        return text.encode()

    def hostile(self) -> bytes:
        """As long and as deep as names get, and made of what names should not be made of."""
        return self.random.choice(
            [
                b"/" + b"a" * 4094,
                b"/a" * 1000,
                b"/a/b" * 500 + b"/etc",
                b"/bin/\xff\xfe\x80" + b"/\n" * 40,
                b"/" + bytes(byte for byte in range(1, 256) if byte != 47),
                b"/a" + b"\xc3\xa9" * 2000,
            ]
        )

    def request(self, policies: tuple[Policy, ...]) -> Request:
        class_ = self.random.choice([Class.FILE, Class.FILE, Class.FILE, Class.EXEC, Class.NETWORK, Class.SYSCALL])
        operations = self.random.sample(OPERATIONS[class_], self.random.randrange(1, len(OPERATIONS[class_]) + 1))
        return Request(class_, tuple(operations), self.actor(policies), self.object(class_, policies))

    def actor(self, policies: tuple[Policy, ...]) -> Actor:
        unknown = self.random.random
        return Actor(
            exe=None if unknown() < 0.1 else self.exe(policies),
            user=None if unknown() < 0.1 else self.random.choice([*IDS, 7]),
            group=None if unknown() < 0.05 else self.random.choice([*IDS, 7]),
        )

    def exe(self, policies: tuple[Policy, ...]) -> bytes:
        subjects = [rule.subject for policy in policies for rule in policy.rules if rule.subject]
        patterns = [pattern for subject in subjects for pattern in (*subject.exe, *subject.not_exe)]
        return self.instance(self.random.choice(patterns)) if patterns else b"/usr/bin/a"

    def object(self, class_: Class, policies: tuple[Policy, ...]) -> bytes | Nameless | Peer | int | None:
        if self.random.random() < 0.08:
            return None
        if class_ in (Class.FILE, Class.EXEC):
            return Nameless() if self.random.random() < 0.05 else self.name(policies)
        if class_ is Class.SYSCALL:
            return self.random.choice([101, 165, 321, 59, 462, 425, 0, 511, 512, 4000])
        return self.peer()

    def peer(self) -> Peer:
        text = self.random.choice(ADDRESSES)
        address = ipaddress.ip_address(text)
        packed = bytes(10) + b"\xff\xff" + address.packed if address.version == 4 else address.packed
        port = self.random.choice([0, 79, 80, 255, 256, 443, 511, 512, 8000, 8080, 8081, 65535])
        return Peer(None if self.random.random() < 0.1 else packed, port, self.random.choice([6, 17, 132, 0, 255]))


def _patterns_of(rule: Rule) -> tuple[str, ...]:
    return rule.selector.paths if isinstance(rule.selector, FileSelector | ExecSelector) else ()
