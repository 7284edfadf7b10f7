"""
Whether a pattern matches a name, the slow and obvious way; shares no code with the compiler or the language.

Braces are written out as text, and what is left is matched byte by byte, trying everything. Patterns are valid.
"""

from functools import lru_cache
from itertools import pairwise

_MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32", "lib*")


@lru_cache(maxsize=4096)
def spellings(pattern: str) -> tuple[bytes, ...]:
    """
    The patterns without braces that a pattern stands for, those of merged directories included.

    What does not begin with `/` is the name of an abstract socket, which has no directories.
    """
    found = []
    for text in _without_braces(pattern):
        found.append(text)
        parts = text.split("/") if text.startswith("/") else ["", ""]
        if parts[1] in _MERGED:
            found.append("/usr" + text)
        if parts[1:3] == ["var", "run"]:
            found.append("/".join(["", "run", *parts[3:]]))
    return tuple(text.encode() for text in found)


def matches(pattern: str, name: bytes) -> bool:
    """Whether a pattern matches a whole name."""
    return any(_match(spelling, name) for spelling in spellings(pattern))


def _without_braces(text: str) -> list[str]:
    """Replace the first braces by each of their alternatives, and go on with the rest."""
    begin = _find(text, 0, "{")
    if begin < 0:
        return [text]
    depth, at, cuts = 0, begin, [begin]
    while True:
        char = text[at]
        depth += {"{": 1, "}": -1}.get(char, 0)
        if depth == 0:
            break
        if char == "," and depth == 1:
            cuts.append(at)
        at = _skip(text, at)
    cuts.append(at)
    choices = [text[first + 1 : last] for first, last in pairwise(cuts)]
    return [one for choice in choices for one in _without_braces(text[:begin] + choice + text[at + 1 :])]


def _find(text: str, at: int, char: str) -> int:
    while at < len(text):
        if text[at] == char:
            return at
        at = _skip(text, at)
    return -1


def _skip(text: str, at: int) -> int:
    """Past one character, escape or class."""
    if text[at] == "\\":
        return at + 2
    if text[at] == "[":
        at += 1
        while text[at] != "]":
            at += 2 if text[at] == "\\" else 1
    return at + 1


def _match(pattern: bytes, name: bytes) -> bool:
    """
    Every set of positions in the name that the pattern's pieces can reach, piece by piece.

    Names of abstract sockets have no components: a star that stands between slashes is like any other there.
    """
    path = pattern.startswith(b"/")
    reached = {0}
    at = 0
    while at < len(pattern) and reached:
        after = _end_of_piece(pattern, at)
        piece = pattern[at:after]
        whole = path and pattern[at - 1 : at] == b"/" and pattern[after : after + 1] in (b"", b"/")
        if piece == b"**" and whole and after < len(pattern):
            reached = {*reached, *(end for end in _from(reached, name) if end and name[end - 1 : end] == b"/")}
            after += 1  # its slash was matched with it
        elif piece in (b"*", b"**"):
            reached = _stars(piece, whole, reached, name)
        else:
            reached = {end for begin in reached for end in _one(piece, name, begin)}
        at = after
    return len(name) in reached


def _end_of_piece(pattern: bytes, at: int) -> int:
    if pattern[at : at + 2] == b"**":
        return at + 2
    return _skip(pattern.decode("latin-1"), at)


def _from(reached: set[int], name: bytes) -> range:
    """Every position past the first that was reached."""
    return range(min(reached) + 1, len(name) + 1)


def _stars(piece: bytes, whole: bool, reached: set[int], name: bytes) -> set[int]:
    """Where `*` and `**` can end; a component of its own has at least one byte."""
    ends: set[int] = set()
    for begin in reached if piece == b"*" else {min(reached)}:
        slash = name.find(b"/", begin) if piece == b"*" else -1
        ends.update(range(begin + whole, (len(name) if slash < 0 else slash) + 1))
    return ends


def _one(piece: bytes, name: bytes, at: int) -> list[int]:
    """Where a piece that stands for one character can end."""
    if at >= len(name):
        return []
    if piece == b"?":
        return _character(name, at)
    if piece[:1] == b"[":
        negated, members = _members(piece)
        if negated:
            return [] if name[at] in members else _character(name, at)
        return [at + 1] if name[at] in members else []
    return [at + 1] if name[at : at + 1] == piece[-1:] else []


def _character(name: bytes, at: int) -> list[int]:
    """One byte, or the bytes of one UTF-8 character; never a slash."""
    lead = name[at]
    if lead == ord("/"):
        return []
    length = 2 if 0xC2 <= lead <= 0xDF else 3 if 0xE0 <= lead <= 0xEF else 4 if 0xF0 <= lead <= 0xF4 else 1
    rest = name[at + 1 : at + length]
    if length > 1 and len(rest) == length - 1 and all(0x80 <= byte <= 0xBF for byte in rest):
        return [at + 1, at + length]
    return [at + 1]


def _members(piece: bytes) -> tuple[bool, set[int]]:
    """Whether a class is negated, and its bytes."""
    inside = piece[1:-1]
    negated = inside[:1] in (b"!", b"^")
    if negated:
        inside = inside[1:]
    chars: list[tuple[int, bool]] = []
    at = 0
    while at < len(inside):
        escaped = inside[at : at + 1] == b"\\"
        at += escaped
        chars.append((inside[at], escaped))
        at += 1
    members: set[int] = set()
    while chars:
        if len(chars) > 2 and chars[1] == (ord("-"), False):
            members.update(range(chars[0][0], chars[2][0] + 1))
            chars = chars[3:]
        else:
            members.add(chars[0][0])
            chars = chars[1:]
    return negated, members - {ord("/")}
