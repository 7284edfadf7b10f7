"""
The collector's log: event names with fields, on stderr, one line each.

Every string is made printable, so that nothing a node sends can forge a line or move a terminal's cursor.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from collector.store.text import harmless

Journal = structlog.typing.FilteringBoundLogger

#: Events that someone should look at; all others are of level info.
_WARNINGS = frozenset(
    {
        "alert-delivery-failed",
        "alert-delivery-broke",
        "alerts-orphaned",
        "batch-rejected",
        "store-failed",
        "stream-refused",
        "validation-failed",
    }
)


def set_up(level: str, style: str) -> None:
    """Send our log and that of the libraries to stderr."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"], sort_keys=False)
    )
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            _escape,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[_Forward()], force=True)


def journal(event: str, **fields: object) -> None:
    """Log an event with its facts; what ingest and alerts are given to speak through."""
    logger = structlog.get_logger()
    (logger.warning if event in _WARNINGS else logger.info)(event, **fields)


class _Forward(logging.Handler):
    """Lines of libraries, as events of ours."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, object] = {"source": record.name, "text": record.getMessage()}
        structlog.get_logger().log(record.levelno, "library", **fields, exc_info=record.exc_info)


def _escape(_: object, __: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {key: harmless(value) if isinstance(value, str) else value for key, value in fields.items()}
