"""What is measured on this machine, at its own speed, as lines of the table."""

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests.bench.lines import FAILURES, Budget, Line

KERNEL = platform.release()
ENFORCED = Budget("push → enforced, 100 rules changed, p99", 100, "{:.1f} ms")
ENFORCED_MANY = Budget("push → enforced, 10,000 rules new at once", 3, "{:.2f} s")
ALERT = Budget("violation → alert delivered at 1,000/s, p99", 50, "{:.1f} ms")
SHOWN = Budget("violation → visible in the console, p99", 200, "{:.1f} ms")
SHOWN_POLICY = Budget("policy state → visible in the console, p99", 200, "{:.1f} ms")
RING = Budget("ring → spool, one core, in full detail", 200_000, "{:,.0f}/s", least=True)
RING_AGGREGATED = Budget("ring → spool, one core, aggregated", 1_000_000, "{:,.0f}/s", least=True)
STORE = Budget("collector → store, one process", 150_000, "{:,.0f}/s", least=True)
MEMORY = Budget("agent resident memory, a minute after a push of 1,000 rules", 64, "{:.1f} MiB")
START = Budget("agent start, programs not cached", 3, "{:.2f} s")
START_CACHED = Budget("agent start, with the program cache", 1, "{:.2f} s")

#: How, said once for each.
WHOLE = "agent, collector and receiver of this tree as processes; network rules on a cgroup of its own (cgroup hooks)"


def lines() -> Iterator[Line]:
    """Every one, whatever becomes of the others."""
    for measure, budgets in MEASURES:
        try:
            yield from measure()
        except FAILURES as error:  # a failure is a line: the table goes on
            yield from (budget.unmeasured(_short(error), KERNEL) for budget in budgets)


def _short(error: Exception) -> str:
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) and error.stderr else str(error)
    return f"{type(error).__name__}: {said.strip().splitlines()[-1] if said.strip() else ''}"[:200]


def _run(module: str, *arguments: str) -> dict[str, Any]:
    """The JSON that a measurement prints as its first line; a process of its own, so that none warms another."""
    command = [sys.executable, "-m", f"tests.bench.{module}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    found: dict[str, Any] = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    return found


def _push() -> Iterator[Line]:
    found = _run("push", "--count", "500", "--rules", "100")
    enforced, answered = found["enforced_ms"], found["answered_ms"]
    beside = f"p50 {enforced['p50']} ms, max {enforced['max']} ms; answered p99 {answered['p99']} ms"
    method = f"{WHOLE}; {found['pushes']} pushes, each changes {found['rules']} rules, each tried afterwards"
    yield ENFORCED.line(enforced["p99"], KERNEL, method, beside)


def _push_many() -> Iterator[Line]:
    found = _run("push", "--count", "5", "--rules", "10000")
    method = f"{WHOLE}; the slowest of {found['pushes']} pushes of {found['rules']:,} network rules, every one changed"
    yield ENFORCED_MANY.line(found["enforced_ms"]["max"] / 1e3, KERNEL, method)


def _alert() -> Iterator[Line]:
    found = _run("alert", "--count", "3000", "--rate", "1000")
    latency = found["alert_ms"]
    method = f"{WHOLE}; {found['alerts']} violations at {found['per_second']}/s, one clock, signed webhook"
    yield ALERT.line(latency["p99"], KERNEL, method, f"p50 {latency['p50']} ms, max {latency['max']} ms")


def _shown() -> Iterator[Line]:
    found = _run("shown")
    violation, policies = found["violation_ms"], found["policies_ms"]
    method = f"{WHOLE}; {found['violations']} violations at 1,000/s, from the kernel's time to the page's event stream"
    beside = f"p50 {violation['p50']} ms, max {violation['max']} ms"
    yield SHOWN.line(violation["p99"], KERNEL, method, beside)
    method = f"{WHOLE}; {found['pushes']} pushes, from the answer to the event in the page's stream"
    beside = f"p50 {policies['p50']} ms, max {policies['max']} ms"
    yield SHOWN_POLICY.line(policies["p99"], KERNEL, method, beside)


def _store() -> Iterator[Line]:
    from tests.bench.collector import bench_store

    found = bench_store()
    method = "600,000 violations in batches of 500 by gRPC, from the first sent to the last acknowledged"
    beside = f"{found['cpu_us_per_event']} µs of processor time each, {found['bytes_per_event']:.0f} bytes stored"
    yield STORE.line(found["events_per_second"], KERNEL, method, beside)


def _ring() -> Iterator[Line]:
    found = _run("ring", "--json")
    place = (
        f"a ring in memory, the kernel's refused: {found['refused']}" if found["refused"] else "a ring of the kernel"
    )
    sums = "sums exact" if found["balances"] else "SUMS DO NOT BALANCE"
    method = f"{place} filled by a BPF program, drained on one core to the spool, fsync for each batch; {sums}"
    beside = f"{found['by_processor_time']:,.0f}/s by processor time"
    yield RING.line(found["events_per_second"], KERNEL, method, beside)
    yield RING_AGGREGATED.unmeasured("the agent does not aggregate yet", KERNEL, method)


def _memory() -> Iterator[Line]:
    from tests.bench.agent import memory

    found = memory()
    beside = f"with its {found['processes'] - 1:.0f} child processes {found['together']:.1f} MiB (PSS)"
    yield MEMORY.line(found["resident"], KERNEL, f"{WHOLE}; resident set of ringfence-agent", beside)


def _start() -> Iterator[Line]:
    from tests.bench.agent import starts

    for budget, cached in ((START, False), (START_CACHED, True)):
        found = starts(cached)
        beside = f"{min(found):.2f} to {max(found):.2f} s"
        method = f"ringfence-agent run until it logs that it is ready, nothing pinned; median of {len(found)}"
        yield budget.line(statistics.median(found), KERNEL, method, beside)


#: A measurement, and the lines that are missing if it fails.
MEASURES: tuple[tuple[Callable[[], Iterator[Line]], tuple[Budget, ...]], ...] = (
    (_push, (ENFORCED,)),
    (_push_many, (ENFORCED_MANY,)),
    (_alert, (ALERT,)),
    (_shown, (SHOWN, SHOWN_POLICY)),
    (_ring, (RING, RING_AGGREGATED)),
    (_store, (STORE,)),
    (_memory, (MEMORY,)),
    (_start, (START, START_CACHED)),
)


def load() -> str:
    """How busy the machine is with other things, which native times depend on."""
    return f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} when it began"
