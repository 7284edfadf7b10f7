"""Every class, subject and waiver: what a file may say, what it may not, and that printing loses nothing."""

from pathlib import Path

import pytest

from policy.language import LoadResult, digest, dump, load
from policy.model.types import OPERATIONS, Class, Errno, MountSelector, NetworkSelector, Rule, SignalSelector

GOLDEN = (Path(__file__).parents[2] / "golden/policy/canonical.yaml").read_text()


def rule(text: str) -> LoadResult:
    """What comes of a policy with one rule."""
    return load(
        f"""
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: web}}
spec:
  scope: [{{host: true}}]
  rules: [{{id: r, {text}}}]
"""
    )


def waiver(text: str) -> LoadResult:
    return load(f"apiVersion: ringfence.dev/v1\nkind: Waiver\nmetadata: {{name: w}}\nspec: {{{text}}}\n")


def read(text: str) -> Rule:
    """The one rule of a policy."""
    result = rule(text)
    assert result.diagnostics == ()
    return result.policies[0].rules[0]


def test_printing_is_the_inverse_of_reading() -> None:
    """A text with every class, operation, kind of subject and waiver, as it is printed, is what reading it prints."""
    result = load(GOLDEN)
    documents = (*result.policies, *result.waivers)

    assert result.diagnostics == ()
    assert "---\n".join(map(dump, documents)) == GOLDEN
    found = {(one.class_, name) for one in result.policies[0].rules for name in one.selector.operations}
    assert found == {(class_, name) for class_ in Class for name in OPERATIONS[class_]}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("file: {paths: [/a], fileless: true, operations: [read]}", "exclude each other", "a rule for each"),
        ("file: {fileless: true, operations: [read, rename, delete]}", "`delete` and `rename`", "leave these"),
        ("file: {fileless: false, operations: [read]}", "`fileless` can only be `true`", "leave it out"),
        ("file: {types: [fifo, socket], operations: [write, truncate]}", "`truncate` never happens to a fifo", "types"),
        ("file: {types: [symlink], operations: [read]}", "`read` never happens to a symlink", "other types"),
        ("file: {types: [pipe], operations: [read]}", "unknown type `pipe`", "`fifo`"),
        ("file: {paths: [], operations: [read]}", "`paths` is empty, which matches nothing", "any"),
        ("exec: {}", "found neither", '`paths: ["/**"]`'),
        ("exec: {paths: [/a], fileless: true}", "found both", "a rule for each"),
        ("network: {operations: [connect, create], ports: [1]}", "has no `ports` yet", "a rule of its own"),
        ("network: {operations: [create], unix: ['@x']}", "has no `unix` yet", "a rule of its own"),
        ("network: {operations: [connect], unix: ['@x'], ports: [1], to: [10.0.0.0/8]}", "no `to` and `ports`", "kind"),
        ("network: {operations: [connect], unix: [x]}", "does not begin with `/` or `@`", "`@name`"),
        ("network: {operations: [connect], unix: [/x], families: [inet]}", "`families` has `unix`", "leave one"),
        ("network: {operations: [connect], ports: [1], families: [unix, 1]}", "`families` has `ports`", "leave one"),
        ("network: {operations: [create], families: [AF_PACKET]}", "unknown address family", "did you mean `packet`?"),
        ("syscall: {names: [mount, kill]}", "no program may refuse", "a rule of class `mount` or `signal` can"),
        ("syscall: {names: [getpid]}", "no program may refuse", "`kill` ends who calls"),
        ("capability: {names: [CAP_SYS_ADMIN]}", "unknown capability", "did you mean `sys_admin`?"),
        ("capability: {names: []}", "`names` is empty", ""),
        ("signal: {signals: [SIGKILL]}", "unknown signal `SIGKILL`", "did you mean `KILL`?"),
        ("signal: {signals: [65]}", "unknown signal `65`", ""),
        ("device: {operations: [read], numbers: ['8']}", "not a device's number", '`"8:*"` for every minor'),
        ("device: {operations: [read], numbers: ['5000:1']}", "past the greatest numbers", ""),
        ("device: {operations: [read], numbers: [8:1]}", "unexpected ':'", "in quotes"),
        ("device: {operations: [read], kinds: [chr]}", "unknown kind `chr`", "did you mean `char`?"),
        ("mount: {operations: [mount, umount, pivot], sources: [/a]}", "`umount` and `pivot` has no `sources`", "own"),
        ("mount: {operations: [move], types: [ext4]}", "`move` has no `types`", "a rule of its own"),
        ("mount: {operations: [mount], types: ['ext*']}", "`ext*` is not a type of file system", "no globs"),
        ("namespace: {kinds: [network]}", "no hook sees a namespace of kind `network`", "sys_admin"),
        ("namespace: {kinds: [usr]}", "unknown kind of namespace `usr`", "did you mean `user`?"),
        ("ptrace: {operations: [read], target: inside}", "unknown target `inside`", "`outside`"),
        ("ptrace: {operations: [write]}", "unknown operation `write`", "class `ptrace` has `attach`, `read`"),
        ("bpf: {operations: [laod]}", "unknown operation `laod`", "did you mean `load`?"),
        ("module: {operations: []}", "`operations` is empty", ""),
        ("credential: {operations: [setuid], ids: [-1]}", "`-1` is not the number of a user", ""),
        ("credential: {operations: [setuid], ids: [root]}", "`root` is not the number of a user", "write the number"),
        ("iouring: {operations: [create]}", "unknown field `iouring`", "did you mean `ioUring`?"),
        ("module: {operations: [load]}, errno: EIO", "unknown errno `EIO`", "`EACCES`"),
        ("module: {operations: [load]}, tags: [a b]", "`a b` is not a tag", "without spaces"),
        ("module: {operations: [load]}, subject: {ancestor: []}", "`ancestor` is empty", "anyone"),
        ("module: {operations: [load]}, subject: {not: {not: {exe: [/a]}}}", "unknown field `not`", "under `subject`"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, message: str, hint: str) -> None:
    """What could never match, or names nothing, is one error that says so, and what to write."""
    (found,) = rule(f"{text}, action: deny").diagnostics

    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize("action", ["allow", "audit", "kill"])
