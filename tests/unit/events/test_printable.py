"""Text for people from bytes that anyone may have chosen."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.events.printable import printable


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"/etc/passwd", "/etc/passwd"),
        ("/srv/größe/日本".encode(), "/srv/größe/日本"),
        (b"a b", "a b"),
        (b"a\nb", "a\\x0ab"),
        (b"\x1b[31m", "\\x1b[31m"),
        (b"\x7f", "\\x7f"),
        (b"\xc2\x9b31m", "\\xc2\\x9b31m"),
        (b"\xff", "\\xff"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        ("\u202e\u2066\u200f".encode(), "\\xe2\\x80\\xae\\xe2\\x81\\xa6\\xe2\\x80\\x8f"),
        ("\u2028".encode(), "\\xe2\\x80\\xa8"),
        ("\u00a0".encode(), "\\xc2\\xa0"),
        (b"back\\slash", "back\\x5cslash"),
    ],
)
def test_examples(raw, text):
    """Printable characters stay; every byte of anything else is a \\xNN."""
    assert text == printable(raw)


def bytes_of(text: str) -> bytes:
    """The inverse of `printable`."""
    out, rest = b"", text
    while rest:
        if rest.startswith("\\x"):
            out, rest = out + bytes([int(rest[2:4], 16)]), rest[4:]
        else:
            out, rest = out + rest[0].encode(), rest[1:]
    return out


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_nothing_but_printable_characters_and_nothing_lost(raw):
    """The text has no controls, no line ends and no direction marks, and the bytes can be had back from it."""
    text = printable(raw)

    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for c in text)
    assert raw == bytes_of(text)
