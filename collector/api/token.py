"""The token that every call of the REST API carries: made at the first start, kept in a file of its own."""

import hmac
import os
import secrets
from pathlib import Path

MINIMUM = 16


class TokenError(Exception):
    """The token's file cannot be used."""


class Token:
    """Knows the token, tells nobody, compares in constant time."""

    def __init__(self, value: str) -> None:
        self._value = value.encode()

    def matches(self, authorization: str | None) -> bool:
        """Whether this is the value of an `Authorization` header that carries the token."""
        scheme, _, given = (authorization or "").partition(" ")
        return hmac.compare_digest(given.strip().encode(), self._value) and scheme.lower() == "bearer"


def load(path: Path) -> tuple[Token, bool]:
    """
    Read the token, or make one if there is no file.

    Returns:
        The token, and whether it was made now.

    Raises:
        TokenError: The file cannot be read or made, others may read it, or it holds too little.
    """
    try:
        made = _make(path)
        if path.stat().st_mode & 0o077:
            raise TokenError(f"others may read `{path}`: chmod 600 it")
        value = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"cannot use token file `{path}`: {error}") from error
    if len(value) < MINIMUM:
        raise TokenError(f"`{path}` holds {len(value)} characters, required {MINIMUM}")
    return Token(value), made


def _make(path: Path) -> bool:
    """Write a new token beside, then give it its name: a file with this name is always whole."""
    if path.exists():
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
    return True
