"""
`make bench`: every budget beside what is measured here.

    python -m tests.bench.main [PART...] [--write-docs]

Parts: instructions (the lab, every kernel of kernels.toml), compiled (the policy compiler), native (this machine).
Prints a table and leaves it as JSON in build/bench/results.json; --write-docs also renews
docs/reference/benchmarks.md. A budget that is missed is a line, and no failure.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from tests.bench import compiled, counted, instructions, lines, native
from tests.bench.lines import FAILURES, Line
from tests.lab.programs import TREE

OUT = TREE / "build" / "bench"
DOCS = TREE / "docs" / "reference" / "benchmarks.md"
KERNELS = ("6.12", "6.1")
GUEST_SECONDS = 480.0


class Report:
    """What has been measured so far."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.breakdowns: dict[str, dict[str, int]] = {}
        self.quiet = native.quiet()
        self.date = datetime.now(UTC).date().isoformat()
        self.seconds = 0.0

    def add(self, name: str, found: Iterator[Line]) -> None:
        """Take lines as they come, and show them."""
        began, taken = time.monotonic(), list(found)
        self.seconds += time.monotonic() - began
        self.lines += taken
        print(f"\n{name} ({time.monotonic() - began:.0f} s)\n{lines.text(taken)}", flush=True)

    def count(self, kernel: str) -> Iterator[Line]:
        """The lines of one kernel."""
        try:
            found = instructions.count(kernel, OUT / f"lab-{kernel}", GUEST_SECONDS)
        except FAILURES as error:  # without a lab the other parts still have something to say
            yield from (row[0].unmeasured(f"{error}"[:300], kernel, counted.METHOD) for row in counted.ROWS)
            return
        yield from counted.lines(found)
        try:
            self.breakdowns[found.kernel] = instructions.breakdown(found)
        except KeyError as error:
            print(f"no breakdown: the run {error} is missing", file=sys.stderr)

    def save(self) -> None:
        """As JSON and as a page, into build/bench."""
        table = [asdict(line) | {"outcome": line.outcome} for line in self.lines]
        whole = {
            "date": self.date,
            "machine": f"{platform.machine()}, {self.quiet}",
            "seconds": round(self.seconds),
            "lines": table,
            "open_in_scope": self.breakdowns,
        }
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / "results.json").write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")
        (OUT / "benchmarks.md").write_text(self.page())

    def page(self) -> str:
        """The page for docs/reference."""
        parts = [
            "# Benchmarks",
            "Written by `make bench` (`tests/bench/run --write-docs`) from one run; do not edit.",
            f"Measured on {self.date}: {platform.machine()}, {self.quiet}. A ratio is the share of its budget that is"
            " used up: at most 1 is met. Instruction counts do not depend on the machine or its load and repeat to"
            " 0.1 % (connect and exec to 3 %); native times depend on both.",
            *(f"## {title}\n\n{lines.markdown(part)}" for title, part in self._parts()),
        ]
        for kernel, found in self.breakdowns.items():
            rows = "\n".join(f"| {what} | {count:,} |" for what, count in found.items())
            parts.append(f"## Where an open in scope goes, {kernel}\n\n| step | instructions |\n|---|---:|\n{rows}")
        return "\n\n".join(parts) + "\n"

    def _parts(self) -> Iterator[tuple[str, Sequence[Line]]]:
        """Lines by kernel and method of measuring; those counted first."""
        counts = [line for line in self.lines if line.method == counted.METHOD]
        for kernel in dict.fromkeys(line.kernel for line in counts):
            yield f"Instructions, kernel {kernel}", [line for line in counts if line.kernel == kernel]
        compiler = [line for line in self.lines if line.method == compiled.METHOD]
        if compiler:
            yield "Compiling policies", compiler
        rest = [line for line in self.lines if line not in counts and line not in compiler]
        if rest:
            yield "At native speed", rest


def main() -> int:
    report = Report()
    parts: dict[str, Callable[[], None]] = {
        "instructions": lambda: [report.add(f"instructions, {k}", report.count(k)) for k in KERNELS] and None,
        "compiled": lambda: report.add("compiling policies", compiled.lines()),
        "native": lambda: report.add("at native speed", native.lines()),
    }
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="the budgets beside what is measured here")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(parts)}; all if none is named")
    parser.add_argument("--write-docs", action="store_true", help=f"renew {DOCS.relative_to(TREE)}")
    options = parser.parse_args()
    for name in options.parts:
        if name not in parts:
            parser.error(f"unknown part `{name}`")
    for name, measure in parts.items():
        if not options.parts or name in options.parts:
            measure()
            report.save()
    if options.write_docs:
        DOCS.write_text(report.page())
    missed = sum(line.missed or (line.ratio or 0) > 1 for line in report.lines)
    judged = sum(line.missed or line.ratio is not None for line in report.lines)
    unmeasured = sum(line.measured.startswith("not measured") for line in report.lines)
    print(
        f"\nbench: {judged} budgets measured, {judged - missed} met, {missed} missed, {unmeasured} not measured,",
        end=" ",
    )
    print(f"{report.seconds:.0f} s; {(OUT / 'results.json').relative_to(TREE)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
