"""The guest's output, carried byte for byte, and this machine's terminal, lent to the guest."""

import contextlib
import os
import selectors
import signal
import socket
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


class Feeder:
    """
    Bytes from a descriptor to the guest, at the pace at which the guest takes them.

    Without an escape the guest sees the end of the input; with one the input is a terminal's, which has none.
    """

    def __init__(
        self, source: int, wire: socket.socket, selector: selectors.BaseSelector, escape: Callable[[], None] | None
    ) -> None:
        self._source = source
        self._wire = wire
        self._selector = selector
        self._escape = escape
        self._pending = b""
        self._waits = True  # whether the selector can tell when there is something to read
        wire.setblocking(False)

    def begin(self) -> None:
        """Start feeding; the rest happens in the selector's callbacks."""
        try:
            self._selector.register(self._source, selectors.EVENT_READ, self._read)
        except (OSError, ValueError):  # a file, which is always ready and which epoll refuses; or it is closed
            self._waits = False
            self._selector.register(self._wire, selectors.EVENT_WRITE, self._write)

    def _read(self) -> None:
        try:
            self._pending = os.read(self._source, 1 << 16)
        except OSError:
            self._pending = b""
        if self._escape is not None and Terminal.ESCAPE in self._pending:
            self._escape()
        if not self._pending:
            self._end()
        elif self._waits:
            self._selector.unregister(self._source)
            self._selector.register(self._wire, selectors.EVENT_WRITE, self._write)

    def _write(self) -> None:
        if not self._pending:
            self._read()
        if not self._pending:
            return
        try:
            self._pending = self._pending[self._wire.send(self._pending) :]
        except BlockingIOError:
            return
        except OSError:  # the guest is gone, which is noticed elsewhere
            self._end()
            return
        if self._waits and not self._pending:
            self._selector.unregister(self._wire)
            self._selector.register(self._source, selectors.EVENT_READ, self._read)

    def _end(self) -> None:
        for registered in (self._source, self._wire):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(registered)
        if self._escape is None:
            with contextlib.suppress(OSError):
                self._wire.shutdown(socket.SHUT_WR)


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
