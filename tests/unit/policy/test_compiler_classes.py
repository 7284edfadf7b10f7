"""How objects of every class become labels: parts, what could not be told, and where tables would grow too large."""

import pytest

from policy.compiler import CompileError, compile_profiles
from policy.compiler.evaluate import decide as decide_by_tables
from policy.compiler.ruleset import MAJOR_ANY, NumberKind
from policy.model.types import (
    OPERATIONS,
    Action,
    BpfSelector,
    CapabilitySelector,
    Class,
    CredentialSelector,
    Decision,
    Device,
    DeviceKind,
    DeviceSelector,
    Effect,
    Errno,
    ExecSelector,
    File,
    FileSelector,
    FileType,
    Mount,
    MountSelector,
    Nameless,
    NetworkSelector,
    Number,
    Object,
    Peer,
    Process,
    PtraceSelector,
    Request,
    Rule,
    UnixPeer,
)
from tests.unit.policy.make import ROOT, decide, policy, rule

CHAR, BLOCK = DeviceKind.CHAR, DeviceKind.BLOCK
SOMEWHERE = bytes(10) + b"\xff\xff\x0a\0\0\1"


def ask(*rules: Rule, of: Object, operation: str = "", **fields: object) -> Decision:
    """What tables and reference say, which must be the same."""
    class_ = rules[0].class_
    return decide([policy(*rules, **fields)], Request(class_, (operation or OPERATIONS[class_][0],), ROOT, of))


def test_names_that_nobody_lists_are_not_no_name() -> None:
    """`fileless` means exactly what has no name; a name that could not be told may have none."""
    deleted = rule(FileSelector((), ("read",), fileless=True), "deny")
    other = rule(FileSelector(("/a",), ("read",)), "audit", id="a")

    assert ask(deleted, other, of=File(Nameless())).effect is Effect.DENY
    assert ask(deleted, other, of=File(b"/b")).effect is Effect.ALLOW
    assert ask(deleted, other, of=File(b"/a")).effect is Effect.AUDIT
    assert ask(deleted, other, of=File(None)).error
    assert ask(rule(ExecSelector(fileless=True), "kill"), of=Nameless()).effect is Effect.KILL


def test_types_cost_a_table_only_where_they_are_named() -> None:
    """A name's label is the label of the file unless a rule asks for types."""
    plain = rule(FileSelector(("/a",), ("read",)), "deny")
    typed = rule(FileSelector((), ("read",), (FileType.DEVICE,)), "audit", id="typed")

    tables = [compile_profiles([[policy(*rules)]]).profiles[0].classes[1] for rules in ((plain,), (plain, typed))]
    assert (tables[0].table, tables[0].sizes) == (0, (1, 1, 1))
    assert tables[1].table > 0
    assert tables[1].sizes == (1 + len(FileType), 1, 1)
    assert ask(plain, typed, of=File(b"/b", FileType.DEVICE)).effect is Effect.AUDIT
    assert ask(plain, typed, of=File(b"/a", FileType.DEVICE)).effect is Effect.DENY
    assert ask(plain, typed, of=File(b"/b", None)).error
    assert ask(plain, typed, of=File(b"/a", None)).effect is Effect.DENY


def test_a_part_that_certainly_differs_outweighs_one_that_could_not_be_told() -> None:
    """No need to know the name of a file whose type is not meant."""
    both = rule(FileSelector(("/a",), ("read",), (FileType.FIFO,)), "deny")

    assert not ask(both, of=File(None, FileType.REGULAR)).error
    assert ask(both, of=File(None, FileType.FIFO)).error
    assert ask(both, of=None).error


def test_unix_sockets_have_neither_address_nor_port() -> None:
    """Each kind of peer is told from the other, and what one of them lacks is not unknown."""
    bus = rule(NetworkSelector(unix=("/run/dbus/*", "@/tmp/**")), "deny", id="bus")
    web = rule(NetworkSelector(to=("10.0.0.0/8",), ports=((443, 443),)), "kill", id="web")

    assert ask(bus, web, of=UnixPeer(b"/run/dbus/system")).effect is Effect.DENY
    assert ask(bus, web, of=UnixPeer(b"@/tmp/a/b")).effect is Effect.DENY
    assert ask(bus, web, of=UnixPeer(Nameless())).effect is Effect.ALLOW
    assert ask(bus, web, of=UnixPeer(None)).error
    assert ask(bus, web, of=Peer(SOMEWHERE, 443, 6)).effect is Effect.KILL
    assert ask(web, of=UnixPeer(None)).effect is Effect.ALLOW
    assert ask(bus, web, of=None).error


def test_defaults_do_not_reach_making_sockets() -> None:
    """Only a rule that names `create` decides it; the default's name is given all the same."""
    raw = rule(NetworkSelector(operations=("create",), families=(17,)), "deny")
    defaults = ((Class.NETWORK, Action.DENY),)

    assert ask(raw, of=Peer(None, 0, 0, 17), operation="create", defaults=defaults).effect is Effect.DENY
    free = ask(raw, of=Peer(None, 0, 0, 16), operation="create", defaults=defaults)
    assert (free.effect, free.rule) == (Effect.ALLOW, ("web", "default:network"))
    assert ask(raw, of=Peer(None, 0, 0, 16), defaults=defaults).effect is Effect.DENY


