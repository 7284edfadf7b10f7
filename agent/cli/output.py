"""Data on stdout: a table for people, JSON or YAML for programs."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from agent.cli.terminal import coloured, printable

if TYPE_CHECKING:
    from google.protobuf.message import Message


class Format(StrEnum):
    """Values of `-o`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class LintFormat(StrEnum):
    """Values of `-o` of `policy lint`; SARIF is what code hosts and editors show beside the lines."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"


class TestFormat(StrEnum):
    """Values of `-o` of `policy test`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    JUNIT = "junit"


@dataclass(frozen=True, slots=True)
class Table:
    """
    Attributes:
        columns: Headings; none are printed if all are empty.
        rows: One text a column; escaped when printed.
        styles: Style of each row, or "" (see `agent.cli.terminal.STYLES`); may be shorter than `rows`.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    styles: Sequence[str] = ()


def emit(form: Format, data: Any, *tables: Table) -> None:
    """Print data in the form that was asked for."""
    if form is Format.JSON:
        emit_json(data)
    elif form is Format.YAML:
        from ruamel.yaml import YAML

        yaml = YAML(typ="safe", pure=True)
        yaml.default_flow_style = False
        yaml.allow_unicode = False
        yaml.dump(data, sys.stdout)
    else:
        for number, table in enumerate(tables):
            if number:
                print()
            emit_table(table)


def emit_json(data: Any, *, compact: bool = False) -> None:
    """Print JSON in ASCII, which no terminal acts on."""
    import json

    print(json.dumps(data, indent=None if compact else 2, ensure_ascii=True), flush=compact)


def emit_table(table: Table) -> None:
    """Print aligned columns; on a terminal long cells are folded, in a pipe every row is a line."""
    rows = [[printable(cell) for cell in row] for row in table.rows]
    if sys.stdout.isatty():
        _emit_folded(table, rows)
        return
    lines = [list(table.columns), *rows] if any(table.columns) else rows
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _emit_folded(table: Table, rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    shown.show_header = any(table.columns)
    for heading in table.columns:
        shown.add_column(heading, overflow="fold")
    for number, row in enumerate(rows):
        style = table.styles[number] if number < len(table.styles) else ""
        shown.add_row(*(Text(cell, style=style) for cell in row))
    Console(highlight=False, markup=False, no_color=not coloured(sys.stdout)).print(shown)


def as_data(message: "Message") -> dict[str, Any]:
    """
    A protobuf message as plain values under the names of the .proto file.

    64-bit integers stay numbers, which is what jq and Python make of them; bytes are not expected.
    """
    from google.protobuf.json_format import MessageToDict

    data: dict[str, Any] = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {name: _numbers(message, name, value) for name, value in data.items()}


def _numbers(message: "Message", name: str, value: Any) -> Any:
    """Undo what protobuf's JSON does to 64-bit integers: it writes them as text."""
    field = message.DESCRIPTOR.fields_by_name[name]
    held = getattr(message, name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return dict(held)
    if field.message_type is not None:
        return [as_data(one) for one in held] if isinstance(value, list) else as_data(held)
    if isinstance(value, list):
        return list(held)
    return value if field.enum_type is not None else held
