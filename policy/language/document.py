"""
YAML text → documents of plain values with positions. The only module that knows ruamel.yaml.

The text is untrusted: its size, depth, number of values (aliases counted as often as they are used) and numbers are
bounded, nothing in it is ever constructed or called, and whatever is wrong becomes one `Diagnostic`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined]
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.model.types import Position

TEXT_MAX = 1 << 20
DEPTH_MAX = 32
VALUES_MAX = 250_000
DIGITS_MAX = 19

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

Scalar = str | int | float | bool | None
#: What a document amounts to without positions.
Plain = Scalar | list["Plain"] | dict[str, "Plain"]


@dataclass(slots=True)
class Node:
    """
    A value of a document and where it stands; line and column are 1-based.

    Attributes:
        keys: Mappings: where each key stands.
        weight: Values it amounts to when all aliases are expanded, itself included.
    """

    value: "Scalar | list[Node] | dict[str, Node]"
    line: int
    column: int
    keys: dict[str, tuple[int, int]] | None = None
    weight: int = 1

    def plain(self) -> Plain:
        """The value without positions."""
        match self.value:
            case list(items):
                return [item.plain() for item in items]
            case dict(entries):
                return {key: item.plain() for key, item in entries.items()}
            case scalar:
                return scalar


class DocumentError(Exception):
    """The text, or the rest of it, cannot be read as documents."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def error(code: str, message: str, position: Position, hint: str = "") -> DocumentError:
    return DocumentError(Diagnostic(Severity.ERROR, code, message, position, hint))


def documents(text: str | bytes, file: str) -> Iterator[Node]:
    """
    The documents of a text, one after the other; those that are empty are left out.

    Raises:
        DocumentError: At the first thing that cannot be read; the documents before it have been given.
    """
    composer = _Composer(CParser(_checked(text, file)), file)
    try:
        while composer.next(DocumentStartEvent):
            if (root := composer.document()) is not None:
                yield root
    except MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        position = Position(file, mark.line + 1, mark.column + 1) if mark else Position(file)
        context = f"{problem.context}: " if problem.context else ""
        raise error("yaml", f"not valid YAML: {context}{problem.problem}", position, _hint(problem)) from problem
    except ReaderError as problem:
        raise error("yaml", f"not valid YAML: {problem.reason}", Position(file)) from problem
    except YAMLError as problem:
        raise error("yaml", f"not valid YAML: {problem}", Position(file)) from problem


def _hint(problem: MarkedYAMLError) -> str:
    """`1:3` and times are no plain text inside brackets."""
    return "write it in quotes if it is text" if problem.problem == "found unexpected ':'" else ""


def _checked(text: str | bytes, file: str) -> str:
    """The text, if it is short enough and made of characters that YAML allows."""
    size = len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > TEXT_MAX:
        raise error(
            "too-large",
            f"the text is {size:,} bytes long; the limit is {TEXT_MAX:,}",
            Position(file),
            "split it into several files",
        )
    if isinstance(text, bytes):
        text = _decoded(text, file)
    if bad := re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]", text):
        raise error(
            "character",
            f"the character U+{ord(bad.group()):04X} is not allowed in YAML",
            _position(text, bad.start(), file),
            "write it as an escape in double quotes, if it is meant",
        )
    return text


def _decoded(text: bytes, file: str) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as problem:
        before = text[: problem.start].decode("utf-8")
        position = _position(before, len(before), file)
        raise error("encoding", f"not UTF-8: byte 0x{text[problem.start]:02x}", position) from problem


def _position(text: str, offset: int, file: str) -> Position:
    line_start = text.rfind("\n", 0, offset) + 1
    return Position(file, text.count("\n", 0, offset) + 1, offset - line_start + 1)


