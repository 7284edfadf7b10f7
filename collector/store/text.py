"""
Make bytes and strings that others wrote harmless to show, and times readable.

This is the one place in the collector that does so: nodes, workloads and policies' authors choose these bytes.
"""

from datetime import UTC, datetime

_NANOSECONDS = 1_000_000_000


def printable(raw: bytes) -> str:
    r"""
    Spell bytes so that they can be shown anywhere and read back exactly.

    Printable UTF-8 stays as it is; every other byte, and the backslash itself, becomes `\xNN`. That covers newlines,
    escape sequences, invalid UTF-8 and the invisible characters that reorder text.
    """
    if raw.isascii():
        text = raw.decode("ascii")
        if text.isprintable() and "\\" not in text:
            return text
    return "".join(map(_spell, raw.decode("utf-8", "surrogateescape")))


def printable_text(text: str) -> str:
    """The same for a string; lone surrogates are spelled as the bytes they stand for."""
    if text.isprintable() and "\\" not in text:
        return text
    return printable(text.encode("utf-8", "surrogatepass"))


def harmless(text: str) -> str:
    """
    The same for sentences, which may hold `\\xNN` already: backslashes stay, so it cannot be read back exactly.
    """
    return printable_text(text).replace("\\x5c", "\\")


def _spell(character: str) -> str:
    if character.isprintable() and character != "\\":
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def unprintable(text: str) -> bytes:
    r"""The bytes that `printable` spelled as `text`: `\xNN` is a byte, everything else is UTF-8."""
    out = bytearray()
    rest = text
    while (at := rest.find("\\x")) >= 0:
        digits = rest[at + 2 : at + 4]
        try:
            byte = bytes.fromhex(digits) if len(digits) == 2 else b""
        except ValueError:
            byte = b""
        out += rest[:at].encode("utf-8", "surrogatepass") + (byte or b"\\x")
        rest = rest[at + (4 if byte else 2) :]
    return bytes(out + rest.encode("utf-8", "surrogatepass"))


def rfc3339(unix_ns: int) -> str:
    """`2026-11-23T20:45:00.123456789Z` for nanoseconds since 1970, which must not be negative."""
    seconds, nanoseconds = divmod(unix_ns, _NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def optional_rfc3339(unix_ns: int) -> str | None:
    """The same, with null for 0 and for times that no calendar holds."""
    return rfc3339(unix_ns) if 0 < unix_ns < 2**63 else None
