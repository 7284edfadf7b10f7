"""
Break each sentence of the contract in a copy, and see whether the oracle notices.

    python -m tests.property.mutate [WORD...]

Tables and reference have decided the same pairs before. For each mutant a process of its own imports the package that
is broken, and asks it alone again. Exit status 1: a mutant was not found, or could not be made.
"""

import importlib
import multiprocessing
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import policy.model
from policy.model.types import Decision, Policy, Request
from tests.property import oracle
from tests.property.generate import ROOT
from tests.property.mutants import MUTANTS, Mutant

#: Pairs that are asked at most; nearly all mutants are found in the first thousand.
PAIRS = 12_000
#: Seconds for one mutant.
PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    Attributes:
        found: What noticed the mutant; empty: nothing did.
        problem: Why it is no mutant.
    """

    mutant: Mutant
    found: str
    problem: str = ""


#: What changes nothing.
NOTHING = Mutant("nothing", "policy/language/__init__.py", "__all__ = [", "__all__ = [")


#: Profiles of one ruleset, with their requests and the decisions.
Group = tuple[list[tuple[Policy, ...]], list[list[tuple[Request, Decision]]]]
_groups: list[Group] = []


def outcomes(mutants: Sequence[Mutant] = MUTANTS, processes: int = 2) -> Iterator[Outcome]:
    """What became of each mutant, in order."""
    if any(one.file.startswith("policy/language/") for one in mutants):
        assert not _try(NOTHING).found, "nothing is broken, and yet the tests of the language fail"
    _groups.extend(_decided(PAIRS))
    with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap(_try, mutants)


def _decided(pairs: int) -> Iterator[Group]:
    """What is decided when nothing is broken."""
    for seed in (f"{oracle.SEED}/{at}" for at in range(0, pairs, oracle.PART)):
        tally = oracle.Tally()
        for profiles, asked in oracle.groups(seed, oracle.PART, tally):
            for request, expected, found in (compared for one in asked for compared in one):
                assert found == expected, f"nothing is broken, and yet the oracle disagrees: {request}"
            yield profiles, [[(request, expected) for request, expected, _ in one] for one in asked]


def _try(mutant: Mutant) -> Outcome:
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(PATIENCE)
    with tempfile.TemporaryDirectory(prefix="ringfence-mutant-") as directory:
        copy = Path(directory)
        shutil.copytree(ROOT / "policy", copy / "policy", ignore=shutil.ignore_patterns("__pycache__"))
        text = (copy / mutant.file).read_text()
        if text.count(mutant.old) != 1:
            return Outcome(mutant, "", f"its text stands {text.count(mutant.old)} times in {mutant.file}")
        (copy / mutant.file).write_text(text.replace(mutant.old, mutant.new))
        try:
            return Outcome(mutant, _noticed(mutant.file, copy))
        except Exception as problem:  # noqa: BLE001 - what only crashes does not mean something else
            return Outcome(mutant, "", f"it raises {problem!r}")
        finally:
            signal.alarm(0)


def _give_up(*_: object) -> None:
    raise TimeoutError(f"after {PATIENCE} s")


def _noticed(file: str, copy: Path) -> str:
    match file.split("/"):
        case ["policy", "reference", _]:
            _import_from(copy, "policy.reference")
            return _by_reference()
        case ["policy", "language", _]:
            return _by_tests(copy)
    _import_from(copy, "policy.model.glob", "policy.compiler")
    return _by_tables()


def _import_from(copy: Path, *packages: str) -> None:
    """Forget packages, and import them from the copy; what they import besides stays as it is."""
    for name in list(sys.modules):
        if any(f"{name}.".startswith(f"{package}.") for package in packages):
            del sys.modules[name]
    policy.__path__ = [str(copy / "policy")]
    policy.model.__path__ = [str(copy / "policy/model")]
    for package in packages:
        found = importlib.import_module(package)
        assert found.__file__ and found.__file__.startswith(str(copy)), found.__file__


def _by_reference() -> str:
    decide = importlib.import_module("policy.reference").decide
    count = 0
    for profiles, asked in _groups:
        for profile, pairs in zip(profiles, asked, strict=True):
            for request, expected in pairs:
                count += 1
                if decide(profile, request) != expected:
                    return f"pair {count}"
    return ""


def _by_tables() -> str:
    compiler = importlib.import_module("policy.compiler")
    decide = importlib.import_module("policy.compiler.evaluate").decide
    count = 0
    for profiles, asked in _groups:
        try:
            ruleset = compiler.compile_profiles(profiles)
        except compiler.CompileError:
            return f"pair {count}, refused"
        for number, pairs in enumerate(asked):
            for request, expected in pairs:
                count += 1
                if decide(ruleset, number, request) != expected:
                    return f"pair {count}"
    return ""


def _by_tests(copy: Path) -> str:
    """The tests of what only the language keeps, run on the copy."""
    for name in ("tests", "pyproject.toml"):
        (copy / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "tests/unit/policy/test_sentences.py"]
    done = subprocess.run(command, check=False, cwd=copy, capture_output=True, text=True, timeout=PATIENCE)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    return failed[0].split("::")[-1].split(" ")[0] if done.returncode == 1 and failed else ""


def main() -> int:
    chosen = [one for one in MUTANTS if all(word in f"{one.sentence} {one.file}" for word in sys.argv[1:])]
    survived = 0
    for outcome in outcomes(chosen):
        survived += not outcome.found
        print(line(outcome), flush=True)
    return bool(survived)


def line(outcome: Outcome) -> str:
    found = outcome.found or outcome.problem or "NOT NOTICED"
    return f"{outcome.mutant.sentence:<62} {outcome.mutant.where:<28} {found}"


if __name__ == "__main__":
    sys.exit(main())
