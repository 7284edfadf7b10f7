"""
Compiled tables against the reference, on generated policies and requests.

    python -m tests.property.oracle [PAIRS [SEED]]

Exit status 3: they disagree, and the smallest policies and the request that show it are printed.
"""

import multiprocessing
import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace

from policy.compiler import CompileError, Ruleset, compile_profiles, limits
from policy.compiler.evaluate import decide as decide_by_tables
from policy.model.types import Class, Decision, Policy, Request, Rule
from policy.reference import decide as decide_by_reference
from tests.property.generate import Generator

SEED = int(os.environ.get("RINGFENCE_SEED", "20261123"))
#: Requests to one profile.
REQUESTS = 50
#: Pairs of one seed; each such part has a seed of its own, and can be repeated alone.
PART = 5_000
#: Random stars may multiply, and random waivers may ask for many tests. Nothing else is refused.
MAY_BE_REFUSED = (limits.CORE_STATES, limits.CORE_STEPS, limits.PAIRS, limits.PAIR_STEPS, limits.DECISION_STEPS)
MAY_BE_REFUSED += (limits.DIAGRAM_STEPS,)
DISAGREED = 3


@dataclass(slots=True)
class Tally:
    """
    What was compared.

    Attributes:
        refused: Rulesets that the compiler refused because of a limit.
        met: Pairs by class that a rule decided.
        violations: Pairs that were not just allowed.
    """

    pairs: int = 0
    refused: int = 0
    violations: int = 0
    undecided: int = 0
    met: Counter[Class] = field(default_factory=Counter)

    def add(self, request: Request, decision: Decision) -> None:
        self.pairs += 1
        self.violations += bool(decision.effect)
        self.undecided += decision.error
        self.met[request.class_] += not decision.rule[1].startswith("default:")

    def join(self, other: "Tally") -> None:
        self.pairs += other.pairs
        self.refused += other.refused
        self.violations += other.violations
        self.undecided += other.undecided
        self.met += other.met


#: A request, the decision of the reference, and that of the tables (or what was raised instead).
Compared = tuple[Request, Decision, Decision | str]


class Disagreement(AssertionError):
    """Tables and reference decide differently; the text says where."""


def compare(pairs: int, seed: int = SEED, processes: int = 2) -> Tally:
    """
    Compare the decisions of at least so many pairs of a policy and a request.

    Raises:
        Disagreement: Two differ.
    """
    parts = [(f"{seed}/{at}", min(PART, pairs - at)) for at in range(0, pairs, PART)]
    if len(parts) == 1 or processes == 1:
        return _joined(compare_part(*part) for part in parts)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        return _joined(pool.map(compare_part, *zip(*parts, strict=True)))


def compare_part(seed: str, pairs: int) -> Tally:
    """
    The pairs of one part. Equal seeds make equal pairs.

    Raises:
        Disagreement: Two decisions differ; it is shown with the least that makes them differ.
    """
    tally = Tally()
    for profiles, asked in groups(seed, pairs, tally):
        for profile, compared in zip(profiles, asked, strict=True):
            for request, expected, found in compared:
                if found != expected:
                    raise Disagreement(f"seed {seed}, pair {tally.pairs}: " + _explained(profile, request))
                tally.add(request, expected)
    return tally


def groups(seed: str, pairs: int, tally: Tally) -> Iterator[tuple[list[tuple[Policy, ...]], list[list[Compared]]]]:
    """
    Profiles of one ruleset and what is said of requests to each, until there were at least so many pairs.

    What is refused is counted in the tally.
    """
    generator, count = Generator(seed), 0
    while count < pairs:
        profiles = generator.profiles()
        asked = [generator.requests(profile, REQUESTS) for profile in profiles]
        ruleset = _compiled(profiles, seed)
        if ruleset is None:
            tally.refused += 1
            continue
        count += REQUESTS * len(profiles)
        yield (
            profiles,
            [
                [(one, decide_by_reference(profile, one), _decided(ruleset, number, one)) for one in requests]
                for number, (profile, requests) in enumerate(zip(profiles, asked, strict=True))
            ],
        )


