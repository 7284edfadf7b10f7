"""`agentctl policy diff`: what a change of policies means."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from agent.cli.exits import CliError, Exit
from agent.cli.output import Format, Table, emit
from agent.cli.texts import Texts, moment, texts

if TYPE_CHECKING:
    from policy.answers.diff import Compared, Comparison, Difference
    from policy.model.types import Decision, Position

_STYLES = {"newly allowed": "red", "less strict": "red", "newly denied": "green", "stricter": "green"}


@dataclass(frozen=True, slots=True)
class _Side:
    """Where the rules of one side stand."""

    positions: "Mapping[tuple[str, str], Position]"

    def where(self, decision: "Decision") -> str:
        """A decision in a cell of the table: effect, policy and rule, and its line."""
        policy, rule = decision.rule
        if not policy:
            return f"{decision.effect}, no policy"
        line = self.positions[decision.rule].line if decision.rule in self.positions else 0
        said = f"{decision.effect} {policy}/{rule}" + (f":{line}" if line else "")
        return said + (" (undecided)" if decision.error else "")

    def data(self, decision: "Decision") -> dict[str, Any]:
        position = self.positions.get(decision.rule)
        found: dict[str, Any] = {"effect": str(decision.effect), "policy": decision.rule[0], "rule": decision.rule[1]}
        found |= {"undecided": decision.error, "errno": str(decision.errno)}
        return found | ({"file": position.file, "line": position.line} if position else {})


def diff(before: str, after: str, examples: int, now: str, form: Format) -> None:
    """`policy diff`."""
    from policy.answers.diff import compare

    old, new = texts([before]), texts([after])
    found = compare(old.applied, new.applied, now=moment(now))
    emit(form, _data(found, old, new), *_tables(found, _Side(old.positions()), _Side(new.positions()), examples))
    if found.is_weaker:
        raise CliError(Exit.NO)


def _tables(found: "Comparison", old: _Side, new: _Side, examples: int) -> Iterator[Table]:
    yield Table(("",), [(_verdict(found),)], ["red" if found.is_weaker else "green"])
    if found.facts:
        rows = [("weaker" if fact.weaker else "", f"policy `{fact.policy}`", fact.text) for fact in found.facts]
        yield Table(("", "", ""), rows, ["red" if fact.weaker else "" for fact in found.facts])
    for one in found.compared:
        if one.differences or one.undecided:
            yield Table(("", ""), _applies(one))
            yield _differences(one, old, new, examples)


def _verdict(found: "Comparison") -> str:
    if found.is_equal:
        return "equal: every request is decided alike"
    if not found.is_weaker:
        return "not weaker: nothing is allowed that was refused"
    undecided = any(one.undecided for one in found.compared)
    known = any(fact.weaker for fact in found.facts) or any(
        difference.change.is_weaker for one in found.compared for difference in one.differences
    )
    return "weaker" if known else "perhaps weaker: not all was decided" if undecided else "weaker"


def _applies(one: "Compared") -> list[tuple[str, str]]:
    names = [", ".join(side) or "no policy" for side in (one.before, one.after)]
    policies = names[0] if names[0] == names[1] else f"{names[0]} → {names[1]}"
    return [("scope", "; ".join(one.scopes)), ("policies", policies)]


def _differences(one: "Compared", old: _Side, new: _Side, examples: int) -> Table:
    rows, styles = [], []
    for (change, class_), group in groupby(one.differences, lambda found: (found.change, found.class_)):
        found = list(group)
        for difference in found[:examples]:
            rows.append(_row(difference, old, new))
            styles.append(_STYLES.get(change, ""))
        if len(found) > examples:
            rows.append((str(change), str(class_), f"… and {len(found) - examples} more", "", "", ""))
            styles.append("dim")
    for class_, why in one.undecided:
        rows.append(("not decided", str(class_), why, "", "", ""))
        styles.append("yellow")
    return Table(("CHANGE", "CLASS", "EXAMPLE", "BEFORE", "NOW", "AND"), rows, styles)


def _row(difference: "Difference", old: _Side, new: _Side) -> tuple[str, ...]:
    rest = [", ".join(difference.operations[1:])] * (len(difference.operations) > 1)
    rest += [f"{difference.more} more"] * bool(difference.more)
    return (
        str(difference.change),
        str(difference.class_),
        difference.example.text,
        old.where(difference.before),
        new.where(difference.after),
        "; ".join(rest),
    )


def _data(found: "Comparison", old: Texts, new: Texts) -> dict[str, Any]:
    sides = _Side(old.positions()), _Side(new.positions())
    return {
        "equal": found.is_equal,
        "weaker": found.is_weaker,
        "facts": [{"policy": fact.policy, "text": fact.text, "weaker": fact.weaker} for fact in found.facts],
        "compared": [
            {
                "scopes": list(one.scopes),
                "before": list(one.before),
                "after": list(one.after),
                "differences": [_difference(difference, *sides) for difference in one.differences],
                "undecided": [{"class": str(class_), "why": why} for class_, why in one.undecided],
            }
            for one in found.compared
        ],
    }


def _difference(found: "Difference", old: _Side, new: _Side) -> dict[str, Any]:
    return {
        "change": str(found.change),
        "weaker": found.change.is_weaker,
        "class": str(found.class_),
        "operations": list(found.operations),
        "example": found.example.text,
        "told": found.example.told,
        "before": old.data(found.before),
        "after": new.data(found.after),
        "more": found.more,
    }
