"""
Parameters of templates: their types, and the values that policies give them.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from policy.language.document import Node
from policy.language.fields import Account, ActionName, Capability, Cidr, Glob, Ports
from policy.language.refusals import Patience
from policy.language.vocabulary import SEVERITIES

#: Most values that one parameter may have.
VALUES_MAX = 1000
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
    "path": Kind("a path pattern", False, "/sample", _strict(Glob)),
    "paths": Kind("a list of path patterns", True, "/sample", _strict(Annotated[list[Glob], _Many])),
    "cidrs": Kind("a list of addresses or CIDRs", True, "192.0.2.0/24", _strict(Annotated[list[Cidr], _Many])),
    "ports": Kind("a list of ports or ranges", True, 1, _strict(Annotated[list[Ports], _Many])),
    "users": Kind("a list of names or numbers of users", True, 1, _strict(Annotated[list[Account], _Many])),
    "capabilities": Kind("a list of capabilities", True, "chown", _strict(Annotated[list[Capability], _Many])),
    "action": Kind("`allow`, `audit`, `deny` or `kill`", False, "audit", _strict(ActionName)),
    "severity": Kind("a severity", False, "high", _strict(Literal[SEVERITIES])),
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
            self.kind.adapter.validate_python(value.plain(), context=Patience(100))
        except ValidationError as problem:
            return list(problem.errors(include_url=False, include_context=True))
        return []