class _Composer:
    """Events → nodes. Counts what it has made, so that no text makes it make too much."""

    def __init__(self, parser: CParser, file: str) -> None:
        self._parser = parser
        self._file = file
        self._anchors: dict[str, Node | None] = {}
        self._values = 0

    def next(self, kind: type) -> bool:
        """Skip to the next event of a kind; False: there is none."""
        while self._parser.check_event():
            if isinstance(self._parser.get_event(), kind):
                return True
        return False

    def document(self) -> Node | None:
        """The document whose start was just read; None if it is empty."""
        self._anchors = {}
        event = self._parser.get_event()
        root = self._node(event, 0)
        empty = root.value is None and isinstance(event, ScalarEvent)
        return None if empty else root

    def _position(self, event: object) -> Position:
        mark = event.start_mark  # type: ignore[attr-defined]
        return Position(self._file, mark.line + 1, mark.column + 1)

    def _node(self, event: object, depth: int) -> Node:
        if isinstance(event, AliasEvent):
            return self._alias(event)
        mark = event.start_mark  # type: ignore[attr-defined]
        node = Node(None, mark.line + 1, mark.column + 1)
        self._count(1, event)
        if event.tag is not None and event.tag != "!":  # type: ignore[attr-defined]
            raise error("tag", f"the tag {quote(event.tag)} is not allowed", self._position(event))  # type: ignore[attr-defined]
        anchor = event.anchor  # type: ignore[attr-defined]
        if anchor is not None:
            self._anchors[anchor] = None
        self._fill(node, event, depth)
        if anchor is not None:
            self._anchors[anchor] = node
        return node

    def _fill(self, node: Node, event: object, depth: int) -> None:
        if depth > DEPTH_MAX:
            message = f"values are nested more than {DEPTH_MAX} deep"
            raise error("too-deep", message, self._position(event))
        if isinstance(event, ScalarEvent):
            plain = event.implicit[0] and not event.style
            node.value = self._resolve(event) if plain else event.value
        elif isinstance(event, SequenceStartEvent):
            self._sequence(node, depth)
        elif isinstance(event, MappingStartEvent):
            self._mapping(node, depth)

    def _sequence(self, node: Node, depth: int) -> None:
        items: list[Node] = []
        while not isinstance(event := self._parser.get_event(), SequenceEndEvent):
            item = self._node(event, depth + 1)
            items.append(item)
            node.weight += item.weight
        node.value = items

    def _mapping(self, node: Node, depth: int) -> None:
        entries: dict[str, Node] = {}
        node.keys = {}
        while not isinstance(event := self._parser.get_event(), MappingEndEvent):
            key = self._key(event)
            if key in entries:
                first = node.keys[key][0]
                raise error(
                    "duplicate-key",
                    f"duplicate field {quote(key)}; the first is on line {first}",
                    self._position(event),
                )
            node.keys[key] = (event.start_mark.line + 1, event.start_mark.column + 1)
            entries[key] = item = self._node(self._parser.get_event(), depth + 1)
            node.weight += item.weight
        node.value = entries

    def _key(self, event: object) -> str:
        if not isinstance(event, ScalarEvent):
            raise error("key", "a field's name must be plain text", self._position(event))
        if event.value == "<<" and not event.style:
            raise error("merge-key", "merge keys (`<<`) are not allowed", self._position(event), "write the fields out")
        return str(event.value)

    def _alias(self, event: AliasEvent) -> Node:
        if event.anchor not in self._anchors:
            raise error("alias", f"no anchor {quote(event.anchor)} stands before this alias", self._position(event))
        target = self._anchors[event.anchor]
        if target is None:
            raise error("alias", f"the alias {quote(event.anchor)} is inside what it names", self._position(event))
        self._count(target.weight, event)
        return target

    def _count(self, values: int, event: object) -> None:
        self._values += values
        if self._values > VALUES_MAX:
            message = f"the text amounts to more than {VALUES_MAX:,} values, aliases expanded"
            raise error("too-many-values", message, self._position(event), "split it into several files")

    def _resolve(self, event: ScalarEvent) -> Scalar:
        """The value of a plain scalar by YAML 1.2's core schema, infinities and not-a-number left as text."""
        text = event.value
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            if len(text) > DIGITS_MAX:
                message = f"the number {quote(text)} has more than {DIGITS_MAX} digits"
                raise error("number", message, self._position(event), "write it in quotes if it is text")
            return int(text, 0 if text[:2] in ("0o", "0x") else 10)
        return float(text) if len(text) <= 64 and _FLOAT.fullmatch(text) else str(text)
