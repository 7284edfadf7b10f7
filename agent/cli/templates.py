"""`agentctl policy render` and `agentctl policy templates`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agent.cli.exits import CliError, Exit
from agent.cli.output import Format, Table, emit
from agent.cli.problems import Problem
from agent.cli.texts import texts

if TYPE_CHECKING:
    from policy.answers.catalogue import Entry


def render(files: Sequence[str]) -> None:
    """`policy render`: canonical YAML, whatever a terminal makes of it: nothing in it is unprintable."""
    from policy.language import dump

    found = texts(files)
    print("---\n".join([*map(dump, found.policies), *map(dump, found.waivers)]), end="")


def templates(name: str, form: Format) -> None:
    """
    `policy templates`.

    Raises:
        CliError: There is no such template (exit 4).
    """
    from policy.answers import catalogue

    if not name:
        found = [catalogue.entry(one) for one in catalogue.names()]
        rows = [(one.template.name, one.template.description) for one in found]
        data = [{"name": template, "description": description} for template, description in rows]
        emit(form, {"templates": data}, Table(("TEMPLATE", "A POLICY THAT USES IT SAYS"), rows))
        return
    if name not in catalogue.names():
        from difflib import get_close_matches

        near = get_close_matches(name, catalogue.names(), 1)
        hint = f"did you mean `{near[0]}`?" if near else "`agentctl policy templates` lists them"
        raise CliError(Exit.NO, Problem(f"the library has no template `{name}`", code="not-found", hint=hint))
    one = catalogue.entry(name)
    emit(form, _data(one), *_tables(one))


def _tables(one: "Entry") -> list[Table]:
    template = one.template
    said = [("template", template.name), ("", template.description), ("stops", template.stops)]
    limits = [("limits" * (not at), limit) for at, limit in enumerate(template.limits)]
    parameters = [
        (parameter.name, parameter.type, _default(parameter.default), parameter.description)
        for parameter in template.parameters
    ]
    rules = [
        (rule.id, str(rule.class_), str(rule.action), rule.severity if rule.tags else "", " ".join(rule.tags))
        for rule in one.sample.rules
    ]
    return [
        Table(("", ""), [*said, *limits]),
        Table(("PARAMETER", "TYPE", "DEFAULT", ""), parameters),
        Table(("RULE", "CLASS", "ACTION", "SEVERITY", "ATT&CK"), rules),
    ]


def _default(node: Any) -> str:
    """A default in a cell: how many values there are, if there is more than one."""
    if node is None:
        return "required"
    value = node.plain()
    if not isinstance(value, list):
        return str(value)
    return f"{len(value)} values" if len(value) > 1 else str(value[0]) if value else "none"


def _data(one: "Entry") -> dict[str, Any]:
    template = one.template
    return {
        "name": template.name,
        "description": template.description,
        "tags": list(template.tags),
        "stops": template.stops,
        "limits": list(template.limits),
        "cases": one.cases,
        "parameters": [
            {
                "name": parameter.name,
                "type": parameter.type,
                "required": parameter.default is None,
                "default": parameter.default.plain() if parameter.default else None,
                "description": parameter.description,
            }
            for parameter in template.parameters
        ],
        "rules": [
            {
                "id": rule.id,
                "class": str(rule.class_),
                "action": str(rule.action),
                "severity": rule.severity,
                "message": rule.message,
                "tags": list(rule.tags),
                "controls": [f"{control.framework} {control.version} {control.id}" for control in rule.controls],
            }
            for rule in one.sample.rules
        ],
    }
