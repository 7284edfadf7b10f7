"""What patterns match: one table of examples, held against the reference and the compiled automaton."""

import pytest

from policy.compiler import compile_profiles
from policy.compiler.evaluate import decide
from policy.model.glob import ALTERNATIVES_MAX, GlobError, Wild, literal, parse, parse_socket
from policy.model.types import (
    Action,
    Actor,
    Class,
    Effect,
    File,
    FileSelector,
    HostScope,
    Policy,
    Request,
    Rule,
)
from policy.reference import matches

EXAMPLES: list[tuple[str, list[bytes], list[bytes]]] = [
    ("/etc/shadow", [b"/etc/shadow"], [b"/etc/shadow2", b"/etc/shado", b"/etc", b"/etc/shadow/x", b"etc/shadow", b""]),
    ("/srv/**", [b"/srv/a", b"/srv/a/b", b"/srv/\n\xff"], [b"/srv", b"/srv2/a", b"/", b"/a/srv/b"]),
    ("/**", [b"/a", b"/a/b/c"], [b"/", b""]),
    ("/*", [b"/a", b"/ab"], [b"/", b"/a/b"]),
    ("/", [b"/"], [b"/a", b""]),
    ("/a/*/c", [b"/a/b/c", b"/a/bb/c"], [b"/a//c", b"/a/b/b/c", b"/a/c"]),
    ("/a/b*", [b"/a/b", b"/a/bc"], [b"/a/b/c", b"/a/c"]),
    ("/a/*b", [b"/a/b", b"/a/bb", b"/a/cb"], [b"/a/bc", b"/a/"]),
    ("/**/name", [b"/name", b"/a/name", b"/a/b/name"], [b"/aname", b"/a/name/b", b"/names"]),
    ("/a/**/b", [b"/a/b", b"/a/x/b", b"/a/x/y/b"], [b"/ab", b"/a/xb", b"/b"]),
    ("/a/x**z", [b"/a/xz", b"/a/xyz", b"/a/xy/z", b"/a/x/z"], [b"/a/x", b"/a/z"]),
    ("/a/?", [b"/a/b", "/a/é".encode(), "/a/日".encode(), b"/a/\xff", b"/a/\n"], [b"/a/", b"/a/bb", b"/a//", b"/a"]),
    ("/a/[a-c]", [b"/a/a", b"/a/c"], [b"/a/d", b"/a/", b"/a/ab"]),
    ("/a/[!a-c]", [b"/a/d", "/a/é".encode()], [b"/a/a", b"/a//", b"/a/"]),
    ("/a/[-x]", [b"/a/-", b"/a/x"], [b"/a/b"]),
    ("/a/[\\]x]", [b"/a/]", b"/a/x"], [b"/a/\\", b"/a/b"]),
    ("/a/{b,c/d}/e", [b"/a/b/e", b"/a/c/d/e"], [b"/a/c/e", b"/a/{b,c/d}/e"]),
    ("/a{,b}", [b"/a", b"/ab"], [b"/abb"]),
    ("/{a,{b,c}d}", [b"/a", b"/bd", b"/cd"], [b"/b", b"/ad"]),
    ("/a/\\*", [b"/a/*"], [b"/a/b", b"/a/\\*"]),
    ("/a,b", [b"/a,b"], [b"/a", b"/b"]),
    ("/usr/bin/{ba,da,z}sh", [b"/usr/bin/bash", b"/usr/bin/zsh"], [b"/usr/bin/sh", b"/bin/bash"]),
    ("/bin/*sh", [b"/bin/sh", b"/usr/bin/dash"], [b"/sbin/sh", b"/usr/bin/shx"]),
    ("/lib64/ld.so", [b"/lib64/ld.so", b"/usr/lib64/ld.so"], [b"/usr/lib/ld.so"]),
    ("/lib*/x", [b"/lib/x", b"/usr/lib32/x"], [b"/usr/libexec/y"]),
    ("/binary/x", [b"/binary/x"], [b"/usr/binary/x"]),
    ("/var/run/docker.sock", [b"/var/run/docker.sock", b"/run/docker.sock"], [b"/var/docker.sock"]),
    ("/var/{run,x}/a", [b"/run/a", b"/var/x/a"], [b"/x/a"]),
    ("/a\n*", [b"/a\nb"], [b"/a"]),
    ("/é", ["/é".encode()], [b"/\xe9"]),
]

