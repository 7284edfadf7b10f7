"""A waiver allows what one rule would decide, for some and for a while, and nothing else."""

from dataclasses import replace

import pytest

from policy.model.types import Action, ExecSelector, NetworkSelector, Subject, Waiver
from policy.model.waivers import WaiverError, name_of, waive
from tests.unit.policy.make import file, policy, rule

WEB = policy(
    rule(file("/srv/**"), "allow"),
    rule(file("/etc/**", operations=("read", "write")), "deny", id="etc"),
    rule(ExecSelector(("/usr/bin/*sh",)), "kill", id="shells"),
)
BACKUP = Waiver("backup", "web", "etc", "the nightly backup reads it", "ops", until=1_800_000_000)


def test_a_waiver_stands_directly_before_its_rule_and_inside_it() -> None:
    """The waived rule stays; before it stands what it would have decided, allowed until the waiver ends."""
    subject, selector = Subject(exe=("/usr/bin/tar",)), file("/etc/ssl/**", operations=("read",))

    (web,) = waive([WEB], [replace(BACKUP, subject=subject, selector=selector)])

    allow, made, *rest = web.rules
    assert (allow, *rest) == WEB.rules
    assert (made.id, made.action, made.within, made.until) == (
        "waiver:backup",
        Action.ALLOW,
        WEB.rules[1],
        BACKUP.until,
    )
    assert (made.subject, made.selector) == (subject, selector)
    assert replace(web, rules=()) == replace(WEB, rules=())
    assert name_of(made.id) == "backup"
    assert name_of("etc") is None


def test_without_a_selector_it_is_about_what_the_rule_is_about() -> None:
    """A waiver that says nothing of objects or subjects waives the whole rule."""
    (web,) = waive([WEB], [BACKUP])

    assert (web.rules[1].selector, web.rules[1].subject) == (WEB.rules[1].selector, None)


def test_waivers_of_one_rule_stand_in_the_order_of_their_names() -> None:
    """However they are given, equal waivers give equal policies; each is inside the rule, not inside each other."""
    several = [replace(BACKUP, name=name) for name in ("b", "c", "a")]

    (web,) = waive([WEB], several)

    assert [one.id for one in web.rules] == ["allow", "waiver:a", "waiver:b", "waiver:c", "etc", "shells"]
    assert {one.within for one in web.rules[1:4]} == {WEB.rules[1]}
    assert waive([WEB], reversed(several)) == (web,)


def test_a_waiver_of_a_default_stands_last() -> None:
    """What reaches the default passes it first; there is no rule for it to be inside of."""
    selector = NetworkSelector(to=("10.0.0.0/8",))

    (web,) = waive([WEB], [replace(BACKUP, rule="default:network", selector=selector), replace(BACKUP, name="a")])

    assert (web.rules[-1].id, web.rules[-1].selector, web.rules[-1].within) == ("waiver:backup", selector, None)


def test_other_policies_stay_as_they_are() -> None:
    """A waiver is of one policy; the others come back themselves, in their order."""
    other = policy(*WEB.rules, name="other")

    assert waive([other, WEB], [BACKUP])[0] is other


@pytest.mark.parametrize(
    ("wrong", "code", "hint"),
    [
        (replace(BACKUP, policy="wed"), "unknown-policy", "did you mean `web`?"),
        (replace(BACKUP, rule="ect"), "unknown-rule", "did you mean `etc`?"),
        (replace(BACKUP, rule="waiver:backup"), "unknown-rule", ""),
        (replace(BACKUP, rule="default:flie"), "unknown-rule", "did you mean `default:file`?"),
        (replace(BACKUP, rule="shells", selector=file("/bin/sh")), "wrong-class", "`file`"),
        (replace(BACKUP, rule="default:exec", selector=file("/bin/sh")), "wrong-class", "`exec`"),
        (replace(BACKUP, rule="default:file"), "missing-selector", "`file: …`"),
    ],
)
def test_what_does_not_fit_is_refused(wrong: Waiver, code: str, hint: str) -> None:
    """A waiver of what is not there, or of another class, is named with what to do; nothing is left out silently."""
    with pytest.raises(WaiverError) as refused:
        waive([WEB], [wrong])

    (problem,) = refused.value.problems
    assert (problem.code, problem.waiver) == (code, wrong)
    assert hint in problem.hint


def test_two_waivers_of_one_name_are_refused() -> None:
    """A name is one waiver's, whatever it waives: its rule in reports says which."""
    with pytest.raises(WaiverError) as refused:
        waive([WEB], [BACKUP, replace(BACKUP, rule="shells"), replace(BACKUP, name="c")])

    assert [(one.code, one.waiver.rule) for one in refused.value.problems] == [("duplicate-waiver", "shells")]
