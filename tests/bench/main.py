"""
`make bench`: every budget beside what is measured here.

    tests/bench/run [PART...] [--write-docs]

Parts: instructions (the lab, both kernels), compiled (the policy compiler), native (this machine). Prints a table a
section and leaves each as JSON in build/bench/; --write-docs also renews docs/reference/benchmarks.md from the
latest of every section that was measured here. A budget that is missed is a line, and no failure.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from tests.bench import compiled, counted, instructions, native, sections
from tests.bench.lines import FAILURES, Line, text
from tests.bench.sections import Section
from tests.lab.programs import TREE

OUT = TREE / "build" / "bench"
DOCS = TREE / "docs" / "reference" / "benchmarks.md"
KERNELS = ("6.12", "6.1")
GUEST_SECONDS = 480.0


def count(kernel: str) -> Iterator[Section]:
    """What one kernel's guest counted, and where an open goes."""
    load, began = native.load(), time.monotonic()
    breakdown: dict[str, int] = {}
    try:
        found = instructions.count(kernel, OUT / f"lab-{kernel}", GUEST_SECONDS)
        lines = list(counted.lines(found))
        breakdown = counted.breakdown_or_nothing(found)
    except FAILURES as error:  # without a lab the other parts still have something to say
        lines = [row[0].unmeasured(f"{error}"[:300], kernel, counted.METHOD) for row in counted.ROWS]
    yield Section.made(f"instructions-{kernel}", load, time.monotonic() - began, lines, breakdown)


def instruction_sections() -> Iterator[Section]:
    for kernel in KERNELS:
        yield from count(kernel)


def plain(name: str, measure: Callable[[], Iterable[Line]]) -> Iterator[Section]:
    """A section that is lines alone."""
    load, began = native.load(), time.monotonic()
    lines = list(measure())
    yield Section.made(name, load, time.monotonic() - began, lines)


PARTS: dict[str, Callable[[], Iterator[Section]]] = {
    "instructions": instruction_sections,
    "compiled": lambda: plain("compiled", compiled.lines),
    "native": lambda: plain("native", native.lines),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="the budgets beside what is measured here")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all if none is named")
    parser.add_argument("--write-docs", action="store_true", help=f"renew {DOCS.relative_to(TREE)}")
    options = parser.parse_args()
    for name in set(options.parts) - set(PARTS):
        parser.error(f"unknown part `{name}`")
    measured = [section for name in options.parts or PARTS for section in show(PARTS[name]())]
    if options.write_docs:
        DOCS.write_text(sections.page(sections.load(OUT), DOCS.read_text()))
    print(f"\nbench: {sections.summary(measured)}; as JSON in {OUT.relative_to(TREE)}/")
    return 0


def show(found: Iterable[Section]) -> Iterator[Section]:
    """Print sections as they come, and keep them."""
    for section in found:
        print(f"\n{section.title} ({section.seconds} s)\n{text(section.lines)}", flush=True)
        for what, spent in section.breakdown.items():
            print(f"    {spent:8,}  {what}", flush=True)
        section.save(OUT)
        yield section


if __name__ == "__main__":
    sys.exit(main())
