"""
Compile time, ruleset size and match time by the number of file rules: `python -m tests.bench.compiled COUNT KIND`.

And what a change of one policy of many costs: `python -m tests.bench.compiled 500 tenants`.
"""

import gc
import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

from policy.compiler import CompileError, Ruleset, compile_profiles
from policy.model.types import FileSelector, Policy
from tests.bench import shapes
from tests.bench.lines import Line
from tests.bench.matching import FEW, LENGTH, MANY, matched

COUNTS = (10, 100, 1_000, 10_000, 100_000)
KINDS: dict[str, Callable[[int], Policy]] = {
    "of the mix": shapes.file_rules,
    "with a literal path": shapes.literal_rules,
}
#: Seconds and MiB, by number of rules.
BUDGETS = {10_000: (2.0, 64), 100_000: (60.0, 512)}
TENANTS = 500
METHOD = (
    "a process each, from the model to the ruleset; the mix: 60 % literal paths, 25 % dir/**, 10 % with one *, "
    "5 % /**/name (the first ten rules are literal)"
)
MATCH_METHOD = (
    f"names of {LENGTH} bytes that follow a rule's path; look-ups are reads of the automaton and of words, counted; "
    f"times are of the programs' walk written in C, in user space, the best of many rounds: {FEW} names again and "
    f"again, and {MANY:,} in turn, for which no small cache is enough"
)
TENANTS_METHOD = (
    f"{TENANTS} policies of thirty rules, each a profile of its own; one loses a rule; units kept in memory; from the "
    "model to the ruleset"
)
LIMIT_SECONDS = 180.0


def measure(count: int, kind: str) -> dict[str, Any]:
    """Seconds and bytes, or why it was refused and after how long."""
    compile_profiles([[shapes.web()]])  # what a process does once
    policy = KINDS[kind](count)
    began, used = time.perf_counter(), time.process_time()
    try:
        ruleset = compile_profiles([[policy]])
    except CompileError as error:
        return {"seconds": time.perf_counter() - began, "refused": error.message, "limit": error.limit}
    seconds, used = time.perf_counter() - began, time.process_time() - used
    paths = [rule.selector.paths[0] for rule in policy.rules if isinstance(rule.selector, FileSelector)]
    return _size(ruleset) | {"seconds": seconds, "used": used} | asdict(matched(ruleset, paths))


def _size(ruleset: Ruleset) -> dict[str, int]:
    return {"bytes": len(ruleset.to_bytes()), "entries": len(ruleset.automaton), "words": len(ruleset.words)}


class _Kept(dict[str, bytes]):
    """A cache of units in memory."""

    def put(self, key: str, data: bytes) -> None:
        self[key] = data


def change(count: int) -> dict[str, Any]:
    """Seconds to compile that many profiles, and to compile them again when one policy changed."""
    policies, kept = shapes.tenants(count), _Kept()
    began = time.perf_counter()
    ruleset = compile_profiles([[policy] for policy in policies], cache=kept)
    first = time.perf_counter() - began
    policies[count // 2] = replace(policies[count // 2], rules=policies[count // 2].rules[1:])
    began = time.perf_counter()
    compile_profiles([[policy] for policy in policies], cache=kept)
    return _size(ruleset) | {"first": first, "again": time.perf_counter() - began, "units": len(kept)}


def lines() -> Iterator[Line]:
    for kind in KINDS:
        look_ups: dict[int, float] = {}
        for count in COUNTS:
            found = _measured(count, kind)
            look_ups |= {count: found["look_ups"]} if "look_ups" in found else {}
            yield from _lines(count, kind, found)
        yield from _flat(kind, look_ups)
    yield from _change_lines(_measured(TENANTS, "tenants"))


def _measured(*arguments: int | str) -> dict[str, Any]:
    """In a process of its own, and not for ever."""
    command = [sys.executable, "-m", "tests.bench.compiled", *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        return {"seconds": LIMIT_SECONDS, "refused": f"no answer: {error}"[:200]}
    return found


def _lines(count: int, kind: str, found: dict[str, Any]) -> Iterator[Line]:
    what, kernel = f"compile {count:,} rules {kind}", platform.release()
    seconds, mebibytes = BUDGETS.get(count, (None, None))
    budget = "" if seconds is None else f"{seconds:.0f} s" + (", or refused with the reason" if count > 10_000 else "")
    if "refused" in found:
        measured = f"refused after {found['seconds']:.1f} s: {found['refused'].split(';')[0]}"
        refusable = count > 10_000 and "limit" in found
        ratio = found["seconds"] / seconds if seconds and refusable else None
        yield Line(what, budget, measured, ratio, kernel, METHOD, missed=bool(budget) and not refusable)
        return
    size = found["bytes"] / 2**20
    ratio = None if seconds is None else found["seconds"] / seconds
    beside = f"{found['used']:.3f} s of processor time"
    yield Line(what, budget, f"{found['seconds']:.3f} s", ratio, kernel, METHOD, beside)
    limit = "" if mebibytes is None else f"{mebibytes} MiB"
    share = None if mebibytes is None else size / mebibytes
    beside = f"{found['entries']:,} automaton entries, {found['words']:,} words"
    yield Line(f"ruleset of {count:,} rules {kind}", limit, f"{size:.2f} MiB", share, kernel, METHOD, beside)
    measured = f"{found['look_ups']:.1f} look-ups"
    beside = f"{found['warm']:.0f} ns; {found['turns']:.0f} ns for names in turn"
    yield Line(f"match a name, {count:,} rules {kind}", "", measured, None, kernel, MATCH_METHOD, beside)


def _flat(kind: str, look_ups: dict[int, float]) -> Iterator[Line]:
    """The most rules that compile against a hundred, which are the fewest that have all of the mix."""
    if 100 in look_ups:
        most = max(look_ups)
        more = 100 * (look_ups[most] / look_ups[100] - 1)
        what = f"match a name, {most:,} rules {kind} against 100"
        measured = f"{look_ups[most]:.1f} look-ups against {look_ups[100]:.1f}: {more:+.2f} %"
        yield Line(what, "within 2 %", measured, abs(more) / 2, platform.release(), MATCH_METHOD)


def _change_lines(found: dict[str, Any]) -> Iterator[Line]:
    kernel, what = platform.release(), f"change one policy of {TENANTS}"
    if "refused" in found:
        yield Line(what, "", found["refused"], None, kernel, TENANTS_METHOD)
        return
    compiled = found["units"] - TENANTS
    beside = f"all of them: {found['first']:.2f} s; profiles compiled: {compiled}"
    yield Line(what, "", f"{found['again']:.3f} s", None, kernel, TENANTS_METHOD, beside)
    beside = f"{found['entries']:,} automaton entries, {found['words']:,} words"
    what = f"ruleset of {TENANTS} profiles"
    yield Line(what, "", f"{found['bytes'] / 2**20:.2f} MiB", None, kernel, TENANTS_METHOD, beside)


if __name__ == "__main__":
    gc.disable()  # as in the process in which a node compiles
    number, asked = int(sys.argv[1]), sys.argv[2]
    print(json.dumps(change(number) if asked == "tenants" else measure(number, asked)))
