"""The sentences of the policy contract, each as a test of tables and reference together."""

from dataclasses import replace

import pytest

from policy.model.types import (
    Action,
    Actor,
    Class,
    Effect,
    ExecSelector,
    FailMode,
    Mode,
    Nameless,
    NetworkSelector,
    Number,
    Peer,
    Request,
    Subject,
    SyscallSelector,
)
from tests.unit.policy.make import NGINX, ROOT, connect, decide, file, policy, read, rule

UNKNOWN = Actor(None, None, None)


def test_earlier_rule_decides() -> None:
    """The first rule that matches decides, even if a later one is stricter."""
    web = policy(rule(file("/srv/**"), "allow"), rule(file("/srv/**"), "deny"))

    assert decide([web], read(b"/srv/a")).rule == ("web", "allow")


def test_default_decides_when_no_rule_matches() -> None:
    """A class default decides what no rule matches; a class left out is allowed."""
    web = policy(rule(file("/srv/**"), "allow"), defaults=((Class.FILE, Action.DENY),))

    assert decide([web], read(b"/etc/passwd")).rule == ("web", "default:file")
    assert decide([web], read(b"/etc/passwd")).effect is Effect.DENY
    assert decide([web], Request(Class.EXEC, ("exec",), ROOT, b"/bin/sh")).effect is Effect.ALLOW


def test_modes_come_first() -> None:
    """Permissive turns deny and kill into would-deny; audit and allow stay."""
    for action, effect in (("deny", Effect.WOULD_DENY), ("kill", Effect.WOULD_DENY), ("audit", Effect.AUDIT)):
        web = policy(rule(file("/a"), action), mode=Mode.PERMISSIVE)
        assert decide([web], read(b"/a")).effect is effect


def test_strictest_policy_wins() -> None:
    """kill > deny > would-deny > audit > allow, whatever the order of the policies."""
    kinds = [("allow", {}), ("audit", {}), ("deny", {"mode": Mode.PERMISSIVE}), ("deny", {}), ("kill", {})]
    policies = [policy(rule(file("/a"), kind), name=f"p{9 - at}", **more) for at, (kind, more) in enumerate(kinds)]

    for count in range(1, 6):
        assert decide(policies[:count], read(b"/a")).effect == count - 1


def test_first_of_equals_is_named() -> None:
    """Of equally strict policies the first by name decides."""
    policies = [policy(rule(file("/a"), "deny"), name=name) for name in ("b", "a", "c")]

    assert decide(policies, read(b"/a")).rule == ("a", "deny")


def test_would_denies_of_others_are_counted() -> None:
    """A decision carries the would-denies of the policies that did not win."""
    trying = [policy(rule(file("/a"), "deny"), name=name, mode=Mode.PERMISSIVE) for name in ("a", "b")]
    winner = policy(rule(file("/a"), "deny"), name="z")

    assert decide([*trying, winner], read(b"/a")).also == (("a", "deny"), ("b", "deny"))
    assert decide(trying, read(b"/a")).also == (("b", "deny"),)


def test_each_operation_is_decided() -> None:
    """A request with several operations is decided for each, and the strictest counts."""
    web = policy(rule(file("/a", operations=("write",)), "deny"))

    assert decide([web], read(b"/a")).effect is Effect.ALLOW
    assert decide([web], read(b"/a", operations=("write", "read"))).effect is Effect.DENY


def test_subject_parts_must_all_hold() -> None:
    """Executable, user and group must all match; negated ones must not."""
    who = Subject(exe=("/usr/sbin/nginx",), user=(33,), not_group=(0,))
    web = policy(rule(file("/a"), "deny", who))

    assert decide([web], read(b"/a", NGINX)).effect is Effect.DENY
    for other in (replace(NGINX, exe=b"/bin/cat"), replace(NGINX, user=0), replace(NGINX, group=0)):
        assert decide([web], read(b"/a", other)).effect is Effect.ALLOW


def test_negated_executable() -> None:
    """`not: exe` means every other executable, also one that no pattern names."""
    web = policy(rule(file("/a"), "deny", Subject(not_exe=("/usr/sbin/*",))))

    assert decide([web], read(b"/a", NGINX)).effect is Effect.ALLOW
    assert decide([web], read(b"/a", ROOT)).effect is Effect.DENY


@pytest.mark.parametrize(
    ("fail", "mode", "effect"),
    [
        (FailMode.CLOSED, Mode.ENFORCING, Effect.DENY),
        (FailMode.CLOSED, Mode.PERMISSIVE, Effect.WOULD_DENY),
        (FailMode.OPEN, Mode.ENFORCING, Effect.ALLOW),
        (FailMode.OPEN, Mode.PERMISSIVE, Effect.ALLOW),
    ],
)
def test_what_cannot_be_decided_fails_as_the_policy_says(fail: FailMode, mode: Mode, effect: Effect) -> None:
    """A name that could not be told is an error wherever a rule might have mattered."""
    web = policy(rule(file("/a"), "kill"), fail_mode=fail, mode=mode)
    found = decide([web], read(None))

    assert (found.effect, found.error, found.rule) == (effect, True, ("web", "kill"))


