"""
The library: a YAML file for each template, and beside it one with its test cases.

Read as data; what templates mean is `policy.language.templates`.
"""

from functools import cache
from importlib import resources

_FILES = resources.files("policy.templates") / "library"
_TESTS = ".test.yaml"


@cache
def names() -> tuple[str, ...]:
    """Names of the library's templates, sorted."""
    files = (entry.name for entry in _FILES.iterdir() if entry.name.endswith(".yaml"))
    return tuple(sorted(name.removesuffix(".yaml") for name in files if not name.endswith(_TESTS)))


@cache
def text(name: str) -> str:
    """The YAML of a template of the library; KeyError: there is none of this name."""
    if name not in names():
        raise KeyError(name)
    return (_FILES / f"{name}.yaml").read_text(encoding="utf-8")


@cache
def tests(name: str) -> str:
    """A policy made from the template, and cases: what it stops, and what it leaves alone."""
    if name not in names():
        raise KeyError(name)
    return (_FILES / f"{name}{_TESTS}").read_text(encoding="utf-8")


def file(name: str) -> str:
    """What positions call the file of a template of the library."""
    return f"templates/{name}.yaml"
