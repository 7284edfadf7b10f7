"""From a pasted text to a policy that is live, and away again."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect
from ringfence.v1 import policy_pb2

from tests.console.fake_node import Attempt, FakeNode
from tests.console.page import ConsolePage

POLICY = """\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: web}
spec:
  scope:
    - cgroup: "/system.slice/web.service"
  mode: enforcing
  rules:
    - id: secrets
      file: {paths: ["/etc/shadow"], operations: [read, write]}
      action: deny
    - id: keys
      file: {paths: ["/etc/ssl/private/**"], operations: [read]}
      action: deny
"""


def test_paste_push_and_see_an_attempt_refused(console: ConsolePage, node: FakeNode, tmp_path: Path) -> None:
    """What is pasted and pushed is live, and an attempt against it can be seen within half a second."""
    console.paste(POLICY)
    assert console.validate().valid
    outcome = console.push(node.name)
    assert (outcome.result, outcome.generation, outcome.rules_enforced) == ("done", 1, 2)
    assert outcome.enforced_after_ms == 12

    console.open_violations()
    node.attempt(Attempt(node.file("secret").encode()))
    console.wait_for_violation(node.file("secret"))

    assert 0 <= console.latency_ms(node.file("secret")) < 500
    console.screenshot(tmp_path / "blocked.png")


def test_violations_appear_beside_the_push(console: ConsolePage, node: FakeNode) -> None:
    """The desk shows what the policy just pushed refuses, without leaving it."""
    console.paste(POLICY)
    console.validate()
    console.push(node.name)
    node.attempt(Attempt(node.file("secret").encode()), Attempt(node.file("other").encode(), policy="another"))

    shown = console.wait_for_violation(node.file("secret"))
    expect(shown.get_by_role("cell").last).to_have_text(re.compile(r"\d+ ms"))
    expect(console.row(node.file("other"))).to_have_count(0)


def test_a_mistake_is_shown_where_it_is(console: ConsolePage, node: FakeNode) -> None:
    """Diagnostics carry line and column; going there puts the cursor there; the text cannot be pushed."""
    console.paste(POLICY.replace("operations: [read]}", "operations: [raed]}"))
    verdict = console.validate()

    assert not verdict.valid
    line, column = verdict.positions[0]
    assert POLICY.splitlines()[line - 1][column - 1 :].startswith("rea")
    console.page.get_by_role("button", name=f"go to line {line}, column {column}").click()
    box = console.page.get_by_role("textbox", name="Policy text")
    expect(box).to_be_focused()
    before = box.evaluate("box => box.value.slice(0, box.selectionStart)")
    assert (before.count("\n") + 1, len(before.split("\n")[-1]) + 1) == (line, column)
    _expect_disabled(console.page, "Push", "mend the errors first")


def test_disabled_buttons_say_why(console: ConsolePage) -> None:
    """A button that cannot be pressed says what is missing, to the eye and to a screen reader."""
    console.paste("")
    _expect_disabled(console.page, "Validate", "paste a policy first")
    _expect_disabled(console.page, "Push", "paste a policy first")
    console.paste(POLICY)
    _expect_disabled(console.page, "Push", "no node is connected")


def test_a_changed_text_is_validated_anew(console: ConsolePage, node: FakeNode) -> None:
    """A verdict is about the very text it was given for."""
    console.paste(POLICY)
    console.validate()
    expect(console.page.get_by_role("button", name="Push")).not_to_have_attribute("aria-disabled", "true")

    console.paste(POLICY + "# changed\n")
    _expect_disabled(console.page, "Push", "validate this text first")


def test_a_node_that_refuses_says_what_it_found(console: ConsolePage, node: FakeNode) -> None:
    """What a node cannot enforce is told with what it has and what it needs."""
    node.refuse_with = policy_pb2.Diagnostic(
        severity=policy_pb2.Diagnostic.SEVERITY_ERROR,
        code="lsm-inactive",
        message="cannot enforce policy `web`: BPF LSM is not active",
        found="lockdown,capability",
        required="bpf",
        hint="add `bpf` to the kernel's `lsm=` list",
    )
    console.paste(POLICY)
    console.validate()
    outcome = console.push(node.name)

    assert outcome.result == "refused"
    for said in ("nothing changed", "BPF LSM is not active", "lockdown,capability", "add `bpf`"):
        assert said in outcome.text


def test_deleting_asks_first(console: ConsolePage, node: FakeNode) -> None:
    """Cancel leaves a policy where it is; confirming takes it away and says when that was so."""
    console.paste(POLICY)
    console.validate()
    console.push(node.name)
    console.open_policy(node.name, "web")
    console.page.get_by_role("button", name="Delete").click()
    console.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(console.page.get_by_role("dialog")).to_have_count(0)
    assert list(node.policies) == ["web"]

    outcome = console.delete_policy(node.name, "web")
    assert (outcome.result, outcome.generation) == ("done", 2)
    assert not node.policies
    expect(console.page.get_by_text("This node has no policy of this name any more")).to_be_visible()


def test_a_draft_outlives_the_page(console: ConsolePage) -> None:
    """Going elsewhere, or reloading, does not lose what was written."""
    console.paste("# a draft")
    console.open_violations()
    console.page.goto(f"{console.base_url}/policies/new")
    expect(console.page.get_by_role("textbox", name="Policy text")).to_have_value("# a draft")


def test_a_policy_can_be_edited_and_pushed_again(console: ConsolePage, node: FakeNode) -> None:
    """The desk begins with the text that is live."""
    console.paste(POLICY)
    console.validate()
    console.push(node.name)
    console.open_policy(node.name, "web")
    console.page.get_by_role("link", name="Edit and push").click()
    expect(console.page.get_by_role("textbox", name="Policy text")).to_have_value(POLICY)


def _expect_disabled(page: Page, name: str, why: str) -> None:
    button = page.get_by_role("button", name=name)
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_accessible_description(why)
