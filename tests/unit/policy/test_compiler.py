"""What the compiler promises beside the right decisions: determinism, shapes, limits with a clear refusal."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from policy.compiler import CompileError, Ruleset, RulesetFormatError, compile_profiles, limits, ruleset
from policy.compiler.comb import OWNED
from policy.compiler.evaluate import decide, path_label
from policy.compiler.ruleset import PATH_COLUMNS, ClassTable
from policy.language import load
from policy.model.types import (
    OPERATIONS,
    Action,
    Class,
    Effect,
    ExecSelector,
    Mode,
    NetworkSelector,
    Number,
    Policy,
    Request,
    Rule,
    Subject,
    SyscallSelector,
)
from policy.model.waivers import waive
from tests.unit.policy.make import ROOT, file, policy, read, rule

ROOM = Path(__file__).parents[3]
ABI = (ROOM / "bpf/include/abi.h").read_text()
GOLDEN = ROOM / "tests/golden/policy"


def example(name: str = "example") -> list[Policy]:
    """The policies of a file, its waivers applied."""
    found = load((GOLDEN / f"{name}.yaml").read_text())
    assert not found.diagnostics
    return list(waive(found.policies, found.waivers))


def literal(count: int, name: str = "paths") -> Policy:
    """Files of packages: some directories, several files in each."""
    files = [f"/usr/share/package{at // 8}/module{at % 8}/file{at}.conf" for at in range(count)]
    rules = (rule(file(one, operations=("read", "write")), "deny", id=f"r{at}") for at, one in enumerate(files))
    return policy(*rules, name=name)


def test_equal_policies_give_equal_bytes_in_any_process() -> None:
    """The bytes depend neither on the order of policies nor on the interpreter's hash seed."""
    code = (
        "import hashlib; from policy.compiler import compile_profiles;"
        "from tests.unit.policy.test_compiler import example; p = example() + example('ruleset-of-every-class');"
        "print(hashlib.sha256(compile_profiles([p[::-1], p[:1]]).to_bytes()).hexdigest())"
    )
    policies = example() + example("ruleset-of-every-class")
    expected = hashlib.sha256(compile_profiles([policies, policies[:1]]).to_bytes()).hexdigest()
    for seed in ("0", "1", "4294967295"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOM, env=environment, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == expected


@pytest.mark.parametrize(
    ("name", "golden"), [("example", "ruleset"), ("ruleset-of-every-class", "ruleset-of-every-class")]
)
def test_ruleset_is_the_golden_one(name: str, golden: str) -> None:
    """The tables of the examples do not change unnoticed; RINGFENCE_GOLDEN=write writes them anew."""
    policies = example(name)
    ruleset = compile_profiles([policies, policies[:1]])
    found = "\n".join(_described(ruleset)) + "\n"
    path = GOLDEN / f"{golden}.txt"
    if os.environ.get("RINGFENCE_GOLDEN") == "write":
        path.write_text(found)
    assert found == path.read_text()


def _described(ruleset: Ruleset) -> list[str]:
    sums = {
        name: hashlib.sha256(getattr(ruleset, name).astype("<u4").tobytes()).hexdigest()
        for name in ("automaton", "words")
    }
    lines = [f"automaton: {len(ruleset.automaton)} entries, sha256 {sums['automaton']}"]
    lines += [f"words: {len(ruleset.words)}, sha256 {sums['words']}"]
    for table in ruleset.profiles:
        names = [name for name in type(table).__slots__ if name not in ("byte_classes", "classes")]
        lines += ["profile:", *(f"  {name}: {getattr(table, name)}" for name in names)]
        lines += [f"  {class_}: {table.classes[class_.number]}" for class_ in Class]
        lines += [f"  byte_classes: {table.byte_classes.hex()}"]
    lines += [
        f"address: {profile} {prefix.hex()}/{length} {number}" for profile, length, prefix, number in ruleset.addresses
    ]
    lines += [f"number: {entry}" for entry in ruleset.numbers]
    lines += [f"rule: {one.policy} {one.rule} {one.class_} {one.action} {one.mode}" for one in ruleset.rules]
    return lines


def test_bytes_are_the_ruleset() -> None:
    """What another process reads is what was written; damage is refused."""
    ruleset = compile_profiles([example()])
    data = ruleset.to_bytes()
    again = Ruleset.from_bytes(data)

    assert again.to_bytes() == data
    assert (again.profiles, again.addresses, again.numbers, again.rules) == (
        ruleset.profiles,
        ruleset.addresses,
        ruleset.numbers,
        ruleset.rules,
    )
    for damaged in (b"", data[:-1], data[:100] + b"x" + data[101:], b"\0" * 100):
        with pytest.raises(RulesetFormatError):
            Ruleset.from_bytes(damaged)


def test_automaton_has_the_shape_of_the_abi() -> None:
    """No state is 0, headers are never owned, edges belong to headers, and every state reaches inside the array."""
    ruleset = compile_profiles([example(), [literal(50)]])
    following, check = ruleset.automaton[:, 0], ruleset.automaton[:, 1].astype(np.int64)
    states = set(np.unique(following[(following > 0)]).tolist()) | {table.start for table in ruleset.profiles}
    states |= {table.floating for table in ruleset.profiles if table.floating}

    assert 0 not in states
    assert max(states) + limits.AUTOMATON_ENTRIES.bit_length() < len(ruleset.automaton)
    assert len(ruleset.automaton) >= max(states) + 256
    assert all(check[state] < OWNED and check[state] > 0 for state in states)
    owners = check[check >= OWNED] - OWNED
    assert set(owners.tolist()) <= states
    for table in ruleset.profiles:
        assert min(table.byte_classes) >= 1
        rows = ruleset.words[table.path_labels : table.path_labels + 2 * PATH_COLUMNS].reshape(2, PATH_COLUMNS)
        assert rows.tolist() == [[0] * PATH_COLUMNS, [1] * 7 + [0] * 3]


def test_equal_futures_are_one_state() -> None:
    """Below a directory that one rule covers every name is in one and the same state: the automaton is minimal."""
    ruleset = compile_profiles(
        [[policy(rule(file("/srv/**"), "deny"), rule(file("/srv/a/b", "/x/srv/**"), "deny", id="b"))]]
    )
    table = ruleset.profiles[0]

    def state(name: bytes) -> int:
        at = table.start
        for byte in name:
            following, check = ruleset.automaton[at + table.byte_classes[byte]]
            at = int(following if check == at | OWNED else ruleset.automaton[at][0])
        return at

    assert state(b"/srv/a") == state(b"/srv/zzz/deep") == state(b"/srv/a/b")
    assert state(b"/srv") != state(b"/srx")
    assert state(b"/nothing") == state(b"/other/nothing")


def test_classes_nobody_rules_decide_nothing() -> None:
    """A class without rules and with every default allow has no labels, so that hooks can skip it."""
    classes = compile_profiles([[policy(rule(file("/a"), "deny"))]]).profiles[0].classes

    assert classes[Class.FILE.number].labels > 0
    assert {classes[one.number] for one in Class if one is not Class.FILE} == {ClassTable()}


def test_profiles_share_rule_numbers() -> None:
    """A policy in two profiles has one set of counters."""
    web, db = policy(rule(file("/a"), "deny")), policy(rule(file("/a"), "deny"), name="db")
    ruleset = compile_profiles([[web], [web, db]])

    assert [one.policy for one in ruleset.rules] == ["db"] * (1 + len(Class)) + ["web"] * (1 + len(Class))
    assert decide(ruleset, 0, read(b"/a")).rule == ("web", "deny")
    assert decide(ruleset, 1, read(b"/a")).rule == ("db", "deny")


def test_limits_and_numbers_are_those_of_the_abi() -> None:
    """What the compiler believes of the kernel's tables is what the header says."""
    shifted = {name: 1 << int(bits) for name, bits in re.findall(r"#define RF_(\w+) \(1U << (\d+)\)", ABI)}
    plain = {name: int(number) for name, number in re.findall(r"#define RF_(\w+) (\d+)U?\b", ABI)}
    effects = {name: int(number) for name, number in re.findall(r"RF_EFFECT_(\w+) = (\d+)", ABI)}
    classes = {name: int(number) for name, number in re.findall(r"RF_CLASS_(\w+) = (\d+)", ABI)}
    names = "|".join(one.name for one in Class)
    operations = {name: int(bit) for name, bit in re.findall(rf"RF_((?:{names})_\w+) = 1 << (\d+)", ABI)}

    assert (shifted["AUTOMATON_ENTRIES"], shifted["WORDS"]) == (limits.AUTOMATON_ENTRIES, limits.WORDS)
    for name in ("ALSO_MAX", "SYSCALLS", "DECISION_STEPS"):
        assert plain[name] == getattr(limits, name)
    for name in ("CLASSES", "PATH_COLUMNS", "MINOR_BITS"):
        assert plain[name] == getattr(ruleset, name)
    assert effects == {effect.name: effect.value for effect in Effect}
    assert {one.name: one.number for one in Class}.items() <= classes.items()
    for class_, names in OPERATIONS.items():
        assert [operations[f"{class_.name}_{name.upper()}"] for name in names] == list(range(len(names)))


def test_names_of_accounts_are_refused() -> None:
    """The compiler knows no machine: names must have become numbers."""
    with pytest.raises(CompileError, match="www-data"):
        compile_profiles([[policy(rule(file("/a"), "deny", Subject(user=("www-data",))))]])


def test_two_policies_of_one_name_are_refused() -> None:
    """Counters and decisions go by name."""
    with pytest.raises(CompileError, match="two different policies"):
        compile_profiles([[policy()], [policy(rule(file("/a"), "deny"))]])


def test_too_many_paths_are_refused() -> None:
    """More paths than the automaton holds: the limit, what was needed, and what to do."""
    with pytest.raises(CompileError) as caught:
        compile_profiles([[literal(30_000)]])

    assert caught.value.found > caught.value.limit > 0
    assert "DIR/**" in caught.value.hint


def test_too_many_kinds_of_subjects_are_refused() -> None:
    """Subjects times objects past the words of a ruleset."""
    rules = [rule(file(f"/f{at}"), "deny", Subject(exe=(f"/e{at}",)), id=f"r{at}") for at in range(1500)]
    with pytest.raises(CompileError, match="kinds of subjects"):
        compile_profiles([[policy(*rules)]])


def test_too_many_kinds_of_objects_are_refused() -> None:
    """Addresses times ports past the limit, before the table is made."""
    rules = [
        rule(NetworkSelector((f"10.{at // 256}.{at % 256}.0/24",), ((at + 1, at + 1),)), "deny", id=f"r{at}")
        for at in range(1000)
    ]
    with pytest.raises(CompileError, match="kinds of objects") as caught:
        compile_profiles([[policy(*rules)]])
    assert caught.value.found > caught.value.limit


def test_too_many_would_denies_are_refused() -> None:
    """One decision counts a bounded number of other policies."""
    many = [
        policy(rule(file("/a"), "deny"), name=f"p{at:02}", mode=Mode.PERMISSIVE) for at in range(limits.ALSO_MAX + 2)
    ]

    compile_profiles([many[:-1]])
    with pytest.raises(CompileError, match="permissive policies") as caught:
        compile_profiles([many])
    assert (caught.value.found, caught.value.limit) == (limits.ALSO_MAX + 1, limits.ALSO_MAX)


def test_ten_thousand_literal_paths_fit() -> None:
    """The promised number of literal paths compiles, and the first and last of them decide."""
    web = literal(10_000)
    ruleset = compile_profiles([[web]])

    for one in (web.rules[0], web.rules[-1]):
        name = one.selector.paths[0].encode()  # type: ignore[union-attr]
        assert decide(ruleset, 0, read(name)).rule == ("paths", one.id)
        assert decide(ruleset, 0, read(name + b"x")).effect is Effect.ALLOW


def test_directories_first_hide_what_comes_after() -> None:
    """Rules for whole directories before patterns of any depth do not multiply with them."""
    directories = [rule(file(f"/srv/d{at}/**"), "allow", id=f"d{at}") for at in range(300)]
    names = [rule(file(f"/**/secret{at}.key"), "deny", id=f"n{at}") for at in range(300)]
    first = compile_profiles([[policy(*directories, *names)]])

    assert len(first.automaton) < 20_000
    assert decide(first, 0, read(b"/srv/d7/secret9.key")).rule == ("web", "d7")
    assert decide(first, 0, read(b"/srv/secret9.key")).rule == ("web", "n9")


def test_system_calls_go_by_architecture() -> None:
    """The same names are other numbers elsewhere."""
    web = policy(rule(SyscallSelector(("ptrace",)), "audit"))
    call = Request(Class.SYSCALL, ("call",), ROOT, Number(117))

    assert decide(compile_profiles([[web]], "x86_64"), 0, call).effect is Effect.ALLOW
    assert decide(compile_profiles([[web]], "aarch64"), 0, call).effect is Effect.AUDIT


def test_executables_have_a_domain_even_without_a_pattern() -> None:
    """Domain 0 is for the unknown alone."""
    web = policy(Rule("a", ExecSelector(("/a",)), Action.DENY, Subject(exe=("/b",))))
    ruleset = compile_profiles([[web]])
    table = ruleset.profiles[0]
    label = path_label(ruleset, table, b"/nothing")

    assert ruleset.words[table.path_labels + PATH_COLUMNS * label + 6] == 1