REFUSED = [
    ("etc/passwd", "does not begin with `/`"),
    ("/a/", "ends with `/`"),
    ("/a//b", "component ``"),
    ("/a/../b", "component `..`"),
    ("/a/./b", "component `.`"),
    ("/a/***", "`***`"),
    ("/a/{b", "without its `}`"),
    ("/a/b}", "without its `{`"),
    ("/a/[b", "without its `]`"),
    ("/a/b]", "without its `[`"),
    ("/a/[]", "is empty"),
    ("/a/[z-a]", "which is empty"),
    ("/a/[a/b]", "has `/`"),
    ("/a/[é]", "outside ASCII"),
    ("/a/b\\", "ends with `\\`"),
    ("/a/\\b", "needs no escape"),
    ("/a/{*,b}*", "stars beside each other"),
    ("/a/{b,c/}", "ends with `/`"),
    ("/{/a,b}", "component ``"),
    ("/" + "{a,b}" * 12, f"more than {ALTERNATIVES_MAX}"),
    ("/" + "{" * 9 + "}" * 9, "nested more than"),
    ("/" + "{" * 4000, "nested more than"),
    ("/" + "a" * 5000, "at most 4096"),
    ("/a\0b", "NUL"),
    ("/\ud800", "not valid Unicode"),
]


@pytest.mark.parametrize(("pattern", "inside", "outside"), EXAMPLES)
def test_reference_matches(pattern: str, inside: list[bytes], outside: list[bytes]) -> None:
    """The reference matches exactly the names that the table says."""
    assert [name for name in inside if not matches(pattern, name)] == []
    assert [name for name in outside if matches(pattern, name)] == []


def test_automaton_matches() -> None:
    """The automaton of all patterns at once tells for each what the table says."""
    rules = [Rule(f"r{at}", FileSelector((one[0],), ("read",)), Action.DENY) for at, one in enumerate(EXAMPLES)]
    policies = [Policy(f"p{at}", (HostScope(),), (rule,)) for at, rule in enumerate(rules)]
    ruleset = compile_profiles([[policy] for policy in policies])
    for at, (pattern, inside, outside) in enumerate(EXAMPLES):
        for name in (*inside, *outside):
            request = Request(Class.FILE, ("read",), Actor(b"/bin/x", 0, 0), File(name))
            denied = decide(ruleset, at, request).effect is Effect.DENY
            assert denied == (name in inside), (pattern, name)


@pytest.mark.parametrize(("pattern", "problem"), REFUSED)
def test_what_cannot_match_is_refused(pattern: str, problem: str) -> None:
    """A pattern that no name can match, or that cannot be read, is refused and says why."""
    with pytest.raises(GlobError, match=None) as caught:
        parse(pattern)
    assert problem in caught.value.message


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/run/*", parse("/run/*")),
        ("@", ((ord("@"),),)),
        ("@a//./b/", (tuple(b"@a//./b/"),)),
        ("@/x/*/**", ((*b"@/x/", Wild.STAR, ord("/"), Wild.ANYTHING),)),
        ("@{a,/bin}", (tuple(b"@a"), tuple(b"@/bin"))),
    ],
)
def test_abstract_names_have_no_components(pattern: str, found: tuple[tuple[object, ...], ...]) -> None:
    """After `@` come any bytes: no component is special, no directory is merged, and stars may stand for nothing."""
    assert parse_socket(pattern) == found


@pytest.mark.parametrize("pattern", ["", "x", "{@a,/b}", "%ext4"])
def test_other_names_of_sockets_are_refused(pattern: str) -> None:
    """A unix socket's name begins with `/` or `@`."""
    with pytest.raises(GlobError, match="does not begin with `/` or `@`"):
        parse_socket(pattern)


def test_literals_have_no_wildcards() -> None:
    """A literal is its own bytes."""
    assert literal("%e*t[4]") == (tuple(b"%e*t[4]"),)
