"""A guest's output arrives byte for byte, up to a token that is no part of it."""

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from labkit.streams import TokenStream

TOKEN = b"abab-token"


def carried(chunks: list[bytes], scratch: int) -> tuple[bytes, bool]:
    """What reaches the target when the chunks arrive one by one, and whether the stream then has ended."""
    os.ftruncate(scratch, 0)
    os.lseek(scratch, 0, os.SEEK_SET)
    stream = TokenStream(TOKEN, scratch)
    for chunk in chunks:
        stream.take(chunk)
    return os.pread(scratch, 1 << 16, 0), stream.ended


@given(content=st.lists(st.binary(max_size=8) | st.sampled_from([b"ab", b"abab", b"abab-"])), size=st.integers(1, 7))
def test_content_is_whole_however_it_is_cut(content: list[bytes], size: int) -> None:
    """Neither beginnings of the token inside the output nor a token in several pieces change what comes out."""
    whole = b"".join(content) + TOKEN + b"from what ran on"
    chunks = [whole[start : start + size] for start in range(0, len(whole), size)]
    scratch = os.memfd_create("output")
    try:
        assert carried(chunks, scratch) == (b"".join(content), True)
    finally:
        os.close(scratch)


def test_what_was_held_is_output_after_all(tmp_path: Path) -> None:
    """When the guest dies without a token, the beginning of one was ordinary output."""
    with (tmp_path / "out").open("wb") as target:
        stream = TokenStream(TOKEN, target.fileno())
        stream.take(b"last words aba")
        stream.flush()

    assert (tmp_path / "out").read_bytes() == b"last words aba"
    assert not stream.ended


def test_a_reader_that_went_away_is_no_error() -> None:
    """The command goes on when nobody reads its output, and its end is still noticed."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = TokenStream(TOKEN, writer)

    stream.take(b"unread" + TOKEN)

    assert stream.ended
    os.close(writer)
