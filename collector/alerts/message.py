"""
What a receiver gets: the body, and the signature that proves whose it is.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence

from collector.store.protocol import PendingAlert
from collector.store.spelling import Violation, raw_event, spell

HEADER = "X-Ringfence-Signature"


def sign(secret: bytes, body: bytes, unix_seconds: int) -> str:
    """`t=SECONDS,v1=HEX`: HMAC-SHA256 over `SECONDS.body`, so that neither can be changed or sent again later."""
    digest = hmac.new(secret, b"%d." % unix_seconds + body, hashlib.sha256).hexdigest()
    return f"t={unix_seconds},v1={digest}"


def verify(secret: bytes, body: bytes, header: str, now: int, tolerance: int = 300) -> bool:
    """Whether `header` signs `body` and is at most `tolerance` seconds away from `now`: what a receiver does."""
    fields = dict(part.partition("=")[::2] for part in header.split(","))
    stamp = fields.get("t", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16) or abs(now - int(stamp)) > tolerance:
        return False
    return hmac.compare_digest(sign(secret, body, int(stamp)).encode(), header.encode("utf-8", "replace"))


def violation_of(alert: PendingAlert) -> Violation:
    """The violation in words, whether the alert is fresh or was read back."""
    if alert.violation is not None:
        return alert.violation
    if alert.source is None:
        raise ValueError("an alert has a violation or the place of one")
    return spell(raw_event(*alert.source))


def alert_id(violation_id: str, rule: str) -> str:
    """An alert's id: stable, whenever and however often it is sent."""
    return f"{violation_id}@{rule}"


def body(alerts: Sequence[PendingAlert], sent_ns: int) -> bytes:
    """The JSON of one request."""
    entries = []
    for alert in alerts:
        violation = violation_of(alert)
        entries.append(
            {
                "id": alert_id(violation.id, alert.rule),
                "rule": alert.rule,
                "attempt": alert.attempts + 1,
                "suppressed": alert.suppressed,
                "stored_unix_ns": str(alert.created_ns),
                "violation": violation.as_json(),
            }
        )
    return json.dumps({"sent_unix_ns": str(sent_ns), "alerts": entries}, separators=(",", ":")).encode()
