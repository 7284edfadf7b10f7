"""
What the agent logs: event names with fields, a line of JSON each, on stderr, from where systemd takes them to the
journal.

Written here because a logging library with everything it imports stays in memory with several megabytes.
"""

import json
import sys
import threading
import time
from typing import Any, Final

_LEVELS: Final = ("debug", "info", "warning", "error")


class Log:
    """Writes events of one level and above; a line is written whole, whatever thread it comes from."""

    def __init__(self) -> None:
        self._least = _LEVELS.index("info")
        self._lock = threading.Lock()

    def configure(self, level: str) -> None:
        """The least level that is written."""
        self._least = _LEVELS.index(level)

    def debug(self, event: str, **fields: Any) -> None:
        self._write("debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if _LEVELS.index(level) < self._least:
            return
        now = time.time_ns()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
        line = {"time": f"{moment}.{now // 10**6 % 1000:03d}Z", "level": level, "event": event, **fields}
        text = json.dumps(line, default=str)  # in ASCII: what stands in names cannot break the line
        with self._lock:
            print(text, file=sys.stderr, flush=True)


_log = Log()


def configure(level: str) -> None:
    """The least level that is written: debug, info, warning or error."""
    _log.configure(level)


def log() -> Log:
    """The agent's log; call it as `log().info("event_name", field=value)`."""
    return _log
