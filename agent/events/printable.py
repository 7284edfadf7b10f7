"""The one place of the agent where bytes that anyone may have chosen become text for people."""


def printable(raw: bytes) -> str:
    r"""
    Text that shows what is there and does nothing: one line, one direction, no escape sequences.

    Bytes that are not UTF-8, and characters that are not printable (controls, line ends, direction marks, invisible and
    unassigned ones, spaces other than U+0020), become \xNN for each byte; so does the backslash, so that two names
    never look the same.
    """
    text = raw.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(c if c.isprintable() and c != "\\" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
