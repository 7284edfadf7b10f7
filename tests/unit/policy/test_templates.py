"""Templates: how placeholders are filled, what wins, and where mistakes are shown."""

import pytest

from policy.language import dump, load
from policy.language.reading import LoadResult
from policy.model.types import Action, Class, FileSelector, NetworkSelector, Policy, Subject

TEMPLATE = """\
apiVersion: ringfence.dev/v1
kind: Template
metadata: {name: fence}
spec:
  parameters:
    - {name: paths, type: paths, description: "what is protected"}
    - {name: homes, type: paths, default: [/root, "/home/*"], description: "homes"}
    - {name: users, type: paths, default: [], description: "who may"}
    - {name: ports, type: ports, default: [443, "8000-8080"], description: "ports"}
    - {name: action, type: action, default: deny, description: "what becomes of it"}
  defaults: {network: deny, exec: audit}
  rules:
    - id: users
      subject: {exe: ["${users}"]}
      file: {paths: ["${paths}"], operations: [read]}
      action: allow
    - id: protected
      subject: {not: {exe: ["${users}"]}}
      file: {paths: ["${paths}", "${homes}/.ssh/**", "/price/$${homes}"], operations: [read, write]}
      action: "${action}"
    - id: ports
      network: {operations: [connect], ports: "${ports}"}
      action: allow
---
"""


def using(parameters: str, more: str = "", template: str = "fence") -> str:
    return f"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: shop}}
spec:
  scope: [{{host: true}}]
  template: {template}
  parameters: {parameters}
{more}"""


def expanded(parameters: str, more: str = "") -> Policy:
    result = load(TEMPLATE + using(parameters, more))
    assert result.diagnostics == ()
    return result.policies[0]


def rules(policy: Policy) -> list[str]:
    return [rule.id for rule in policy.rules]


def only(result: LoadResult) -> tuple[str, int, int]:
    """Code, line and column of the one thing that is wrong."""
    (found,) = result.diagnostics
    return found.code, found.position.line, found.position.column


def test_values_stand_where_their_placeholders_did() -> None:
    """Alone a list is spliced, inside a text each value makes one, `$$` is a plain dollar, a scalar is itself."""
    (protected, ports) = expanded("{paths: [/a, /b], action: kill}").rules

    assert isinstance(protected.selector, FileSelector)
    assert protected.selector.paths == ("/a", "/b", "/root/.ssh/**", "/home/*/.ssh/**", "/price/${homes}")
    assert protected.action is Action.KILL
    assert isinstance(ports.selector, NetworkSelector)
    assert ports.selector.ports == ((443, 443), (8000, 8080))


def test_an_empty_list_never_widens() -> None:
    """A rule one of whose lists is left empty is left out; below `not` only the list is."""
    without, with_ = expanded("{paths: [/a]}"), expanded("{paths: [/a], users: [/usr/bin/x]}")

    assert rules(without) == ["protected", "ports"]
    assert without.rules[0].subject is None
    assert rules(with_) == ["users", "protected", "ports"]
    assert with_.rules[1].subject == Subject(not_exe=("/usr/bin/x",))


def test_own_rules_come_first_and_own_defaults_win() -> None:
    """So that an exception of the policy decides before what it is an exception of."""
    more = """\
  defaults: {exec: allow, mount: deny}
  rules:
    - id: mine
      file: {paths: [/a], operations: [read]}
      action: allow
"""
    policy = expanded("{paths: [/a]}", more)

    assert rules(policy) == ["mine", "protected", "ports"]
    found = {class_: policy.default(class_) for class_ in (Class.NETWORK, Class.EXEC, Class.MOUNT)}
    assert found == {Class.NETWORK: Action.DENY, Class.EXEC: Action.ALLOW, Class.MOUNT: Action.DENY}


def test_an_id_that_is_taken_gets_the_templates_name() -> None:
    """Both rules stay, and can be told apart."""
    more = "  rules: [{id: ports, exec: {fileless: true}, action: kill}]\n"

    assert rules(expanded("{paths: [/a]}", more)) == ["ports", "protected", "fence.ports"]


def test_an_expanded_policy_is_an_ordinary_one() -> None:
    """It prints without its template, and what is printed is the same policy."""
    policy = expanded("{paths: [/a], users: [/usr/bin/x]}")

    assert "template" not in dump(policy)
    assert load(dump(policy)).policies == (policy,)


@pytest.mark.parametrize(
    ("parameters", "code", "at"),
    [
        ("{paths: [/a, relative]}", "pattern", "relative"),
        ("{paths: /a}", "type", "/a}"),
        ("{paths: [/a], ports: [443, 70000]}", "port", "70000"),
        ("{paths: [/a], action: explode}", "unknown-action", "explode"),
        ("{paths: [/a], pahts: [/b]}", "unknown-parameter", "pahts"),
        ("{paths: [/a], homes: [/]}", "pattern", "/]"),
        ("[/a]", "type", "[/a]"),
    ],
)
def test_a_wrong_value_is_shown_where_it_is_given(parameters: str, code: str, at: str) -> None:
    """Whoever uses a template is shown their own file, not the template's."""
    text = TEMPLATE + using(parameters)
    found, line, column = only(load(text))

    assert found == code
    assert text.splitlines()[line - 1][column - 1 :].startswith(at)


