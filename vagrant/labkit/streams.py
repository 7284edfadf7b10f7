"""The guest's output, carried byte for byte, and this machine's terminal, lent to the guest."""

import contextlib
import os
import signal
import termios
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Self


class TokenStream:
    """
    A stream from the guest to a descriptor, up to a token that is no part of it.

    Attributes:
        ended: Whether the token has come.
    """

    def __init__(self, token: bytes, target: int) -> None:
        self.ended = False
        self._token = token
        self._target = target
        self._held = b""  # may be the beginning of the token
        self._broken = False

    def take(self, content: bytes) -> None:
        """Write on what cannot belong to the token; what follows the token is dropped."""
        if self.ended:
            return
        whole = self._held + content
        before, token, _ = whole.partition(self._token)
        if token:
            self.ended, self._held = True, b""
            self._write(before)
            return
        held = self._possible_start(whole)
        self._held = whole[len(whole) - held :]
        self._write(whole[: len(whole) - held])

    def flush(self) -> None:
        """The guest is gone without a token: what was held is output after all."""
        self._write(self._held)
        self._held = b""

    def _possible_start(self, content: bytes) -> int:
        longest = min(len(self._token) - 1, len(content))
        return next((size for size in range(longest, 0, -1) if self._token.startswith(content[-size:])), 0)

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view and not self._broken:
            try:
                view = view[os.write(self._target, view) :]
            except BrokenPipeError:  # nobody reads any more; the command goes on, as its streams are not that pipe
                self._broken = True


class Terminal:
    """This machine's terminal in raw mode: every key goes to the guest, except Ctrl-] which ends it."""

    ESCAPE = b"\x1d"

    def __init__(self, descriptor: int, resized: Callable[[int, int], None]) -> None:
        self._descriptor = descriptor
        self._resized = resized
        self._before: list[int | list[bytes | int]] | None = None

    def __enter__(self) -> Self:
        if os.isatty(self._descriptor):
            self._before = termios.tcgetattr(self._descriptor)
            tty.setraw(self._descriptor)
            signal.signal(signal.SIGWINCH, lambda _number, _frame: self._resized(*self.size()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.size_of(self._descriptor)

    @staticmethod
    def size_of(descriptor: int) -> tuple[int, int]:
        """Rows and columns of a terminal, 24 by 80 if it is none."""
        with contextlib.suppress(OSError):
            size = os.get_terminal_size(descriptor)
            if size.lines and size.columns:
                return size.lines, size.columns
        return 24, 80