def _compiled(profiles: Sequence[tuple[Policy, ...]], seed: str) -> Ruleset | None:
    """None: refused, as may be."""
    try:
        return compile_profiles(profiles)
    except CompileError as problem:
        if problem.limit in MAY_BE_REFUSED:
            return None
        raise Disagreement(f"seed {seed}: refused: {problem}\n" + "\n".join(map(_shown, profiles))) from problem
    except Exception as problem:
        raise Disagreement(f"seed {seed}: {problem!r}\n" + "\n".join(map(_shown, profiles))) from problem


def _decided(ruleset: Ruleset, profile: int, request: Request) -> Decision | str:
    """What the tables say; what is raised is no decision."""
    try:
        return decide_by_tables(ruleset, profile, request)
    except Exception as problem:  # noqa: BLE001 - it is what is shown
        return "".join(traceback.format_exception_only(problem)).strip()


def _joined(parts: Iterator[Tally]) -> Tally:
    tally = Tally()
    for part in parts:
        tally.join(part)
    return tally


def _explained(profile: tuple[Policy, ...], request: Request) -> str:
    small, request = shrunk(profile, request)
    by_tables = _by_tables(small, request)
    return f"""{request}
reference: {decide_by_reference(small, request)}
tables:    {by_tables}{"" if _differ(small, request) else " (only beside other profiles)"}
{_shown(small)}"""


def shrunk(profile: tuple[Policy, ...], request: Request) -> tuple[tuple[Policy, ...], Request]:
    """Leave out policies, rules and operations as long as tables and reference still differ."""
    smaller = True
    while smaller:
        smaller = False
        for tried, asked in _less(profile, request):
            if _differ(tried, asked):
                profile, request, smaller = tried, asked, True
                break
    return profile, request


def _less(profile: tuple[Policy, ...], request: Request) -> Iterator[tuple[tuple[Policy, ...], Request]]:
    for operation in request.operations if len(request.operations) > 1 else ():
        yield profile, replace(request, operations=tuple(one for one in request.operations if one != operation))
    for at, policy in enumerate(profile):
        others = profile[:at], profile[at + 1 :]
        if len(profile) > 1:
            yield others[0] + others[1], request
        for index in range(len(policy.rules)):
            rules = policy.rules[:index] + policy.rules[index + 1 :]
            yield (*others[0], replace(policy, rules=rules), *others[1]), request
        if policy.defaults:
            yield (*others[0], replace(policy, defaults=()), *others[1]), request


def _differ(profile: tuple[Policy, ...], request: Request) -> bool:
    return _by_tables(profile, request) != decide_by_reference(profile, request)


def _by_tables(profile: tuple[Policy, ...], request: Request) -> Decision | str:
    try:
        return _decided(compile_profiles([profile]), 0, request)
    except Exception as problem:  # noqa: BLE001 - it is what is shown
        return "".join(traceback.format_exception_only(problem)).strip()


def _shown(profile: Sequence[Policy]) -> str:
    """Policies as text; what the language cannot write is added as comments."""
    return "\n".join(_text(policy) for policy in profile)


def _text(policy: Policy) -> str:
    from policy.language import dump

    try:
        text = dump(policy)
    except Exception as problem:  # noqa: BLE001 - the values themselves will do
        text = f"# not printed: {problem!r}\n{policy}\n"
    return text + "".join(_comment(rule) for rule in policy.rules if rule.within or rule.until is not None)


def _comment(rule: Rule) -> str:
    within = f" within `{rule.within.id}`" if rule.within else ""
    return f"# rule `{rule.id}` holds{within} until {rule.until}\n"


def main() -> int:
    pairs, seed = (*map(int, sys.argv[1:]), *(20_000, SEED)[len(sys.argv) - 1 :])
    try:
        print(compare(pairs, seed, processes=1))
    except Disagreement as found:
        print(found)
        return DISAGREED
    return 0


if __name__ == "__main__":
    sys.exit(main())