def test_what_a_template_needs_is_asked_for() -> None:
    """A parameter without a default has to be given; the message says what it is."""
    result = load(TEMPLATE + using("{}"))

    assert only(result)[0] == "missing-parameter"
    assert "what is protected" in result.diagnostics[0].hint


def test_templates_that_are_not_there() -> None:
    """An unknown name is suggested a known one; parameters need a template; a template is used after it is written."""
    misspelt = load(using("{}", template="web-sever"))
    assert only(misspelt)[0] == "unknown-template"
    assert misspelt.diagnostics[0].hint == "did you mean `web-server`?"

    assert only(load(using("{}").replace("  template: fence\n", "")))[0] == "template"
    later = load(using("{paths: [/a]}") + "---\n" + TEMPLATE.removesuffix("---\n"))
    assert only(later)[0] == "unknown-template"


def test_a_library_name_is_taken() -> None:
    """A text cannot change what a name of the library means."""
    assert only(load(TEMPLATE.replace("name: fence", "name: web-server")))[0] == "duplicate-template"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"${ports}"', '"${prots}"', "unknown-parameter"),
        ("operations: [connect]", "operations: [conect]", "unknown-operation"),
        ("id: ports", "id: protected", "duplicate-rule"),
        ("default: deny", "default: deyn", "unknown-default"),
        ('default: [443, "8000-8080"]', "default: [443, 70000]", "port"),
        ('action: "${action}"', 'action: "${homes}"', "unknown-action"),
        ('action: "${action}"', 'action: "x${homes}"', "parameter"),
        ("type: ports", "type: prots", "unknown-type"),
        ("network: deny", "network: deyn", "unknown-action"),
    ],
)
def test_a_wrong_template_is_shown_where_it_is_wrong(old: str, new: str, code: str) -> None:
    """A template is checked before anybody uses it, at its own place."""
    text = TEMPLATE.removesuffix("---\n").replace(old, new, 1)
    (found,) = load(text, "fence.yaml").diagnostics

    assert (found.code, found.policy, found.kind) == (code, "fence", "template")
    assert new.rpartition(": ")[2] in text.splitlines()[found.position.line - 1]


def test_a_parameter_is_there_once() -> None:
    """The second of a name is the mistake."""
    text = TEMPLATE.removesuffix("---\n").replace("name: users", "name: homes")

    code, line, _ = only(load(text))
    assert code == "duplicate-parameter"
    assert 'default: [], description: "who may"' in text.splitlines()[line - 1]


def test_templates_do_not_multiply_without_end() -> None:
    """A small text cannot amount to a large one: what templates add is counted."""
    many = "[" + ", ".join(f"/d{number}" for number in range(1000)) + "]"
    product = TEMPLATE.replace("${homes}/.ssh/**", "${homes}${paths}${homes}")

    assert only(load(product + using(f"{{paths: {many}, homes: {many}}}")))[0] == "too-long"
    nine = "[" + ", ".join(f"/h{number}" for number in range(9)) + "]"
    double = TEMPLATE.replace("${homes}/.ssh/**", "${homes}${paths}")
    uses = [using(f"{{paths: {many}, homes: {nine}}}").replace("shop", f"p{number}") for number in range(30)]
    assert "too-many-values" in [one.code for one in load(double + "---\n".join(uses)).diagnostics]


def test_a_text_does_not_grow_without_end() -> None:
    """A placeholder that is repeated is counted by what it becomes, before it becomes that."""
    long = TEMPLATE.replace("${homes}/.ssh/**", "${paths}" * 500)
    values = ", ".join(f"/{number}" + "a" * 4000 for number in range(100))

    assert only(load(long + using(f"{{paths: [{values}]}}")))[0] == "too-many-values"


def test_values_are_not_filled_again() -> None:
    """A placeholder in a value is text: who gives values cannot reach other parameters."""
    policy = expanded('{paths: ["/${homes}"]}')

    assert isinstance(policy.rules[0].selector, FileSelector)
    assert policy.rules[0].selector.paths[0] == "/${homes}"
