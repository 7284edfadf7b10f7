"""
Templates: lists of rules with typed parameters, which a policy uses by name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from policy import templates as library
from policy.language.document import Node, documents
from policy.language.parameters import Parameter
from policy.language.template_schema import TemplateDocument
from policy.model.types import Position


@dataclass(frozen=True, slots=True)
class Template:
    """
    Attributes:
        stops: The attack it is made against.
        limits: What it does not stop, a sentence each.
        defaults, rules: As they stand in the file, placeholders included; None: none.
    """

    name: str
    description: str
    owner: str
    tags: tuple[str, ...]
    stops: str
    limits: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    defaults: Node | None = None
    rules: Node | None = None
    position: Position = field(default=Position(), compare=False)


def template(document: TemplateDocument, root: Node, file: str) -> Template:
    """The template that a valid document means."""
    spec = child(root, "spec")
    return Template(
        name=document.metadata.name,
        description=document.metadata.description,
        owner=document.metadata.owner,
        tags=tuple(document.metadata.tags),
        stops=document.spec.stops,
        limits=tuple(document.spec.limits),
        parameters=tuple(_parameters(document, spec)),
        defaults=child(spec, "defaults"),
        rules=child(spec, "rules"),
        position=Position(file, root.line, root.column),
    )


def child(node: Node | None, key: str) -> Node | None:
    """The value of a field; None: there is none, or no fields."""
    return node.value.get(key) if node is not None and isinstance(node.value, dict) else None


def _parameters(document: TemplateDocument, spec: Node | None) -> Iterator[Parameter]:
    held = child(spec, "parameters")
    nodes = held.value if held is not None and isinstance(held.value, list) else []
    for entry, node in zip(document.spec.parameters, nodes, strict=True):
        yield Parameter(entry.name, entry.type, entry.description, child(node, "default"))


class Templates(Mapping[str, Template]):
    """
    The templates that a policy may use: those of the library, each read when it is first used, and the text's own.
    """

    def __init__(self) -> None:
        self._own: dict[str, Template] = {}

    def add(self, one: Template) -> None:
        """Add one of the text; the first of a name stays."""
        self._own.setdefault(one.name, one)

    def __getitem__(self, name: str) -> Template:
        return self._own[name] if name in self._own else from_library(name)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*library.names(), *self._own}))

    def __len__(self) -> int:
        return len({*library.names(), *self._own})


@cache
def from_library(name: str) -> Template:
    """
    A template of the library.

    Raises:
        KeyError: There is none of this name.
    """
    (root,) = documents(library.text(name), library.file(name))
    return template(TemplateDocument.model_validate(root.plain()), root, library.file(name))
