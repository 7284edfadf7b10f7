"""A line of the table: a budget beside what was measured. A miss is a line too, and so is what cannot be measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from subprocess import SubprocessError

from agent.daemon.ports import NodeError

#: What a measurement that cannot be made ends with.
FAILURES = (OSError, RuntimeError, ValueError, LookupError, AssertionError, SubprocessError, NodeError)

HEADINGS = ("what", "budget", "measured", "ratio", "", "beside it", "kernel", "method")


@dataclass(frozen=True, slots=True)
class Line:
    """
    Attributes:
        budget, measured: As people read them.
        ratio: Of the budget that is used up; 1 is all of it. None: there is no budget, or nothing was measured.
        beside: The same of another program, or without ours.
        missed: It misses its budget in a way that has no ratio.
    """

    what: str
    budget: str
    measured: str
    ratio: float | None
    kernel: str
    method: str
    beside: str = ""
    missed: bool = False

    @property
    def outcome(self) -> str:
        if self.missed:
            return "misses"
        if self.ratio is None:
            return ""
        return "met" if self.ratio <= 1 else f"misses by ×{self.ratio:.2f}"

    def cells(self) -> tuple[str, ...]:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (*(self.what, self.budget, self.measured, ratio, self.outcome), self.beside, self.kernel, self.method)


@dataclass(frozen=True, slots=True)
class Budget:
    """
    A number that is to be kept.

    Attributes:
        least: At least so much, where otherwise it is at most so much.
        form: How a number is written, e.g. `+{:,.0f} instructions`.
    """

    what: str
    limit: float
    form: str
    least: bool = False

    def line(self, value: float, kernel: str, method: str, beside: str = "") -> Line:
        """Measured."""
        spent = value / self.limit if not self.least else self.limit / value
        return Line(self.what, self._said(), self.form.format(value), spent, kernel, method, beside)

    def unmeasured(self, why: str, kernel: str = "", method: str = "") -> Line:
        """Not measured, or refused."""
        return Line(self.what, self._said(), f"not measured: {why}", None, kernel, method)

    def _said(self) -> str:
        return ("at least " if self.least else "") + self.form.format(self.limit)


def text(lines: Sequence[Line]) -> str:
    """As columns for a terminal; the method, which is long, below each group of lines that share it."""
    rows = [HEADINGS[:-1], *(line.cells()[:-1] for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    printed = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    said = printed[:1]
    for row, line, following in zip(printed[1:], lines, (*lines[1:], None), strict=True):
        said.append(row)
        if following is None or following.method != line.method:
            said.append(f"    ({line.method})")
    return "\n".join(said)


def markdown(lines: Sequence[Line]) -> str:
    """As a table of Markdown."""
    rows = [HEADINGS, *(line.cells() for line in lines)]
    cells = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([cells[0], "|" + "---|" * len(HEADINGS), *cells[1:]])
