"""
The webhook: one POST with a signed JSON body, over connections that are kept. The one module that touches httpx.
"""

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from collector.alerts.deliver import DeliveryError
from collector.alerts.message import HEADER, sign
from collector.alerts.rules import RulesError

#: As much of an answer is read; it is not looked at.
ANSWER_LIMIT = 65_536


class Webhook:
    """A `Transport` to one address. Raises RulesError if `ca_file` cannot be used."""

    def __init__(
        self,
        url: str,
        secret: bytes,
        timeout: float,
        ca_file: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._secret = secret
        self._timeout = timeout
        self._clock = clock
        self._client = httpx.AsyncClient(
            verify=_context(ca_file),
            timeout=timeout,
            limits=httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=60),
            trust_env=False,
            follow_redirects=False,
        )

    async def post(self, content: bytes) -> None:
        """Send; 2xx is delivered. Raises DeliveryError for every other end."""
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "ringfence-collector",
            HEADER: sign(self._secret, content, int(self._clock())),
        }
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream("POST", self._url, content=content, headers=headers) as response,
            ):
                await _skim(response)
        except TimeoutError as error:
            raise DeliveryError(f"no answer within {self._timeout:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}"[:500]) from error
        if not response.is_success:
            raise DeliveryError(f"answered {response.status_code}", response.status_code)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _skim(response: httpx.Response) -> None:
    """Read the answer so that the connection can be used again, unless it is long."""
    size = 0
    async for chunk in response.aiter_raw():
        size += len(chunk)
        if size > ANSWER_LIMIT:
            return


def _context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise RulesError(f"cannot use ca_file `{ca_file}`: {error}") from error
