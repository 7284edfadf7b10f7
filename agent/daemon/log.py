"""What the agent logs: event names with fields, on stderr, from where systemd takes them to the journal."""

import logging
import sys
from typing import Any

import structlog


def configure(level: str) -> None:
    """Lines of JSON, or something for the eye on a terminal."""
    terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=False) if terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def log() -> Any:
    """The logger; call it as `log().info("event_name", field=value)`."""
    return structlog.get_logger()
