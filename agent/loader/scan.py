"""
What C sources name, without a C parser: enough to know which kernel types a header must hold.

Too much found costs a few lines of header; too little is a compile error that names what is missing. Neither is silent.
"""

import re
from dataclasses import dataclass

_NOISE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_TAGGED = re.compile(r"\b(?:struct|union|enum)\s+([A-Za-z_]\w*)")
_MEMBER = re.compile(r"(?:->|\.)\s*([A-Za-z_]\w*)")
_OFFSET_OF = re.compile(r"\b\w*offsetof\s*\(([^()]*)\)")
_HAS = re.compile(r"\bRF_HAS_(\w+)")
_IDENTIFIER = re.compile(r"\b[A-Za-z_]\w*\b")
_DEFINED = re.compile(r"\b(?:struct|union|enum)\s+([A-Za-z_]\w*)\s*(?:__attribute__\s*\(\(.*?\)\)\s*)?\{")


@dataclass(frozen=True, slots=True)
class Mentions:
    """
    Names that sources mention.

    Attributes:
        tags: After `struct`, `union` or `enum`, those the sources define themselves left out.
        members: After `.` or `->`, inside `offsetof(…)`, or in `RF_HAS_type__member`.
        identifiers: All of them.
        tests: X of each `RF_HAS_X`.
    """

    tags: frozenset[str]
    members: frozenset[str]
    identifiers: frozenset[str]
    tests: frozenset[str]


def strip(source: str) -> str:
    """The source with a space in place of each comment, string and character, line breaks kept."""
    return _NOISE.sub(lambda found: " " + "\n" * found.group().count("\n"), source)


def mentions(source: str) -> Mentions:
    text = strip(source)
    tests = frozenset(_HAS.findall(text))
    members = set(_MEMBER.findall(text))
    for arguments in _OFFSET_OF.findall(text):
        members |= set(_IDENTIFIER.findall(arguments))
    members |= {test.split("__", 1)[1] for test in tests if "__" in test}
    tags = set(_TAGGED.findall(text)) | {test.split("__", 1)[0] for test in tests}
    identifiers = frozenset(_IDENTIFIER.findall(text))
    return Mentions(frozenset(tags - set(_DEFINED.findall(text))), frozenset(members), identifiers, tests)
