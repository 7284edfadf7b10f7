"""The SOC's end of a webhook: checks each signature and notes when each alert came."""

import hashlib
import hmac
import http.server
import json
import threading
import time
from typing import Any


class Receiver:
    """
    An HTTP server on a free port of 127.0.0.1.

    Attributes:
        secret: What the sender signs with.
        url: Where to send.
    """

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self._alerts: list[tuple[int, dict[str, Any]]] = []
        self._changed = threading.Condition()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/alerts"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                now = time.time_ns()
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                good = receiver.signed(body, self.headers.get("X-Ringfence-Signature", ""))
                if good:
                    receiver.note(now, json.loads(body))
                self.send_response(204 if good else 401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the table says it."""

        return Handler

    def signed(self, body: bytes, header: str) -> bool:
        """Whether `t=…,v1=…` is the HMAC-SHA256 of `t.body` under the secret."""
        parts = dict(part.partition("=")[::2] for part in header.split(","))
        mine = hmac.new(self.secret, parts.get("t", "").encode() + b"." + body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(mine, parts.get("v1", ""))

    def note(self, now: int, body: dict[str, Any]) -> None:
        with self._changed:
            self._alerts += [(now, alert["violation"]) for alert in body["alerts"]]
            self._changed.notify_all()

    def wait(self, rule: str, object_: str, after_unix_ns: int, seconds: float) -> float | None:
        """Milliseconds from the kernel's clock to the alert's arrival for `rule` on `object_`; None if none came."""

        def found() -> float | None:
            for arrived, violation in self._alerts:
                happened = int(violation["unix_ns"])
                if happened >= after_unix_ns and violation["rule"] == rule and violation["object"].startswith(object_):
                    return (arrived - happened) / 1e6
            return None

        with self._changed:
            self._changed.wait_for(lambda: found() is not None, seconds)
            return found()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
