"""Ask the checker process about policies; start it when it is needed, end it when it takes too long."""

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any, Protocol

#: The checker's answer may be this long, bytes.
ANSWER_LIMIT = 64 * 1024 * 1024


class CheckError(Exception):
    """The checker gave no answer."""


class PolicyChecker(Protocol):
    """Says what is wrong with policies, without any node."""

    async def check(self, documents: Sequence[dict[str, str]]) -> dict[str, Any]:
        """`{"policies": [names], "diagnostics": [facts]}` of documents `{"file", "yaml"}`. Raises CheckError."""

    async def close(self) -> None:
        """Let go of what it needs."""


class ProcessChecker:
    """
    A `PolicyChecker` in a process of its own, one document set at a time.

    Args:
        timeout: Seconds an answer may take, beyond which the process is killed.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def check(self, documents: Sequence[dict[str, str]]) -> dict[str, Any]:
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await self._ask(json.dumps({"documents": list(documents)}).encode() + b"\n")
            except TimeoutError as error:
                await self._kill()
                raise CheckError(f"checking took longer than {self._timeout:g} s") from error
            except (OSError, ValueError, asyncio.IncompleteReadError) as error:
                await self._kill()
                raise CheckError("the checker failed: the documents are too large or too deep") from error
            except asyncio.CancelledError:
                await self._kill()
                raise
        result: dict[str, Any] = json.loads(answer)
        return result

    async def close(self) -> None:
        await self._kill()

    async def _ask(self, line: bytes) -> bytes:
        process = self._process
        if process is None or process.returncode is not None:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "collector.api.checker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=ANSWER_LIMIT,
            )
        if process.stdin is None or process.stdout is None:
            raise OSError("no pipes")
        process.stdin.write(line)
        await process.stdin.drain()
        return await process.stdout.readuntil(b"\n")

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
