"""
Guides whose examples are run: what is shown is what happens.

A fenced `yaml` block that begins with `# NAME` is a file; the blocks after it find it under that name. In a `console`
block lines that begin with `$ ` are commands, and the lines after each are what it prints on both outputs. `$ echo $?`
shows the exit status of the command before. With RINGFENCE_GOLDEN=write what is printed is written into the guide.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(yaml|console)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """A command and what it is said to print."""

    command: str
    output: str


@dataclass(frozen=True, slots=True)
class Block:
    """
    Attributes:
        kind: yaml or console.
        text: As it stands between the fences.
        start, end: Where that is in the guide.
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def file(self) -> str | None:
        """Name of the file that a yaml block is."""
        found = re.match(r"# ([\w.-]+\.yaml)\n", self.text)
        return found[1] if self.kind == "yaml" and found else None

    def steps(self) -> list[Step]:
        """Commands of a console block."""
        _, *found = re.split(r"^\$ ", self.text, flags=re.MULTILINE)
        return [Step(*one.partition("\n")[::2]) for one in found]


@dataclass(frozen=True, slots=True)
class Result:
    output: str
    status: int


Run = Callable[[str], Result]


class Guide:
    """
    Args:
        name: Of the file below `docs/guides`.
        ours: Whether a command is one that the caller runs; blocks with any other command are left alone.
    """

    def __init__(self, name: str, ours: Callable[[str], bool]) -> None:
        self.path = ROOT / "docs/guides" / name
        self._ours = ours

    def blocks(self) -> Iterator[Block]:
        for found in _BLOCK.finditer(self.path.read_text()):
            yield Block(found[1], found[2], found.start(2), found.end(2))

    def play(self, directory: Path, run: Run, steady: Callable[[str], str] = str) -> list[tuple[str, str]]:
        """
        Write the files and run the commands, in the order of the guide.

        Args:
            steady: What of an output has to be as shown; the rest (times, process ids) may differ.

        Returns:
            Blocks as they are shown and as they should be, where the two differ; none once they are written anew.
        """
        found = []
        for block in self.blocks():
            if block.file:
                (directory / block.file).write_text(block.text)
            steps = block.steps() if block.kind == "console" else []
            if not steps or not all(self._ours(step.command) or step.command == "echo $?" for step in steps):
                continue
            text = self._played(steps, run, steady)
            if text != block.text:
                found.append((block.text, text))
        if os.environ.get("RINGFENCE_GOLDEN") == "write":
            self._write(found)
            return []
        return found

    def _played(self, steps: list[Step], run: Run, steady: Callable[[str], str]) -> str:
        lines, status = [], 0
        for step in steps:
            if step.command == "echo $?":
                output = f"{status}\n"
            else:
                result = run(step.command)
                output, status = result.output, result.status
            shown = step.output if steady(step.output) == steady(output) else output
            lines.append(f"$ {step.command}\n{shown}")
        return "".join(lines)

    def _write(self, changes: list[tuple[str, str]]) -> None:
        text = self.path.read_text()
        for before, after in changes:
            text = text.replace(f"```console\n{before}```", f"```console\n{after}```")
        self.path.write_text(text)
