"""
The grammar of patterns: text in, tokens out.

A pattern is read in three steps: text → lexemes (escapes, classes, stars), braces → alternatives without braces, each
alternative → tokens over bytes. What tokens mean is said beside `Wild`; what a name is: `/`-separated components, none
empty, none `.` or `..`, no NUL, and the root is `/`.

Two kinds of name are no paths, and told from them by their first byte. Abstract names of unix sockets are `@` and any
bytes (`parse_socket`): a star stops at `/` and two do not, but `/` has no other meaning. Names of file system types are
`%` and literal (`literal`).
"""

import re
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

#: Longest pattern, in bytes; a name the kernel can produce has at most 4,095.
LENGTH_MAX = 4096
#: Most alternatives that the braces of one pattern may stand for.
ALTERNATIVES_MAX = 512
#: Deepest nesting of braces.
NESTING_MAX = 8

_SPECIAL = "*?[]{},\\-!^"
#: What names of unix sockets begin with.
_SOCKET = "/@"
_WHOLE = "patterns match whole names from the root"
#: Text that stands for itself.
_LITERAL = re.compile(r"[^*?\[\]{}\\]*")
_PIECE = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\*\*?|[^*?\[\\/]+|.", re.DOTALL)
#: Characters that stand for themselves everywhere.
_PLAIN = re.compile(r"[^*?\[\]{}\\,]+")
_STARS = re.compile(r"\*+")
_MERGED = re.compile(r"/(bin|sbin|lib|lib32|lib64|libx32|lib\*)(?=/|$)")
_VAR_RUN = re.compile(r"/var/run(?=/|$)")


class GlobError(ValueError):
    """
    A pattern that cannot be: `message` says what was found, `hint` (may be empty) what to write.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Wild(Enum):
    """Tokens that stand for more than one byte value."""

    ONE = "?"  # one UTF-8 character other than `/`, or one byte of any value but `/`
    STAR = "*"  # any bytes but `/`, perhaps none
    COMPONENT = "/*/"  # a star that is a whole component: any bytes but `/`, at least one
    ANYTHING = "**"  # any bytes, perhaps none
    DIRECTORIES = "/**/"  # nothing, or any bytes that end with `/`
    BELOW = "/**"  # any bytes, at least one


@dataclass(frozen=True, slots=True)
class OneOf:
    """
    `[a-z]` or `[!a-z]`.

    Attributes:
        members: ASCII bytes. Negated: one character as of `?` that is none of them.
    """

    members: frozenset[int]
    negated: bool = False


#: A literal byte, a wildcard or a class of characters.
Token = int | Wild | OneOf


@dataclass(frozen=True, slots=True)
class _Lexeme:
    """A piece of the text; `kind` is one of: text, class, star, one, open, comma, close."""

    kind: str
    text: str


def parse(pattern: str) -> tuple[tuple[Token, ...], ...]:
    """
    The alternatives a pattern stands for, in order and without repetition.

    Braces are expanded, and alternatives below `/bin`, `/sbin`, `/lib*` and `/var/run` are joined by those below the
    directories that these are symlinks to.

    Raises:
        GlobError: The pattern can match no name, or cannot be read.
    """
    return tuple(dict.fromkeys(_tokens(text) for text in alternatives(pattern)))


def parse_socket(pattern: str) -> tuple[tuple[Token, ...], ...]:
    """
    As `parse`, of a pattern for unix sockets: a path, or `@` and an abstract name.

    Raises:
        GlobError: The pattern can match no name, or cannot be read.
    """
    return tuple(dict.fromkeys(_tokens(text) for text in alternatives(pattern, _SOCKET)))


def literal(name: str) -> tuple[tuple[Token, ...], ...]:
    """What stands for one name and nothing else, whatever characters it has: `%ext4`."""
    return (tuple(name.encode()),)


def alternatives(pattern: str, beginnings: str = "/") -> tuple[str, ...]:
    """
    The patterns without braces that a pattern stands for, merged directories included.

    Args:
        beginnings: What a name may begin with: `/`, or `/` and `@`.

    Raises:
        GlobError: As `parse`.
    """
    _check_text(pattern, beginnings)
    if _LITERAL.fullmatch(pattern):
        _check_alternative(pattern, pattern, beginnings)
        return (pattern, *_merged(pattern))
    pieces = _expand(_lex(pattern))
    if any(one.kind == next_.kind == "star" for alternative in pieces for one, next_ in pairwise(alternative)):
        raise GlobError(f"the braces of pattern `{pattern}` put stars beside each other", "write the alternatives out")
    expanded = ["".join(piece.text for piece in one) for one in pieces]
    for text in expanded:
        _check_alternative(text, pattern, beginnings)
    return tuple(dict.fromkeys(name for text in expanded for name in (text, *_merged(text))))


def _merged(text: str) -> tuple[str, ...]:
    """What a pattern below a directory that is a symlink on merged systems also means."""
    if _MERGED.match(text):
        return ("/usr" + text,)
    if match := _VAR_RUN.match(text):
        return ("/run" + text[match.end() :],)
    return ()


def _check_text(pattern: str, beginnings: str) -> None:
    if pattern[:1] not in tuple(beginnings):
        wanted = " or ".join(f"`{one}`" for one in beginnings)
        hint = "an abstract name is written `@name`" if beginnings == _SOCKET else _WHOLE
        raise GlobError(f"pattern `{pattern}` does not begin with {wanted}", hint)
    if len(pattern.encode("utf-8", "replace")) > LENGTH_MAX:
        raise GlobError(f"pattern is {len(pattern)} characters long; at most {LENGTH_MAX} bytes can be matched")
    if "\0" in pattern:
        raise GlobError(f"pattern `{pattern}` has a NUL, which no name has")
    if any("\ud800" <= char <= "\udfff" for char in pattern):
        raise GlobError(f"pattern `{pattern}` is not valid Unicode")


def _check_alternative(text: str, pattern: str, beginnings: str) -> None:
    """Refuse what no name can match; an abstract name is any bytes."""
    if text.startswith("@") and "@" in beginnings:
        return
    if not text.startswith("/"):
        raise GlobError(f"pattern `{pattern}` stands for `{text}`, which does not begin with `/`")
    shown = f"`{pattern}`" if text == pattern else f"`{pattern}` stands for `{text}`, which"
    if text != "/" and text.endswith("/"):
        raise GlobError(f"pattern {shown} ends with `/`, and no name does", f"write `{text}**` for what is below")
    for component in text[1:].split("/") if text != "/" else ():
        if component in ("", ".", ".."):
            raise GlobError(f"pattern {shown} has the component `{component}`, which no real name has")


def _lex(pattern: str) -> list[_Lexeme]:
    lexemes, at = [], 0
    while at < len(pattern):
        piece = _lexeme(pattern, at)
        lexemes.append(piece)
        at += len(piece.text)
    return lexemes


def _lexeme(pattern: str, at: int) -> _Lexeme:
    char = pattern[at]
    match char:
        case "\\":
            return _escape(pattern, at)
        case "[":
            return _class(pattern, at)
        case "]":
            raise GlobError(f"pattern `{pattern}` has a `]` without its `[`", "write `\\]` for the character itself")
        case "*":
            run = _STARS.match(pattern, at)
            stars = run.group() if run else "*"
            if len(stars) > 2:
                raise GlobError(
                    f"pattern `{pattern}` has `{stars[:8]}`", "`*` stays inside a component, `**` crosses them"
                )
            return _Lexeme("star", stars)
        case "?" | "{" | "," | "}":
            return _Lexeme({"?": "one", "{": "open", ",": "comma", "}": "close"}[char], char)
    plain = _PLAIN.match(pattern, at)
    return _Lexeme("text", plain.group() if plain else char)


def _escape(pattern: str, at: int) -> _Lexeme:
    escaped = pattern[at + 1 : at + 2]
    if not escaped:
        raise GlobError(f"pattern `{pattern}` ends with `\\`", "write `\\\\` for the character itself")
    if escaped not in _SPECIAL:
        raise GlobError(f"pattern `{pattern}` escapes `{escaped}`, which needs no escape", f"write `{escaped}`")
    return _Lexeme("text", "\\" + escaped)


def _class(pattern: str, at: int) -> _Lexeme:
    """The text of a class, brackets included; its contents are checked here, once."""
    end = at + 1
    while end < len(pattern) and pattern[end] != "]":
        end += 2 if pattern[end] == "\\" else 1
    if end >= len(pattern):
        raise GlobError(f"pattern `{pattern}` has a `[` without its `]`", "write `\\[` for the character itself")
    text = pattern[at : end + 1]
    _members(text)
    return _Lexeme("class", text)


def _members(text: str) -> OneOf:
    """The bytes a class names; `text` is `[…]`."""
    inside = text[1:-1]
    negated = inside[:1] in ("!", "^")
    chars = _class_chars(inside[1:] if negated else inside, text)
    members: set[int] = set()
    at = 0
    while at < len(chars):
        first, last = chars[at][0], chars[at][0]
        if at + 2 < len(chars) and chars[at + 1] == ("-", False):
            last = chars[at + 2][0]
            at += 2
        if last < first:
            raise GlobError(f"class `{text}` has the range `{first}-{last}`, which is empty", f"write `{last}-{first}`")
        members.update(range(ord(first), ord(last) + 1))
        at += 1
    if not members:
        raise GlobError(f"class `{text}` is empty")
    return OneOf(frozenset(members - {ord("/")}), negated)


def _class_chars(inside: str, text: str) -> list[tuple[str, bool]]:
    """The characters of a class, each with whether it was escaped."""
    chars, at = [], 0
    while at < len(inside):
        escaped = inside[at] == "\\"
        char = inside[at + escaped : at + escaped + 1]
        if not "\0" < char < "\x80":
            raise GlobError(f"class `{text}` has a character outside ASCII", "write alternatives: `{é,è}`")
        if char in "/[" and not escaped:
            raise GlobError(f"class `{text}` has `{char}`", "classes stay inside a component; `\\[` is the character")
        if escaped and char not in _SPECIAL:
            raise GlobError(f"class `{text}` escapes `{char}`, which needs no escape", f"write `{char}`")
        chars.append((char, escaped))
        at += 1 + escaped
    return chars


def _expand(lexemes: list[_Lexeme]) -> list[list[_Lexeme]]:
    """Every way to choose one alternative of each pair of braces, in the order written."""
    expanded, at = _expand_until(lexemes, 0, 0)
    if at < len(lexemes):
        raise GlobError("pattern has a `}` without its `{`", "write `\\}` for the character itself")
    return expanded


def _expand_until(lexemes: list[_Lexeme], at: int, depth: int) -> tuple[list[list[_Lexeme]], int]:
    """Expand up to the end, or inside braces up to the comma or brace that ends the alternative."""
    results: list[list[_Lexeme]] = [[]]
    while at < len(lexemes):
        piece = lexemes[at]
        if piece.kind == "close" or (piece.kind == "comma" and depth):
            break
        choices, at = _braces(lexemes, at + 1, depth + 1) if piece.kind == "open" else ([[piece]], at + 1)
        if len(results) * len(choices) > ALTERNATIVES_MAX:
            raise GlobError(f"the braces of a pattern stand for more than {ALTERNATIVES_MAX} patterns")
        if len(choices) == 1:
            for result in results:
                result.extend(choices[0])
        else:
            results = [result + choice for result in results for choice in choices]
    return results, at


def _braces(lexemes: list[_Lexeme], at: int, depth: int) -> tuple[list[list[_Lexeme]], int]:
    """The alternatives of the braces that were opened just before `at`, and where they end."""
    if depth > NESTING_MAX:
        raise GlobError(f"the braces of a pattern are nested more than {NESTING_MAX} deep")
    choices: list[list[_Lexeme]] = []
    while True:
        more, at = _expand_until(lexemes, at, depth)
        choices += more
        if at >= len(lexemes):
            raise GlobError("pattern has a `{` without its `}`", "write `\\{` for the character itself")
        if lexemes[at].kind == "close":
            return choices, at + 1
        at += 1


def _tokens(text: str) -> tuple[Token, ...]:
    """The tokens of a pattern without braces."""
    if _LITERAL.fullmatch(text):
        return tuple(text.encode())
    tokens: list[Token] = []
    pieces = _relex(text)
    path = text[0] == "/"
    at = 0
    while at < len(pieces):
        whole = path and at > 0 and pieces[at - 1] == "/" and (at + 1 == len(pieces) or pieces[at + 1] == "/")
        token = _token(pieces[at], whole, last=at + 1 == len(pieces))
        if token is Wild.DIRECTORIES:
            at += 1  # its slash is part of it
        tokens.extend(token if isinstance(token, bytes) else (token,))
        at += 1
    return tuple(tokens)


def _relex(text: str) -> list[str]:
    """Lexemes of a pattern without braces: a brace or comma left in it is a character."""
    return _PIECE.findall(text)


def _token(piece: str, whole: bool, last: bool) -> Token | bytes:
    """The token of one piece; `whole`: it is a component of its own."""
    match piece:
        case "?":
            return Wild.ONE
        case "*":
            return Wild.COMPONENT if whole else Wild.STAR
        case "**":
            if not whole:
                return Wild.ANYTHING
            return Wild.BELOW if last else Wild.DIRECTORIES
    if piece[0] == "[":
        return _members(piece)
    return (piece[1:] if piece[0] == "\\" else piece).encode()
