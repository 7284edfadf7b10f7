"""
What every HTTP request passes first: Host and Origin, size of the body; and the headers every answer carries.

A page of somebody else's that is opened on the operator's machine can make its own name lead to 127.0.0.1 (DNS
rebinding): the Host header then bears that name, and is refused. Requests across origins are refused by Origin.
"""

import json
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 32 * 1024 * 1024
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class _TooLargeError(Exception):
    """The body is longer than its limit."""


class Guard:
    """
    ASGI middleware.

    Args:
        hosts: Names besides loopback ones that the Host header may bear.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = LOOPBACK | {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sealed = _seal(send, api=scope["path"].startswith("/api/"))
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if problem := self._problem(headers, scope["scheme"]):
            await _refuse(sealed, 403, problem)
        elif _declared(headers) > BODY_LIMIT:
            await _refuse(sealed, 413, f"a request's body has at most {BODY_LIMIT} bytes")
        else:
            await self._app(scope, _limited(receive), sealed)

    def _problem(self, headers: dict[bytes, str], scheme: str) -> str | None:
        host = headers.get(b"host", "").lower()
        if host_name(host) not in self._hosts:
            return "this host name is not one of the collector's: see the setting web_hosts"
        origin = headers.get(b"origin")
        if origin is not None and origin.lower() != f"{scheme}://{host}":
            return "requests from other origins are refused"
        return None


def host_name(host: str) -> str:
    """The name in a Host header, without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _declared(headers: dict[bytes, str]) -> int:
    """The length that a body is said to have; one that is not said is counted as it comes."""
    length = headers.get(b"content-length", "0")
    return int(length) if length.isascii() and length.isdigit() and len(length) < 20 else BODY_LIMIT + 1


def _seal(send: Send, *, api: bool) -> Send:
    async def sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name.lower() for name, _ in message["headers"]}
            extra = [*_HEADERS, (b"cache-control", b"no-store")] if api else list(_HEADERS)
            message["headers"] = [*message["headers"], *(pair for pair in extra if pair[0] not in own)]
        await send(message)

    return sealed


def _limited(receive: Receive) -> Receive:
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY_LIMIT:
            raise _TooLargeError
        return message

    return limited


async def _refuse(send: Send, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
