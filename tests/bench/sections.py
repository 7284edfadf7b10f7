"""What one part of a run measured: kept as JSON, and written as a page."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.lines import Line, markdown

#: Titles by name, in the order of the page.
TITLES = {
    "instructions-6.12": "Instructions, kernel 6.12",
    "instructions-6.1": "Instructions, kernel 6.1",
    "compiled": "Compiling policies",
    "native": "At native speed",
}
PREFACE = """# Benchmarks

Written by `tests/bench/run --write-docs`; do not edit. `make bench` measures all of it again.

A ratio is the share of its budget that is used up: at most 1 is met. *Beside it* is the same operation without
Ringfence (base), and what AppArmor adds to it in the same boot. Instruction counts do not depend on the machine or on
what else it does. Those of files repeat to 0.1 %; sockets and programs vary by 500 and 1,000 instructions from run to
run, whatever is installed, and so does what is said to be added to them. Native times depend on machine and load.
"""


@dataclass(frozen=True, slots=True)
class Section:
    """
    Attributes:
        date: Day, UTC.
        machine: What it ran on, and how busy that was.
        breakdown: Instructions by step of an open in scope; may be empty.
    """

    name: str
    title: str
    date: str
    machine: str
    seconds: int
    lines: tuple[Line, ...]
    breakdown: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def made(
        cls,
        name: str,
        load: str,
        seconds: float,
        lines: Sequence[Line],
        breakdown: Mapping[str, int] | None = None,
    ) -> "Section":
        """Now."""
        machine = f"{platform.machine()}, {load}"
        return cls(
            name,
            TITLES[name],
            datetime.now(UTC).date().isoformat(),
            machine,
            round(seconds),
            tuple(lines),
            breakdown or {},
        )

    def save(self, directory: Path) -> None:
        """As NAME.json; each line also says whether it is met."""
        table = asdict(self)
        table["lines"] = [asdict(line) | {"outcome": line.outcome} for line in self.lines]
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{self.name}.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")


def load(directory: Path) -> list[Section]:
    """The latest of every section that was ever measured here."""
    found = []
    for name in TITLES:
        path = directory / f"{name}.json"
        if path.exists():
            table = json.loads(path.read_text())
            lines = [{key: value for key, value in line.items() if key != "outcome"} for line in table.pop("lines")]
            found.append(Section(lines=tuple(Line(**line) for line in lines), **table))
    return found


def page(found: Sequence[Section], before: str = "") -> str:
    """The page of the documentation. `before`: what it was; what was not measured here stays as it is."""
    kept = {one.split("\n", 1)[0]: one for one in before.split("\n## ")[1:]}
    kept |= {section.title: _written(section) for section in found}
    titles = [title for title in TITLES.values() if title in kept]
    return "\n".join([PREFACE, *(f"## {kept[title].rstrip()}\n" for title in titles)])


def _written(section: Section) -> str:
    """From the title on."""
    parts = [f"{section.title}\n\nMeasured on {section.date}, {section.machine}.\n", markdown(section.lines)]
    if section.breakdown:
        rows = "\n".join(f"| {what} | {count:,} |" for what, count in section.breakdown.items())
        parts.append(f"\nWhere an open in scope goes:\n\n| step | instructions |\n|---|---:|\n{rows}")
    return "\n".join(parts)


def summary(found: Sequence[Section]) -> str:
    """How many budgets are met."""
    lines = [line for section in found for line in section.lines]
    judged = [line for line in lines if line.missed or line.ratio is not None]
    missed = sum(line.missed or (line.ratio or 0) > 1 for line in judged)
    absent = sum(line.measured.startswith("not measured") for line in lines)
    seconds = sum(section.seconds for section in found)
    return f"{len(judged)} measured, {len(judged) - missed} met, {missed} missed, {absent} not measured, {seconds} s"