def test_unknown_does_not_matter_when_all_agree() -> None:
    """Rules that might match and the one that does ask for the same: that is the decision, and no error."""
    web = policy(
        rule(file("/a"), "deny", Subject(exe=("/x",)), id="maybe"),
        rule(file("/**"), "deny", id="certain"),
    )
    found = decide([web], read(b"/a", UNKNOWN))

    assert (found.error, found.rule) == (False, ("web", "certain"))


def test_error_is_not_hidden_behind_allow() -> None:
    """A policy that cannot decide and fails open is named even if another one allows or audits."""
    lost = policy(rule(file("/a"), "deny"), name="z", fail_mode=FailMode.OPEN)
    audit = policy(rule(file("/b"), "allow"), name="a", defaults=((Class.FILE, Action.AUDIT),))
    never = policy(name="n", defaults=((Class.FILE, Action.DENY),))

    assert decide([lost], read(None)).error
    assert decide([policy(name="a"), lost], read(None)).rule == ("z", "deny")
    assert decide([audit, lost], read(None, operations=("read", "write"))).error
    assert decide([lost, never], read(None)).effect is Effect.DENY


def test_nameless_objects_match_no_pattern() -> None:
    """What is known to have no name is decided by the default."""
    web = policy(rule(file("/**"), "deny"))

    assert decide([web], read(Nameless())).rule == ("web", "default:file")


def test_user_and_group_are_known_together() -> None:
    """With the group unknown, a rule about users cannot be decided either: both come from one place."""
    web = policy(rule(file("/a"), "deny", Subject(user=(0,))))

    assert decide([web], read(b"/a", Actor(b"/x", 0, None))).error


def test_network_peers() -> None:
    """Address, port and protocol must all match; IPv6 networks never hold IPv4 addresses."""
    egress = NetworkSelector(("10.0.0.0/8", "2001:db8::/32"), ((443, 443), (8000, 8080)), (6,))
    web = policy(rule(egress, "allow"), defaults=((Class.NETWORK, Action.DENY),))
    six = policy(rule(NetworkSelector(("::/0",)), "deny"))

    for request in (connect("10.1.2.3"), connect("2001:db8::1", 8080), connect("10.255.255.255", 8000)):
        assert decide([web], request).effect is Effect.ALLOW
    for request in (connect("11.0.0.1"), connect("10.1.2.3", 444), connect("10.1.2.3", 443, 17), connect("::1")):
        assert decide([web], request).effect is Effect.DENY
    assert decide([six], connect("10.0.0.1")).effect is Effect.ALLOW
    assert decide([six], connect("::1")).effect is Effect.DENY


def test_longest_prefix_is_not_first_match() -> None:
    """A narrower network does not win over an earlier wider rule, and inherits it."""
    web = policy(
        rule(NetworkSelector(("10.1.0.0/16",), ((22, 22),)), "deny"), rule(NetworkSelector(("10.0.0.0/8",)), "audit")
    )

    assert decide([web], connect("10.1.0.1", 22)).effect is Effect.DENY
    assert decide([web], connect("10.1.0.1", 23)).effect is Effect.AUDIT
    assert decide([web], connect("10.2.0.1", 22)).effect is Effect.AUDIT


def test_peers_without_an_address() -> None:
    """Other families match only rules that name no address."""
    other = Request(Class.NETWORK, ("connect",), ROOT, Peer(None, 0, 0))

    assert decide([policy(rule(NetworkSelector(("0.0.0.0/0", "::/0")), "deny"))], other).effect is Effect.ALLOW
    assert decide([policy(rule(NetworkSelector(), "deny"))], other).effect is Effect.DENY


def test_unknown_peer_matters_only_to_rules_about_peers() -> None:
    """A rule that names no peer matches one that could not be told."""
    unknown = Request(Class.NETWORK, ("connect",), ROOT, None)

    assert not decide([policy(rule(NetworkSelector(), "deny"))], unknown).error
    assert decide([policy(rule(NetworkSelector((), ((1, 1),)), "deny"))], unknown).error


def test_system_calls_are_told_by_number() -> None:
    """A rule's names are the numbers of the architecture; calls past the table match no rule."""
    web = policy(rule(SyscallSelector(("ptrace", "bpf")), "audit"))

    def call(number: int) -> Request:
        return Request(Class.SYSCALL, ("call",), ROOT, Number(number))

    assert decide([web], call(101)).effect is Effect.AUDIT
    assert decide([web], call(102)).effect is Effect.ALLOW
    assert decide([web], call(100_000)).effect is Effect.ALLOW


def test_programs_are_matched_under_merged_directories() -> None:
    """`/bin` in a pattern also means `/usr/bin`."""
    web = policy(rule(ExecSelector(("/bin/*sh",)), "kill"))

    assert decide([web], Request(Class.EXEC, ("exec",), NGINX, b"/usr/bin/dash")).effect is Effect.KILL
    assert decide([web], Request(Class.EXEC, ("exec",), NGINX, b"/usr/bin/ls")).effect is Effect.ALLOW


def test_long_and_deep_names_are_decided_in_full() -> None:
    """Nothing is cut off: the last byte of the longest name still decides."""
    web = policy(rule(file("/**/x"), "deny"))

    for name in (b"/" + b"a" * 4000 + b"/x", b"/a" * 2000 + b"/x"):
        assert decide([web], read(name)).effect is Effect.DENY
        assert decide([web], read(name + b"y")).effect is Effect.ALLOW
