"""
Random patterns, and names that nearly match them: made from the patterns, and then bent.
"""

import contextlib
import random
from collections.abc import Sequence

from policy.model import glob

COMPONENTS = ["a", "b", "ab", "ba", "etc", "usr", "bin", "lib64", "é", "日本", "x y", "..."]
PIECES = ["*", "?", "[ab]", "[!a]", "[a-c]", "{a,b}", "{ab,é,}", "\\*", "a", "b", "ab", "é", "[^b-d]", "\\{", "a", "b"]
ROOTS = ["", "", "", "/bin", "/usr/bin", "/lib64", "/var/run", "/run", "/a", "/a/b", "/{a,bin}", "/lib*", "/bina"]
ROOTS += ["/**", "/**"]
WHOLE = ["**", "*", "*", "*", "{a,b/c}", "?"]
ABSTRACT = ["@a", "@", "@/a", "@a/b", "@a//", "@/bin", "@a\\*"]

#: What stands for `**`, for `*`, and for one character; bytes that are not UTF-8 are written as surrogates.
ANYTHING = ["a", "a/b", "b/é/a", "", "etc", "\n", "a\udcff/\udce6\udc97"]
STARS = ["a", "ab", "日", "", "b", "b\n", "\udcff\udcfe"]
ONES = ["a", "b", "c", "é", "日", "/", "\n", "\udcff", "\udce6\udc97", "\udcc3a"]
ABSTRACT_FILLS = ["", "", "a", "b/", "\0", "\0b", "\0", "é", "\udcff/"]
NAME_MAX, ABSTRACT_MAX = 4095, 108

#: Made of what names should not be made of, and of what they are seldom made of.
HOSTILE = [
    b"/" + b"a" * 4094,
    b"/a" * 1000,
    b"/bin/\xff\xfe\x80" + b"/\n" * 40,
    b"/" + bytes(byte for byte in range(1, 256) if byte != ord("/")),
    b"/a" + b"\xc3\xa9" * 2000,
    b"/" + b"\n" * 254 + b"/b",
    b"/a/\xe6\x97\xe6\x97\xa5/\xed\xa0\x80/\xf4\x90\x80\x80/b",
]
HOSTILE_ABSTRACT = [b"@" + b"\0" * 107, b"@a\0/bin/\0b", b"@" + bytes(range(150, 256)), b"@//../a", b"@", b"@a/b\n\0"]


class Names:
    """Everything comes from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._above: list[str] = []

    def patterns(self) -> tuple[str, ...]:
        return tuple(self.pattern() for _ in range(self._chance.choice([1, 1, 2, 3])))

    def pattern(self) -> str:
        """A pattern for paths that the language accepts; sometimes of what is below an earlier one."""
        while True:
            parts = [self._component() for _ in range(self._chance.choice([0, 1, 1, 2, 3]))]
            root = self._chance.choice(self._above if self._above and self._chance.random() < 0.3 else ROOTS)
            text = root + "".join("/" + part for part in parts) or "/"
            with contextlib.suppress(glob.GlobError):
                glob.parse(text)
                self._above = [*self._above[-5:], text.removesuffix("/**")] if text.endswith("/**") else self._above
                return text

    def socket_patterns(self) -> tuple[str, ...]:
        return tuple(self._socket_pattern() for _ in range(self._chance.choice([1, 1, 2])))

    def _socket_pattern(self) -> str:
        """A pattern for unix sockets: a path, or an abstract name, in which `/` means little."""
        while self._chance.random() < 0.7:
            ends = ["", "*", "**", "?", "/*", "/*", "/**", "/**", "/**/b", "[!a]", "{a,/b}", "*b"]
            text = self._chance.choice(ABSTRACT) + self._chance.choice(ends)
            with contextlib.suppress(glob.GlobError):
                glob.parse_socket(text)
                return text
        return self.pattern()

    def _component(self) -> str:
        chance = self._chance.random()
        if chance < 0.4:
            return self._chance.choice(COMPONENTS)
        if chance < 0.7:
            return self._chance.choice(WHOLE)
        if chance < 0.73:
            return self._chance.choice(["**", "a**", "**b", "a**b"])
        return "".join(self._chance.choice(PIECES) for _ in range(self._chance.choice([1, 2, 2, 3])))

    def near(self, patterns: Sequence[str]) -> bytes:
        """A name that some pattern nearly matches."""
        pattern = self._chance.choice(list(patterns) or ["/a"])
        chance = self._chance.random()
        if chance < 0.003:
            return self._chance.choice(HOSTILE_ABSTRACT if pattern.startswith("@") else HOSTILE)
        if chance < 0.028:
            ending = [one for one in patterns if "*" in one and not one.endswith("*")]
            return self._long(self._chance.choice(ending) if ending else pattern)
        name = self.instance(pattern)
        if chance < 0.15:
            name = b"/".join(name.split(b"/")[:-1]) or b"/"
        elif chance < 0.3:
            name += self._chance.choice([b"/a", b"a", b"/b/a", b"\n", b"\xff", b"/\xc3\xa9", b"\xe6", b"/"])
        elif chance < 0.35:
            at = self._chance.randrange(1, len(name) + 1)
            name = name[:at] + self._chance.choice([b"a", b"/", b"\x80", b"\xc3", b"*"]) + name[at + 1 :]
        return name

    def instance(self, pattern: str) -> bytes:
        """Put something in place of what is wild in a pattern."""
        anything, stars = (ABSTRACT_FILLS, ABSTRACT_FILLS) if pattern.startswith("@") else (ANYTHING, STARS)
        return self._filled(pattern, self._chance.choice(anything), self._chance.choice(stars))

    def _long(self, pattern: str) -> bytes:
        """As long or as deep as names get, so that what follows a wildcard is what the end of the name decides."""
        room = (ABSTRACT_MAX if pattern.startswith("@") else NAME_MAX) - len(self._filled(pattern, "", ""))
        part = self._chance.choice(["a", "a/", "a/", "\udcff", "\0" if pattern.startswith("@") else "\n", "b/a/"])
        wild = "**" if "**" in pattern else "*"
        fill = (part * room)[: room // max(pattern.count(wild), 1)].rstrip("/")
        return self._filled(pattern, fill, fill if wild == "*" else "a")[:NAME_MAX]

    def _filled(self, pattern: str, anything: str, star: str) -> bytes:
        chosen = self._chance.choice
        text = pattern.replace("{a,b/c}", chosen(["a", "b/c"])).replace("{a,b}", chosen("ab"))
        text = text.replace("{ab,é,}", chosen(["ab", "é", ""])).replace("{a,bin}", chosen(["a", "bin"]))
        text = text.replace("{a,/b}", chosen(["a", "/b"]))
        for piece in ("[ab]", "[!a]", "[a-c]", "[^b-d]", "?"):
            text = text.replace(piece, chosen(ONES))
        text = text.replace("\\*", "\x01").replace("\\{", "{")
        if not anything and not text.startswith("@"):
            text = text.replace("/**/", chosen(["/", "/a/"]))
        text = text.replace("**", anything).replace("*", star).replace("\x01", "*")
        return self._elsewhere(text).encode("utf-8", "surrogateescape")

    def _elsewhere(self, text: str) -> str:
        """Where a merged directory really is."""
        if self._chance.random() < 0.4:
            return text
        if text.startswith(("/bin", "/lib")):
            return "/usr" + text
        return text[4:] if text.startswith("/var/run") else text