def test_devices_go_from_the_exact_number_to_the_kind() -> None:
    """Entries are made only where a narrower one says something else than the next wider one."""
    rules = (
        rule(DeviceSelector(("read",), (), ((1, 3), (5, None))), "allow", id="known"),
        rule(DeviceSelector(("read",), (BLOCK,)), "deny", id="disks"),
    )
    expected = {(CHAR, 1, 3): "known", (CHAR, 1, 5): "default:device", (BLOCK, 5, 9): "known", (BLOCK, 8, 0): "disks"}

    for number, name in expected.items():
        assert ask(*rules, of=Device(*number)).rule[1] == name
    assert ask(*rules, of=None).error
    kinds = [(kind, id_) for _, kind, id_, _ in compile_profiles([[policy(*rules)]]).numbers]
    assert (NumberKind.BLOCK_MAJOR, MAJOR_ANY) in kinds
    assert (NumberKind.CHAR_MAJOR, MAJOR_ANY) not in kinds


def test_mounts_are_told_by_three_parts() -> None:
    """Source, target and type are asked about apart, and each may be missing or unknown."""
    bind = rule(MountSelector(("mount",), ("/srv/**",), ("/mnt/*",), ("ext4",)), "deny")

    assert ask(bind, of=Mount(b"/srv/a", b"/mnt/a", b"ext4")).effect is Effect.DENY
    assert ask(bind, of=Mount(b"/srv/a", b"/mnt/a", b"ext4x")).effect is Effect.ALLOW
    assert ask(bind, of=Mount(Nameless(), b"/mnt/a", b"ext4")).effect is Effect.ALLOW
    assert ask(bind, of=Mount(None, b"/mnt/a", b"ext4")).error
    assert not ask(bind, of=Mount(None, b"/a", b"ext4")).error


def test_other_classes_go_by_number_or_by_nothing() -> None:
    """Numbers that no rule lists are one; where nothing is asked, everything is."""
    low = rule(CapabilitySelector(("net_bind_service",)), "deny")
    root = rule(CredentialSelector(("setuid",), (0,)), "deny")
    load = rule(BpfSelector(("load",)), "deny")
    outside = rule(PtraceSelector(("attach",), outside=True), "deny")

    assert [ask(low, of=Number(number)).effect for number in (10, 11)] == [Effect.DENY, Effect.ALLOW]
    assert [ask(root, of=Number(id_)).effect for id_ in (0, 1 << 31)] == [Effect.DENY, Effect.ALLOW]
    assert ask(root, of=Number(0), operation="setgid").effect is Effect.ALLOW
    assert ask(load, of=None).effect is Effect.DENY
    assert [ask(outside, of=Process(one)).effect for one in (True, False)] == [Effect.DENY, Effect.ALLOW]
    assert ask(outside, of=Process(None)).error


def test_an_answer_is_that_of_the_rule_that_denies() -> None:
    """Errors, kills and would-denies answer EPERM."""
    quiet = Rule("q", FileSelector(("/a",), ("read",)), Action.DENY, errno=Errno.ENOENT)
    fatal = Rule("k", FileSelector(("/b",), ("read",)), Action.KILL, errno=Errno.ENOENT)

    assert ask(quiet, fatal, of=File(b"/a")).errno is Errno.ENOENT
    assert ask(quiet, fatal, of=File(b"/b")).errno is Errno.EPERM
    assert ask(quiet, fatal, of=File(None)).errno is Errno.EPERM


def test_one_name_means_one_thing_to_each_class() -> None:
    """All uses of a name come from one walk: equal lists of patterns are told apart once."""
    paths = ("/srv/**",)
    rules = (
        rule(FileSelector(paths, ("read",)), "deny", id="file"),
        rule(ExecSelector(paths), "kill", id="exec"),
        rule(MountSelector(("umount",), (), paths), "audit", id="mount"),
        rule(NetworkSelector(unix=paths), "deny", id="unix"),
    )
    ruleset = compile_profiles([[policy(*rules)]])

    assert ruleset.profiles[0].path_label_count == 3
    for class_, operation, object_ in (
        (Class.FILE, "read", File(b"/srv/a")),
        (Class.EXEC, "exec", b"/srv/a"),
        (Class.MOUNT, "umount", Mount(Nameless(), b"/srv/a", Nameless())),
        (Class.NETWORK, "connect", UnixPeer(b"/srv/a")),
    ):
        request = Request(class_, (operation,), ROOT, object_)
        assert decide_by_tables(ruleset, 0, request) == decide([policy(*rules)], request)
        assert decide_by_tables(ruleset, 0, request).effect > Effect.ALLOW


def test_too_many_combinations_name_the_class_and_the_parts() -> None:
    """The table of a class is refused before it is made."""
    rules = [
        rule(MountSelector(("mount",), (f"/s{at}",), (f"/t{at}",), (f"fs{at}",)), "deny", id=f"r{at}")
        for at in range(100)
    ]
    with pytest.raises(CompileError, match="class `mount`: 102 kinds of sources times 102 kinds of targets") as caught:
        compile_profiles([[policy(*rules)]])
    assert caught.value.found > caught.value.limit > 0


def test_operations_that_everybody_is_allowed_are_not_asked() -> None:
    """Programs ask about what some rule or default does more than allow; no default reaches `create`."""
    allowed = rule(NetworkSelector(operations=("send",)), "allow", id="a")
    refused = rule(NetworkSelector(operations=("bind",)), "deny", id="b")

    def asked(**fields: object) -> set[str]:
        mask = compile_profiles([[policy(allowed, refused, **fields)]]).profiles[0].classes[Class.NETWORK.number].asked
        return {name for bit, name in enumerate(OPERATIONS[Class.NETWORK]) if mask >> bit & 1}

    assert asked() == {"bind"}
    assert asked(defaults=((Class.NETWORK, Action.DENY),)) == set(OPERATIONS[Class.NETWORK]) - {"create"}