def test_only_a_refusal_has_an_answer(action: str) -> None:
    """`errno` goes with `deny`, which is told where it stands; left out it is EPERM."""
    (found,) = rule(f"module: {{operations: [load]}}, action: {action}, errno: EACCES").diagnostics

    assert f"action `{action}` has none" in found.message
    assert read("module: {operations: [load]}, action: deny, errno: EACCES").errno is Errno.EACCES
    assert read("module: {operations: [load]}, action: deny").errno is Errno.EPERM


@pytest.mark.parametrize("action", ["allow", "audit", "kill"])
def test_system_calls_can_be_answered_by_a_kill(action: str) -> None:
    """Whatever needs no refusal may be asked of a system call."""
    assert read(f"syscall: {{names: [ptrace]}}, action: {action}").action == action


def test_names_of_numbers_are_numbers() -> None:
    """Signals, families and protocols by name or number mean the same; a left-out part is empty."""
    by_name = read("network: {operations: [create], families: [unix, vsock], protocols: [udp]}, action: deny")
    by_number = read("network: {operations: [create], families: [1, 40], protocols: [17]}, action: deny")

    assert by_name.selector == NetworkSelector(operations=("create",), families=(1, 40), protocols=(17,))
    assert by_name == by_number
    assert read("signal: {signals: [KILL, 15, 0]}, action: deny").selector == SignalSelector((9, 15, 0))
    assert read("signal: {}, action: deny").selector == SignalSelector()


