"""
What may reach a terminal. Paths, arguments, names and messages are written by whoever is confined: everything that is
printed for a person goes through `printable` first.
"""

import os
import sys
from typing import TextIO

STYLES = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "blue": "34", "dim": "2"}


def printable(text: str | bytes) -> str:
    r"""
    Text without anything a terminal would act on.

    Bytes are taken as UTF-8. Whatever is not printable (controls, escapes, line ends, bidirectional marks) becomes
    `\xNN`, `\uNNNN` or `\UNNNNNNNN`; bytes that are not UTF-8 become `\xNN`.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(ord(character)) for character in text)


def _escaped(point: int) -> str:
    if 0xDC80 <= point <= 0xDCFF:  # a byte that was not UTF-8, as `surrogateescape` keeps it
        return f"\\x{point - 0xDC00:02x}"
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def coloured(stream: TextIO) -> bool:
    """Whether to use colours on a stream: only on terminals, and never against the user's word (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def styled(text: str, style: str, stream: TextIO) -> str:
    """Text in one of `STYLES` if the stream shows colours."""
    return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if coloured(stream) else text


def note(text: str) -> None:
    """Say something to the person, on stderr, after what stdout was given: both may lead to one place."""
    sys.stdout.flush()
    print(printable(text), file=sys.stderr)
