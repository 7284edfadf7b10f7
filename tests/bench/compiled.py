"""Compile time and ruleset size for file rules of the fixed mix: `python -m tests.bench.compiled COUNT [plain]`."""

import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from policy.compiler import CompileError, compile_profiles
from tests.bench.lines import Line
from tests.bench.shapes import file_rules, web

COUNTS = (10, 100, 1_000, 10_000, 100_000)
#: Seconds and MiB, by number of rules.
BUDGETS = {10_000: (2.0, 64), 100_000: (60.0, 512)}
METHOD = (
    "a process each, from the model to the ruleset; 60 % literal paths, 25 % dir/**, 10 % with one *, 5 % /**/name; "
    "`without names anywhere`: 65 % literal"
)
LIMIT_SECONDS = 120.0


def measure(count: int, anywhere: bool) -> dict[str, Any]:
    """Seconds and bytes, or why it was refused and after how long."""
    compile_profiles([[web()]])  # what a process does once
    policy = file_rules(count, anywhere=anywhere)
    began, used = time.perf_counter(), time.process_time()
    try:
        ruleset = compile_profiles([[policy]])
    except CompileError as error:
        return {"seconds": time.perf_counter() - began, "refused": error.message, "limit": error.limit}
    seconds, used = time.perf_counter() - began, time.process_time() - used
    size, entries = len(ruleset.to_bytes()), len(ruleset.automaton)
    return {"seconds": seconds, "used": used, "bytes": size, "entries": entries}


def lines() -> Iterator[Line]:
    for count in COUNTS:
        yield from _lines(count, "", _measured(count))
    yield from _lines(10_000, " without names anywhere", _measured(10_000, "plain"))


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
    what, kernel = f"compile {count:,} file rules{kind}", platform.release()
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
    what, beside = f"ruleset of {count:,} file rules{kind}", f"{found['entries']:,} automaton entries"
    yield Line(what, limit, f"{size:.2f} MiB", share, kernel, METHOD, beside)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), anywhere="plain" not in sys.argv)))