def test_order_of_operations_types_and_kinds_means_nothing() -> None:
    """Policies that differ in it alone are equal, and have one digest."""
    one = rule("file: {types: [fifo, regular], operations: [write, read]}, action: deny").policies[0]
    other = rule("file: {types: [regular, fifo], operations: [read, write, read]}, action: deny").policies[0]

    assert one == other
    assert digest(one) == digest(other)


def test_what_an_operation_lacks_may_be_left_out() -> None:
    """Operations without a source may stand beside one that has it, if the rule names none."""
    found = read("mount: {operations: [umount, mount], targets: [/mnt]}, action: deny").selector

    assert found == MountSelector(("mount", "umount"), targets=("/mnt",))


REASONED = "policy: web, rule: r, reason: x, owner: y"


@pytest.mark.parametrize(
    ("expires", "until"),
    [
        ("2027-01-31", 1801353600),
        ("'2027-01-31T00:00:00Z'", 1801353600),
        ("'2027-01-31T01:00:00.9+01:00'", 1801353600),
        ("'2027-01-31 02:00+02:00'", 1801353600),
        ("20270131", 1801353600),
    ],
)
def test_expiry_is_a_moment(expires: str, until: int) -> None:
    """A time has its zone, a date begins in UTC; what is printed is the same moment."""
    (found,) = waiver(f"{REASONED}, expires: {expires}").waivers

    assert found.until == until
    assert load(dump(found)).waivers == (found,)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (REASONED, "field `expires` is missing", ""),
        (f"{REASONED}, expires: '2027-01-31T10:00'", "has no zone", "write `2027-01-31T10:00Z`"),
        (f"{REASONED}, expires: never", "neither a date nor a time", "write `2027-01-31`"),
        (f"{REASONED}, expires: 2027-02-30", "neither a date nor a time", ""),
        (f"{REASONED}, expires: 9999-01-01", "not between 1970 and 2106", ""),
        (f"{REASONED}, expires: true", "neither a date nor a time", ""),
        ("policy: web, rule: r, reason: ' ', owner: y, expires: 2027-01-31", "`reason` is empty", ""),
        ("policy: web, rule: r, reason: x, expires: 2027-01-31", "field `owner` is missing", ""),
        ("policy: web, rule: r, reason: x, owner: '', expires: 2027-01-31", "`owner` is empty", ""),
        (
            "policy: web, rule: 'default:fil', reason: x, owner: y, expires: 2027-01-31",
            "no rule `default:fil`",
            "class",
        ),
        ("policy: web, rule: 'default:file', reason: x, owner: y, expires: 2027-01-31", "with a `file`", "the part"),
        (
            "policy: web, rule: 'default:file', exec: {paths: [/a]}, reason: x, owner: y, expires: 2027-01-31",
            "with a `file`",
            "the part",
        ),
        (
            f"{REASONED}, expires: 2027-01-31, exec: {{paths: [/a]}}, module: {{operations: [load]}}",
            "the waiver is about one class, found `exec` and `module`",
            "one for each",
        ),
        (f"{REASONED}, expires: 2027-01-31, action: allow", "unknown field `action`", ""),
    ],
)
def test_waivers_are_checked(text: str, message: str, hint: str) -> None:
    """A waiver says why, who answers for it, and when it ends; its errors name it."""
    (found,) = waiver(text).diagnostics

    assert message in found.message
    assert hint in found.hint
    assert found.where == "waiver `w`: "


def test_a_waiver_may_have_the_name_of_a_policy() -> None:
    """Names are unique among documents of one kind."""
    head = "apiVersion: ringfence.dev/v1\nkind: Waiver\nmetadata: {name: classes}\n"
    one = f"{head}spec: {{{REASONED}, expires: 2027-01-31}}\n"
    twice = load(f"{one}---\n{one}")

    assert load(f"{GOLDEN}---\n{one}").ok
    assert [(found.code, found.where) for found in twice.diagnostics] == [("duplicate-waiver", "waiver `classes`: ")]
