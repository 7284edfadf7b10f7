"""
Text → policies, waivers, templates, tests and diagnostics. Never raises for what the text holds.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from policy.language import findings
from policy.language.cases import PolicyTest
from policy.language.diagnostic import Diagnostic, Severity
from policy.language.document import DocumentError, Node, documents
from policy.language.expansion import expand
from policy.language.filling import Budget
from policy.language.kinds import KINDS, Item, kind_of
from policy.language.refusals import Patience
from policy.language.templates import Template, Templates, child
from policy.model.types import Policy, Position, Waiver

#: Diagnostics given for one text; what is past them is counted in a last one.
DIAGNOSTICS_MAX = 100


@dataclass(frozen=True, slots=True)
class LoadResult:
    """
    Attributes:
        policies, waivers, templates, tests: Those documents that are valid, in the order of the text; policies without
            their templates, whose rules they have.
        diagnostics: What is wrong, in the order of the text, at most `DIAGNOSTICS_MAX` + 1.
        templated: Whether a policy uses a template: another version's library may give its text another meaning.
    """

    policies: tuple[Policy, ...]
    diagnostics: tuple[Diagnostic, ...]
    waivers: tuple[Waiver, ...] = ()
    templates: tuple[Template, ...] = ()
    tests: tuple[PolicyTest, ...] = ()
    templated: bool = False

    @property
    def ok(self) -> bool:
        """Whether all of the text is valid; what is in a text that is not should not be used."""
        return not any(diagnostic.severity is Severity.ERROR for diagnostic in self.diagnostics)


def load(text: str | bytes, file: str = "<text>") -> LoadResult:
    """
    What the documents of a YAML text mean.

    Args:
        text: At most `document.TEXT_MAX` bytes of UTF-8.
        file: What diagnostics and positions call it.
    """
    items: list[Item] = []
    found: list[Diagnostic] = []
    seen: dict[tuple[type, str], int] = {}
    templates, budget = Templates(), Budget()
    count, templated = 0, False
    try:
        for root in documents(text, file):
            count += 1
            item, diagnostics = _read(root, file, templates, budget)
            found += diagnostics or _duplicate(item, seen)
            if item is not None:
                items.append(item)
            if isinstance(item, Template):
                templates.add(item)
            templated |= isinstance(item, Policy) and child(child(root, "spec"), "template") is not None
            if len(found) > DIAGNOSTICS_MAX:
                break
    except DocumentError as problem:
        found.append(problem.diagnostic)
        count += 1
    if not count:
        found.append(Diagnostic(Severity.ERROR, "no-policy", "the text has no policy", Position(file)))
    return LoadResult(
        policies=tuple(item for item in items if isinstance(item, Policy)),
        diagnostics=_bounded(found),
        waivers=tuple(item for item in items if isinstance(item, Waiver)),
        templates=tuple(item for item in items if isinstance(item, Template)),
        tests=tuple(item for item in items if isinstance(item, PolicyTest)),
        templated=templated,
    )


def _read(written: Node, file: str, templates: Templates, budget: Budget) -> tuple[Item | None, list[Diagnostic]]:
    kind = kind_of(written, file)
    if isinstance(kind, Diagnostic):
        return None, [kind]
    root, wrong = expand(written, templates, budget, file) if kind is KINDS["Policy"] else (written, [])
    if root is None:
        return None, wrong
    more = list(kind.check(root, file))
    try:
        document = kind.model.model_validate(root.plain(), context=Patience())
    except ValidationError as problem:
        details = problem.errors(include_url=False, include_context=True)
        found = [*findings.diagnostics(root, details[:DIAGNOSTICS_MAX], file, kind.model), *more]
        found.sort(key=lambda one: (one.position.line, one.position.column))
        return None, found + [_more(len(details) - DIAGNOSTICS_MAX, file)] * (len(details) > DIAGNOSTICS_MAX)
    return (None, more) if more else (kind.convert(document, root, file), [])


def _duplicate(item: Item | None, seen: dict[tuple[type, str], int]) -> list[Diagnostic]:
    """An item of the same kind and name as an earlier one."""
    if item is None:
        return []
    key = (type(item), item.name)
    if key not in seen:
        seen[key] = item.position.line
        return []
    kind = "test" if isinstance(item, PolicyTest) else type(item).__name__.lower()
    message = f"duplicate {kind}; the first is on line {seen[key]}"
    return [Diagnostic(Severity.ERROR, f"duplicate-{kind}", message, item.position, "", item.name, kind=kind)]


def _bounded(found: list[Diagnostic]) -> tuple[Diagnostic, ...]:
    if len(found) <= DIAGNOSTICS_MAX + 1:
        return tuple(found)
    return (*found[:DIAGNOSTICS_MAX], _more(len(found) - DIAGNOSTICS_MAX, found[0].position.file))


def _more(count: int, file: str) -> Diagnostic:
    return Diagnostic(Severity.ERROR, "more", f"{count:,} or more further errors are not shown", Position(file))
