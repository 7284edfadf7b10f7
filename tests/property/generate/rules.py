"""
Random rules and policies of every class. Few values are used, so that rules and requests meet often.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from policy.model import names, waivers
from policy.model.types import (
    OPERATIONS,
    Action,
    BpfSelector,
    CapabilitySelector,
    Class,
    Control,
    CredentialSelector,
    DeviceKind,
    DeviceSelector,
    Errno,
    ExecSelector,
    FailMode,
    FileSelector,
    FileType,
    HostScope,
    IoUringSelector,
    KeyringSelector,
    Mode,
    ModuleSelector,
    MountSelector,
    NamespaceSelector,
    NetworkSelector,
    Policy,
    PtraceSelector,
    Rule,
    Selector,
    SignalSelector,
    Subject,
    SyscallSelector,
    Waiver,
)
from tests.property.generate.names import Names

NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "0.0.0.0/0", "::/0", "::/64", "::fff0:0:0/92"]
NETWORKS += ["2001:db8::/32", "2001:db8::1/128"]
PORTS = [(0, 0), (443, 443), (80, 443), (256, 511), (8000, 8080), (255, 256), (0, 65535), (65535, 65535)]
PROTOCOLS = [0, 6, 17, 132, 255]
FAMILIES = [names.FAMILIES[name] for name in ("unix", "inet", "inet6", "netlink", "vsock")]
SYSCALLS = ["ptrace", "mount", "bpf", "execve", "mseal", "io_uring_setup"]
CAPABILITIES = ["chown", "net_admin", "sys_admin", "sys_ptrace", "checkpoint_restore"]
SIGNALS = [1, 9, 15, 34, 64]
IDS = [0, 1, 33, 1000]
DEVICES = [(1, 3), (1, None), (8, 0), (8, None), (4095, 1048575), (0, 0)]
FILE_SYSTEMS = ["tmpfs", "proc", "overlay", "fuse.sshfs"]
UNTIL = [1, 1000, 2000, 4294967295]
CLASSES = [*Class, *[Class.FILE] * 3, Class.EXEC, *[Class.NETWORK] * 4, Class.MOUNT]
T = TypeVar("T")
ACTIONS = [Action.ALLOW, Action.ALLOW, Action.AUDIT, Action.DENY, Action.KILL]


class Rules:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._names = Names(chance)

    def profile(self, names_: Sequence[str]) -> tuple[Policy, ...]:
        """
        Policies about the same few classes and subjects, under some of these names, in any order.

        Some are plain: a policy or two about objects of one class, so that little else decides.
        """
        plain = self._chance.random() < 0.35
        chosen = self._chance.sample(list(names_), self._chance.choice([1, 1, 2] if plain else [1, 1, 2, 3, 4]))
        classes = self._chance.sample(CLASSES, 1 if plain else self._chance.choice([1, 2, 2, 3]))
        subjects = [] if plain else self.subjects()
        return tuple(self._waived(self.policy(name, classes, subjects), subjects) for name in chosen)

    def subjects(self) -> list[Subject]:
        return [self._subject() for _ in range(self._chance.choice([1, 2, 3]))]

    def policy(self, name: str, classes: Sequence[Class], subjects: Sequence[Subject]) -> Policy:
        """One without waivers."""
        chosen = self._chance.choice
        return Policy(
            name=name,
            scope=(HostScope(),),
            rules=tuple(self._rule(f"r{at}", classes, subjects) for at in range(chosen([0, 1, 2, 3, 4, 6, 9]))),
            mode=chosen([Mode.ENFORCING, Mode.ENFORCING, Mode.PERMISSIVE]),
            fail_mode=chosen(list(FailMode)),
            defaults=tuple((class_, self._default(class_)) for class_ in Class if chosen([0, class_ in classes])),
            labels=tuple({chosen(["a", "b"]): chosen(["", "x: y", "é\n", "5", "null"])}.items()),
            owner=chosen(["", "team: shop", "é@example"]),
            tags=chosen([(), ("T1059.004",), ("null", "a:b/c-1.d")]),
        )

    def _default(self, class_: Class) -> Action:
        """Calls can be watched, but a default would watch every one."""
        return Action.ALLOW if class_ is Class.SYSCALL else self._chance.choice(ACTIONS)

    def _rule(self, id_: str, classes: Sequence[Class], subjects: Sequence[Subject]) -> Rule:
        chosen = self._chance.choice
        selector = self._selector(chosen(list(classes)))
        action = chosen([one for one in Action if not (isinstance(selector, SyscallSelector) and one is Action.DENY)])
        return Rule(
            id=id_,
            selector=selector,
            action=action,
            subject=chosen(list(subjects)) if subjects and self._chance.random() < 0.5 else None,
            severity=chosen(["low", "high"]),
            message=chosen(["", "no: #business", "\x1b[2J", '"quoted" \\', "line\nbreak\u2028"]),
            controls=chosen([(), (Control("nist", "5", "AC-6"),)]),
            errno=chosen([Errno.EPERM, *Errno]) if action is Action.DENY else Errno.EPERM,
            tags=chosen([(), ("T1059.004",), ("yes", "0x1F", "1e9")]),
        )

    def _waived(self, policy: Policy, subjects: Sequence[Subject]) -> Policy:
        """Some rules and defaults are waived, and sometimes a rule that a waiver became."""
        for round_ in range(self._chance.choice([0, 0, 0, 1, 1, 2])):
            made = [self.waiver(f"w{round_}{at}", policy, subjects) for at in range(self._chance.choice([1, 2]))]
            (policy,) = waivers.waive([policy], made)
        return policy

    def waiver(self, name: str, policy: Policy, subjects: Sequence[Subject]) -> Waiver:
        chosen = self._chance.choice
        rule = chosen(policy.rules) if policy.rules and chosen([0, 1, 1, 1]) else None
        class_ = rule.class_ if rule else chosen(list(Class))
        selector = self._selector(class_) if rule is None or chosen([0, 1]) else None
        if selector is not None and rule is not None and chosen([0, 1]):
            selector = replace(selector, operations=rule.selector.operations)
        return Waiver(
            name=name,
            policy=policy.name,
            rule=rule.id if rule else f"default:{class_}",
            reason=chosen(["migration", "no: #business", "\u2028\x1b[2J"]),
            owner=chosen(["shop", "é <shop@example>"]),
            ticket=chosen(["", "SHOP-1", "null"]),
            until=chosen(UNTIL),
            subject=chosen([None, None, *subjects]),
            selector=_creating(selector) if isinstance(selector, NetworkSelector) else selector,
        )

    def _selector(self, class_: Class) -> Selector:
        operations = self._operations(class_)
        makers: dict[Class, Callable[[], Selector]] = {
            Class.FILE: lambda: self._file(operations),
            Class.EXEC: lambda: ExecSelector(fileless=True) if self._rare() else ExecSelector(self._names.patterns()),
            Class.NETWORK: lambda: self._network(operations),
            Class.SYSCALL: lambda: SyscallSelector(self._some(SYSCALLS, [1, 2, 3])),
            Class.CAPABILITY: lambda: CapabilitySelector(self._some(CAPABILITIES, [1, 2, 3])),
            Class.DEVICE: lambda: DeviceSelector(
                operations, self._some(list(DeviceKind), [0, 0, 1]), self._some(DEVICES, [0, 1, 1, 2])
            ),
            Class.MOUNT: lambda: self._mount(operations),
            Class.NAMESPACE: lambda: NamespaceSelector(("user",)),
            Class.PTRACE: lambda: PtraceSelector(operations, self._chance.random() < 0.6),
            Class.SIGNAL: lambda: SignalSelector(self._some(SIGNALS, [0, 1, 2])),
            Class.BPF: lambda: BpfSelector(operations),
            Class.MODULE: lambda: ModuleSelector(operations),
            Class.CREDENTIAL: lambda: CredentialSelector(operations, self._some(IDS, [0, 1, 2])),
            Class.KEYRING: lambda: KeyringSelector(operations),
            Class.IO_URING: lambda: IoUringSelector(operations),
        }
        return makers[class_]()

    def _operations(self, class_: Class) -> tuple[str, ...]:
        """In the order of the class, each once: their order means nothing."""
        known = OPERATIONS[class_]
        chosen = self._some(known, [1, 2, 3, 4, len(known)])
        return tuple(sorted(chosen, key=known.index))

    def _file(self, operations: tuple[str, ...]) -> FileSelector:
        types = tuple(sorted(self._some(list(FileType), [0, 0, 0, 1, 2])))
        if self._rare():
            return FileSelector((), operations, types, fileless=True)
        paths = () if self._rare() and types else self._names.patterns()
        if types and self._rare():
            paths = (self._chance.choice(["/**", "/a/**", "/bin/**"]),)  # hides much, if the types did not matter
        return FileSelector(paths, operations, types)

    def _network(self, operations: tuple[str, ...]) -> NetworkSelector:
        found = NetworkSelector(
            self._some(NETWORKS, [0, 1, 2, 3]),
            self._some(PORTS, [0, 0, 1, 1, 2]),
            self._some(PROTOCOLS, [0, 0, 0, 2, 3]),
            operations,
            self._some(FAMILIES, [0, 0, 2, 3]),
        )
        chance = self._chance.random()
        if chance < 0.2:
            return _creating(NetworkSelector(to=self._some(NETWORKS, [1, 2]), operations=operations))
        if chance < 0.6:
            found = replace(found, to=(), ports=(), unix=self._names.socket_patterns())
        if chance < 0.4:
            found = NetworkSelector(operations=operations, unix=found.unix)
        return _creating(found)

    def _mount(self, operations: tuple[str, ...]) -> MountSelector:
        def patterns() -> tuple[str, ...]:
            return self._names.patterns() if self._chance.random() < 0.4 else ()

        return MountSelector(operations, patterns(), patterns(), self._some(FILE_SYSTEMS, [0, 0, 1, 2]))

    def _subject(self) -> Subject:
        """Some parts, most often one or two of them."""

        def ids() -> tuple[int, ...]:
            return self._some(IDS, [0, 0, 0, 1, 2])

        def exes(often: float) -> tuple[str, ...]:
            return self._names.patterns() if self._chance.random() < often else ()

        found = Subject(
            exe=exes(0.3),
            user=ids(),
            group=ids(),
            parent=exes(0.15),
            ancestor=exes(0.15),
            not_exe=exes(0.1),
            not_user=ids(),
            not_group=(),
            not_parent=exes(0.1),
            not_ancestor=exes(0.15),
        )
        found = replace(found, user=(), not_group=found.user) if self._chance.random() < 0.3 else found
        return found if found != Subject() else replace(found, exe=self._names.patterns())

    def _rare(self) -> bool:
        return self._chance.random() < 0.12

    def _some(self, values: Sequence[T], counts: Sequence[int]) -> tuple[T, ...]:
        return tuple(self._chance.sample(list(values), min(self._chance.choice(list(counts)), len(values))))


def _creating(selector: NetworkSelector) -> NetworkSelector:
    """Nobody knows where a socket that is only made will lead: such a rule asks for no peer."""
    if "create" not in selector.operations:
        return selector
    return replace(selector, to=(), ports=(), unix=())
