"""
Rows of decisions, and decisions that depend on more than subject and object: on ancestors, and on the time.

Such a decision is a diagram of tests with three ways on: it holds, it does not, it could not be told. Its leaves are
decisions; equal parts of diagrams are stored once. First-match semantics is kept exactly: a rule whose test could not
be told may match.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from policy.compiler.limits import ANCESTORS, DECISION_STEPS, DIAGRAM_STEPS, OPERATIONS_AT_ONCE, CompileError
from policy.compiler.truth import MAYBE, YES
from policy.compiler.verdicts import Judge, Said
from policy.compiler.words import Kind, Words
from policy.model.types import OPERATIONS, Action, Class, Policy, Rule

#: What a rule needs beside subject and object: (variable, whether it must hold). Variables below ANCESTORS are bits of
#: the ancestors' mask; others are ends of waivers, in Unix seconds, ANCESTORS added.
Literal = tuple[int, bool]
#: (index of the rule, MAYBE or YES, what is still to be tested).
Candidate = tuple[int, int, tuple[Literal, ...]]
#: Where a decision is, and how many tests lead through it at most.
Place = tuple[int, int]

#: Kinds of tests.
AT_BEFORE, AT_ANCESTOR = 1, 2
#: In place of a rank: not a decision, but a test.
TEST = 0xFF
_KINDS = bytes((Kind.NUMBER, Kind.NUMBER, Kind.OFFSET, Kind.OFFSET, Kind.OFFSET))


class Decisions:
    """
    Args:
        rules: (place of the policy, rule) of every rule of the class, in order.
        judges: One for each operation.
        operations: Of each rule.
        literals: Of each rule.
    """

    def __init__(
        self,
        class_: Class,
        policies: Sequence[Policy],
        rules: Sequence[tuple[int, Rule]],
        judges: Sequence[Judge],
        operations: Sequence[Sequence[str]],
        literals: Sequence[tuple[Literal, ...]],
        words: Words,
    ) -> None:
        self.literals = literals
        self.only_policy = policies[0].name if len(policies) == 1 else ""
        self._policies = policies
        self.rules = rules
        self._words = words
        self._steps = 0
        self._judges = judges
        of_class = OPERATIONS[class_]
        self._masks = [sum(1 << of_class.index(one) for one in some) for some in operations]
        self._known: dict[Judge, dict[tuple[Candidate, ...], Place]] = {judge: {} for judge in judges}

    def row(self, candidates: tuple[Candidate, ...]) -> int:
        """
        The offset of a row.

        Raises:
            CompileError: A request could need more steps than the kernel makes.
        """
        places = self._alone(candidates) if len(candidates) == 1 else self._together(candidates)
        if any(depth for _, depth in places):
            found = sum(sorted(1 + depth for _, depth in places)[-OPERATIONS_AT_ONCE:])
            if found > DECISION_STEPS:
                raise self.too_long(candidates, found)
        return self._words.add([offset for offset, _ in places], Kind.OFFSET)

    def _alone(self, candidates: tuple[Candidate, ...]) -> list[Place]:
        """The decision of each operation where one rule may match: a shorter way, and the most usual one."""
        mask = self._masks[candidates[0][0]]
        found: dict[tuple[Judge, int], Place] = {}
        for bit, judge in enumerate(self._judges):
            meant = mask >> bit & 1
            if (judge, meant) not in found:
                found[judge, meant] = self._place(judge, candidates if meant else ())
        return [found[judge, mask >> bit & 1] for bit, judge in enumerate(self._judges)]

    def _together(self, candidates: tuple[Candidate, ...]) -> list[Place]:
        """The decision of each operation."""
        masks = [(self._masks[one[0]], one) for one in candidates]
        mine = [tuple(one for mask, one in masks if mask >> bit & 1) for bit in range(len(self._judges))]
        return [self._place(judge, some) for judge, some in zip(self._judges, mine, strict=True)]

    def _place(self, judge: Judge, candidates: tuple[Candidate, ...]) -> Place:
        known = self._known[judge]
        place = known.get(candidates)
        if place is None:
            place = known[candidates] = self._decision(judge, candidates)
        return place

    def _decision(self, judge: Judge, candidates: tuple[Candidate, ...]) -> Place:
        if not any(one[2] for one in candidates):
            return self._words.verdict(judge.decide([one[:2] for one in candidates])), 0
        by_policy = groupby(candidates, lambda one: self.rules[one[0]][0])
        return _Diagram(self, judge, self._words, candidates).begin([tuple(some) for _, some in by_policy])

    def spend(self, steps: int, candidates: Sequence[Candidate]) -> None:
        """Count what making diagrams costs."""
        self._steps += steps
        if self._steps > DIAGRAM_STEPS:
            raise self._refused(
                candidates, f"telling them apart takes more than {DIAGRAM_STEPS:,} steps", DIAGRAM_STEPS
            )

    def too_long(self, candidates: Sequence[Candidate], found: int) -> CompileError:
        """A request could need so many tests."""
        return self._refused(candidates, f"{found} tests; the limit is {DECISION_STEPS}", DECISION_STEPS, found)

    def _refused(self, candidates: Sequence[Candidate], what: str, limit: int, found: int = 0) -> CompileError:
        tested = [one[0] for one in candidates if one[2]]
        place, rule = self.rules[tested[0]]
        return CompileError(
            f"rule `{rule.id}` and {len(tested) - 1} others ask for ancestors or end with waivers, and may all be "
            f"about one request: {what}",
            hint="let rules share their lists of ancestors, or give them different objects or executables",
            limit=limit,
            found=found or limit + 1,
            policy=self._policies[place].name,
            rule=rule.id,
        )


#: What a policy says, or what is still to be told.
Part = Said | tuple[Candidate, ...]


class _Diagram:
    """
    One decision while it is being made.

    Args:
        candidates: All of them, for messages.
    """

    def __init__(self, decisions: Decisions, judge: Judge, words: Words, candidates: tuple[Candidate, ...]) -> None:
        self._decisions = decisions
        self._judge = judge
        self._words = words
        self._candidates = candidates
        self._known: dict[tuple[Part, ...], Place] = {}
        self._without_clock: Sequence[Part] = ()

    def begin(self, parts: Sequence[Part]) -> Place:
        """
        The whole diagram.

        Args:
            parts: Of each policy that has candidates.
        """
        self._without_clock = _each(parts, lambda some: _untold(some, lambda variable: variable >= ANCESTORS))
        return self._place(parts, first=True)

    def _place(self, parts: Sequence[Part], *, first: bool = False) -> Place:
        told = tuple(one if isinstance(one, Said) else self._told(one) for one in parts)
        state = tuple(one for one in told if one != ())
        found = self._known.get(state)
        if found is None:
            found = self._known[state] = self._test(state, first)
        return found

    def _test(self, state: tuple[Part, ...], first: bool) -> Place:
        open_ = [candidate for part in state if not isinstance(part, Said) for candidate in part]
        self._decisions.spend(len(open_), self._candidates)
        variable = _next(open_)
        if variable is None:
            return self._words.verdict(self._judge.joined([one for one in state if isinstance(one, Said)])), 0
        no = self._place(_each(state, lambda some: _assume(some, variable, False)))
        yes = self._place(_each(state, lambda some: _assume(some, variable, True)))
        untold = self._untold(state, variable, first) or no
        if no == yes == untold:
            return no
        depth = 1 + max(no[1], yes[1], untold[1])
        if depth > DECISION_STEPS:
            raise self._decisions.too_long(self._candidates, depth)
        return self._words.mixed((*_head(variable), no[0], yes[0], untold[0]), _KINDS), depth

    def _untold(self, state: tuple[Part, ...], variable: int, first: bool) -> Place | None:
        """Where a test leads that cannot be told. Ends come first, and are all told if one is; ancestors likewise."""
        if variable < ANCESTORS:
            return self._place(_each(state, lambda some: _untold(some, lambda one: one < ANCESTORS)))
        return self._place(self._without_clock) if first else None

    def _told(self, candidates: tuple[Candidate, ...]) -> Part:
        """What the policy says, if nothing that is still to be tested matters to it; empty: its default."""
        place = self._decisions.rules[candidates[0][0]][0] if candidates else 0
        left = tuple(self._reduced(candidates))
        if not left or any(one[2] for one in left):
            return tuple(left)
        return self._judge.said(place, [one[:2] for one in left])

    def _reduced(self, candidates: tuple[Candidate, ...]) -> Iterator[Candidate]:
        """Without what comes after a rule that certainly matches, or after doubts that nothing can resolve."""
        doubts = set[Action]()
        for one in candidates:
            action = self._decisions.rules[one[0]][1].action
            if one[1] == MAYBE and action in doubts:
                continue
            yield one
            if not one[2]:
                doubts.add(action)
                if one[1] == YES or len(doubts) > 1:
                    return


def _each(state: Sequence[Part], change: Callable[[tuple[Candidate, ...]], tuple[Candidate, ...]]) -> list[Part]:
    return [one if isinstance(one, Said) else change(one) for one in state]


def _next(candidates: Sequence[Candidate]) -> int | None:
    """What to test first: the middle one of the ends, so that few tests tell many of them apart; then ancestors."""
    wanted = [variable for one in candidates for variable, _ in one[2]]
    ends = sorted({variable for variable in wanted if variable >= ANCESTORS})
    return ends[len(ends) // 2] if ends else next(iter(wanted), None)


def _head(variable: int) -> tuple[int, int]:
    if variable < ANCESTORS:
        return TEST << 24 | AT_ANCESTOR | variable << 8, 0
    return TEST << 24 | AT_BEFORE, variable - ANCESTORS


def _assume(candidates: Sequence[Candidate], variable: int, value: bool) -> tuple[Candidate, ...]:
    """What is left once a test has told; of two ends the earlier one is never behind the later."""
    left = []
    for rule, truth, literals in candidates:
        told = [(one, wanted, _follows(one, variable, value)) for one, wanted in literals]
        if all(known is None or known is wanted for _, wanted, known in told):
            left.append((rule, truth, tuple((one, wanted) for one, wanted, known in told if known is None)))
    return tuple(left)


def _follows(one: int, variable: int, value: bool) -> bool | None:
    """What a test's outcome says of another variable; None: nothing."""
    if one == variable:
        return value
    if one < ANCESTORS or variable < ANCESTORS:
        return None
    return value if (one > variable) is value else None


def _untold(candidates: Sequence[Candidate], which: Callable[[int], bool]) -> tuple[Candidate, ...]:
    """What is left if some variables could not be told: rules that need them may match."""
    left = []
    for rule, truth, literals in candidates:
        rest = tuple(one for one in literals if not which(one[0]))
        left.append((rule, truth if len(rest) == len(literals) else MAYBE, rest))
    return tuple(left)
