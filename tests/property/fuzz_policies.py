"""
What happens to any bytes that are given as a policy: a coverage-guided fuzzer (atheris) on language and compiler.

    python -m tests.property.fuzz_policies [SECONDS [WORKSPACE]]

bytes → load → printed and read again, the same → compiled → a few requests decided by tables and reference, the same.
Anything that is raised but the compiler's own refusal ends the fuzzer with an exit status other than 0; the bytes that
did it are left in the workspace as `crash-…` (or `timeout-…`, if they took longer than `SLOW`).
"""

import random
import re
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["policy"]):
    from policy.compiler import limits

    # Patterns that multiply are refused as anywhere, only earlier: thousands of inputs have to fit into a minute.
    limits.CORE_STATES = 1 << 10
    limits.CORE_STEPS = 1 << 14
    from policy.compiler import CompileError, compile_profiles
    from policy.compiler.evaluate import decide as decide_by_tables
    from policy.language import dump, format_diagnostic, json_schema, load
    from policy.model.types import OPERATIONS, Policy
    from policy.reference import decide as decide_by_reference

from tests.property.generate import ROOT, Generator
from tests.property.generate.requests import Requests

SECONDS = 60
#: Seconds that one input may take; a fault if it takes longer.
SLOW = 20
REQUESTS = 4
#: Inputs, and those of them that were policies, that were compiled.
COUNTS: Counter[str] = Counter(inputs=0, valid=0, compiled=0)


def examine(data: bytes) -> None:
    """Raises if language or compiler do anything with these bytes that they should not."""
    COUNTS["inputs"] += 1
    result = load(data)
    assert result.ok or result.diagnostics
    for diagnostic in result.diagnostics:
        text = format_diagnostic(diagnostic)
        assert text.isprintable() or set(text) <= {*filter(str.isprintable, text), "\n"}, "an error is not printable"
    for document in (*result.policies, *result.waivers):
        again = load(dump(document))
        assert (*again.policies, *again.waivers) == (document,), f"read again it is another: {dump(document)}"
    if result.ok and result.policies:
        COUNTS["valid"] += 1
        _examine_profile(result.policies, random.Random(data))


def _examine_profile(profile: tuple[Policy, ...], chance: random.Random) -> None:
    try:
        ruleset = compile_profiles([profile])
    except CompileError as problem:
        assert problem.message
        return
    COUNTS["compiled"] += 1
    asked = Requests(chance, profile)
    for request in (asked.request() for _ in range(REQUESTS)):
        expected = decide_by_reference(profile, request)
        found = decide_by_tables(ruleset, 0, request)
        assert found == expected, f"{request}: {found}, the reference says {expected}"


def mutate(data: bytes, size: int, seed: int) -> bytes:
    """As libFuzzer does, by bytes; or by lines and words, half of those times an example, so that often it is valid."""
    chance = random.Random(seed)
    if chance.random() < 0.3:
        return bytes(atheris.Mutate(data, size))
    lines = (data if chance.random() < 0.5 else chance.choice(SEEDS)).split(b"\n")
    for _ in range(chance.randint(1, 4)):
        _change(lines, chance)
    return b"\n".join(lines)[:size]


def _change(lines: list[bytes], chance: random.Random) -> None:
    """Give a field another value that it has somewhere; else copy, remove or exchange lines, or replace a word."""
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    field = FIELD.fullmatch(lines[at])
    parts = re.split(rb"([\w/.*@]+)", lines[at])
    match chance.randrange(9):
        case 0:
            lines.insert(at, lines[other])
        case 1 if len(lines) > 1:
            del lines[at]
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3 if len(parts) > 1:
            parts[chance.randrange(1, len(parts), 2)] = chance.choice(WORDS)
            lines[at] = b"".join(parts)
        case _ if field and field[2] in VALUES:
            lines[at] = field[1] + field[2] + b": " + chance.choice(VALUES[field[2]])


def _seeds() -> list[bytes]:
    """Every policy that the repository has as an example, and generated ones of every class."""
    texts = [path.read_bytes() for path in sorted((ROOT / "tests/golden").rglob("*.yaml"))]
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        texts += [found.encode() for found in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)]
    generator = Generator(1)
    return texts + [_generated(generator, f"p{at}").encode() for at in range(100)]


def _generated(generator: Generator, name: str) -> str:
    """A policy without the rules that the language refuses, and its waiver if that is not refused."""
    policy, waiver = generator.written(name)
    refused = {one.rule for one in load(dump(policy)).diagnostics}
    text = dump(replace(policy, rules=tuple(rule for rule in policy.rules if rule.id not in refused)))
    return text + "---\n" + dump(waiver) if load(dump(waiver)).ok else text


FIELD = re.compile(rb"([ -]*)(\w+): (.+)")
SEEDS = _seeds()
VALUES: dict[bytes, list[bytes]] = defaultdict(list)
for _field in (FIELD.fullmatch(line) for text in SEEDS for line in text.split(b"\n")):
    if _field:
        VALUES[_field[2]].append(_field[3])


def _words() -> list[bytes]:
    """What inputs are made of."""
    names = {name for model in json_schema()["$defs"].values() for name in model.get("properties", {})}
    names |= {*OPERATIONS, *(one for operations in OPERATIONS.values() for one in operations)}
    names |= {
        "enforcing",
        "permissive",
        "open",
        "closed",
        "allow",
        "audit",
        "deny",
        "kill",
        "host: true",
        "/**/",
        "[!a]",
    }
    names |= {"apiVersion: ringfence.dev/v1", "kind: Policy", "{a,b}", "10.0.0.0/8", "::ffff:0:0/96", "8000-8080", "&a"}
    names |= {"*a", "/**/", "- ", ": ", "\n  ", "---", "!!str", "? ", "|", "'", "\\", "é", "0x1f", "1e9", "@a*"}
    return [name.encode() for name in sorted(names)] + [b"\xff", b"\xc3"]


WORDS = _words()


def dictionary() -> str:
    """The words for libFuzzer."""
    escaped = ("".join(f"\\x{byte:02x}" for byte in word) for word in WORDS)
    return "".join(f'"{word}"\n' for word in escaped)


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    workspace = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp(prefix="ringfence-fuzz-"))
    (workspace / "found").mkdir(parents=True, exist_ok=True)
    (workspace / "seeds").mkdir(exist_ok=True)
    for at, text in enumerate(SEEDS):
        (workspace / "seeds" / f"{at:03}.yaml").write_bytes(text)
    (workspace / "words").write_text(dictionary())
    options = [
        f"-max_total_time={seconds}",
        "-max_len=6000",
        "-len_control=0",
        f"-timeout={SLOW}",
        "-rss_limit_mb=2048",
    ]
    options += [f"-dict={workspace}/words", f"-artifact_prefix={workspace}/", "-print_final_stats=1"]

    def counted(data: bytes) -> None:
        examine(data)
        if COUNTS["inputs"] % 200 == 0:  # libFuzzer ends the process itself, so nothing can be said at the end
            (workspace / "counts").write_text(" ".join(f"{name}={count}" for name, count in COUNTS.items()))

    atheris.Setup(
        [sys.argv[0], *options, str(workspace / "found"), str(workspace / "seeds")], counted, custom_mutator=mutate
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
