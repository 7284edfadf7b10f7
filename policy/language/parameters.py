"""
Parameters of templates: their types, and the values that policies give them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from policy.language import findings, schema
from policy.language.diagnostic import Diagnostic, Severity, quote
from policy.language.document import Node
from policy.language.vocabulary import SEVERITIES
from policy.model.names import CAPABILITIES
from policy.model.types import Action, Position

#: Most values that one parameter may have.
VALUES_MAX = 1000


def _word(what: str, known: Sequence[str]) -> AfterValidator:
    def check(word: str) -> str:
        if word not in known:
            raise schema.refusal(f"unknown-{what}", f"unknown {what} {quote(word)}", findings.suggestion(word, known))
        return word

    return AfterValidator(check)


_Capability = Annotated[str, _word("capability", sorted(CAPABILITIES))]
_Many = Field(max_length=VALUES_MAX)


@dataclass(frozen=True, slots=True)
class Kind:
    """
    What a type of parameter takes.

    Attributes:
        meaning: In the words of the reference.
        many: It is a list; one of its values may stand in a text, which then stands for a text for each of them.
        sample: A value, with which a template is checked before anybody uses it.
    """

    meaning: str
    many: bool
    sample: "str | int"
    adapter: TypeAdapter[Any]


def _strict(of: Any) -> TypeAdapter[Any]:
    return TypeAdapter(of, config={"strict": True})


KINDS: dict[str, Kind] = {
    "path": Kind("a path pattern", False, "/sample", _strict(schema.Glob)),
    "paths": Kind("a list of path patterns", True, "/sample", _strict(Annotated[list[schema.Glob], _Many])),
    "cidrs": Kind("a list of addresses or CIDRs", True, "192.0.2.0/24", _strict(Annotated[list[schema.Cidr], _Many])),
    "ports": Kind("a list of ports or ranges", True, 1, _strict(Annotated[list[schema.Ports], _Many])),
    "users": Kind("a list of user names or numbers", True, 1, _strict(Annotated[list[schema.Account], _Many])),
    "capabilities": Kind("a list of capabilities", True, "chown", _strict(Annotated[list[_Capability], _Many])),
    "action": Kind(
        "`allow`, `audit`, `deny` or `kill`", False, "deny", _strict(Annotated[str, _word("action", list(Action))])
    ),
    "severity": Kind(
        "one of " + ", ".join(f"`{name}`" for name in SEVERITIES),
        False,
        "high",
        _strict(Annotated[str, _word("severity", SEVERITIES)]),
    ),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """
    Attributes:
        type: One of `KINDS`.
        default: None: a policy has to give a value.
    """

    name: str
    type: str
    description: str
    default: Node | None = None

    @property
    def kind(self) -> Kind:
        return KINDS[self.type]

    def sample(self) -> Node:
        """The default, unless it is empty or there is none: what a check of the template fills in."""
        if self.default is not None and self.default.value != []:
            return self.default
        value = Node(self.kind.sample, 0, 0)
        return Node([value], 0, 0) if self.kind.many else value

    def check(self, value: Node) -> list[Any]:
        """pydantic's details of what is wrong with a value; their places begin at it."""
        try:
            self.kind.adapter.validate_python(value.plain(), context=schema.Patience(100))
        except ValidationError as problem:
            return list(problem.errors(include_url=False, include_context=True))
        return []


def check_values(root: Node, given: Node, parameters: Sequence[Parameter], file: str) -> Iterator[Diagnostic]:
    """
    What is wrong with the values that a policy gives, each where it stands.

    Args:
        root: The policy's document.
        given: Its `spec.parameters`.
    """
    known = {parameter.name: parameter for parameter in parameters}
    entries = given.value if isinstance(given.value, dict) else {}
    for name, value in entries.items():
        place = ("spec", "parameters", name)
        if name not in known:
            position = Position(file, *findings.position_of(root, place, "extra_forbidden"))
            hint = findings.suggestion(name, list(known)) or "the template has no parameters"
            message = f"unknown parameter {quote(name)}"
            policy, _ = findings.names_of(root, place)
            yield Diagnostic(Severity.ERROR, "unknown-parameter", message, position, hint, policy)
            continue
        details = [{**detail, "loc": (*place, *detail["loc"])} for detail in known[name].check(value)]
        yield from findings.diagnostics(root, details, file)
