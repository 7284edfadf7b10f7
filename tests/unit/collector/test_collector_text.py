"""Bytes that others wrote are shown on one line, harmlessly, and can be read back."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collector.store.text import harmless, printable, printable_text, rfc3339, unprintable


@given(st.binary())
@example(b"\\x41")
@example("ü".encode() + b"\xfc")
def test_printable_can_be_read_back(raw: bytes):
    """What is shown is printable, and says exactly which bytes there were."""
    shown = printable(raw)

    assert shown.isprintable()
    assert unprintable(shown) == raw


@given(st.text(st.characters()))
def test_strings_are_made_printable_too(text: str):
    """Strings of messages may hold anything that a string can."""
    assert printable_text(text).isprintable()
    assert harmless(text).isprintable()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"/usr/bin/cat", "/usr/bin/cat"),
        ("/srv/über".encode(), "/srv/über"),
        (b"a\nb", r"a\x0ab"),
        (b"\x1b[2J", r"\x1b[2J"),
        (b"\xff", r"\xff"),
        (b"a\\b", r"a\x5cb"),
        (b"<script>", "<script>"),
        ("\u202e".encode(), r"\xe2\x80\xae"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
    ],
)
def test_printable_examples(raw: bytes, shown: str):
    """Printable UTF-8 stays; every other byte is spelled."""
    assert printable(raw) == shown


def test_sentences_keep_their_backslashes():
    """A sentence that holds spelled bytes already is not spelled twice."""
    assert harmless("no \\x1b here\n") == r"no \x1b here\x0a"


def test_times_keep_their_nanoseconds():
    """Nanoseconds survive, in UTC, up to the last that fits."""
    assert rfc3339(1_795_468_812_000_000_001) == "2026-11-23T21:20:12.000000001Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000000Z"
    assert rfc3339(2**63 - 1) == "2262-04-11T23:47:16.854775807Z"
