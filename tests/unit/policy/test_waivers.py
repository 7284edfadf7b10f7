"""A waiver allows what one rule would decide, for some and for a while, and nothing else."""

from dataclasses import replace

import pytest

from policy.model.types import (
    Action,
    Actor,
    Class,
    Effect,
    ExecSelector,
    NetworkSelector,
    Policy,
    Request,
    Subject,
    Waiver,
)
from policy.model.waivers import WaiverError, name_of, waive
from tests.unit.policy.make import ROOT, decide, file, policy, read, rule

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


def decided(policies: list[Policy], waivers: list[Waiver], request: Request, time: int) -> tuple[str, str]:
    """Effect and rule by tables and reference, which must agree."""
    found = decide(list(waive(policies, waivers)), replace(request, time=time))
    return str(found.effect), found.rule[1]


TAR = Actor(b"/usr/bin/tar", 0, 0)
BY_TAR = replace(BACKUP, subject=Subject(exe=("/usr/bin/tar",)), selector=file("/**/ssl/**", operations=("read",)))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (0, ("allow", "waiver:backup")),
        (BACKUP.until - 1, ("allow", "waiver:backup")),
        (BACKUP.until, ("deny", "etc")),
        (BACKUP.until + 1, ("deny", "etc")),
    ],
)
def test_it_allows_until_its_end_and_not_at_it(time: int, expected: tuple[str, str]) -> None:
    """The second in which a waiver ends is the first that it does not allow."""
    assert decided([WEB], [BACKUP], read(b"/etc/shadow"), time) == expected


@pytest.mark.parametrize(
    ("request_", "rule_"),
    [
        (read(b"/etc/ssl/key", TAR), "waiver:backup"),
        (read(b"/etc/ssl/key", ROOT), "etc"),
        (read(b"/etc/shadow", TAR), "etc"),
        (read(b"/home/ssl/key", TAR), "default:file"),
        (read(b"/srv/ssl/key", TAR), "allow"),
        (read(b"/etc/ssl/key", TAR, ("read", "write")), "etc"),
    ],
)
def test_it_allows_no_more_than_rule_and_waiver_have_in_common(request_: Request, rule_: str) -> None:
    """Its subject and selector narrow the rule; where the rule does not match, neither does the waiver."""
    assert decided([WEB], [BY_TAR], request_, 0)[1] == rule_


def test_it_is_an_exception_to_one_policy() -> None:
    """What another policy refuses stays refused: the strictest of the profile wins."""
    other = policy(rule(file("/etc/shadow"), "deny", id="other"), name="z")

    assert decided([WEB, other], [BACKUP], read(b"/etc/shadow"), 0) == ("deny", "other")
    assert decided([WEB, other], [BACKUP], read(b"/etc/passwd"), 0) == ("allow", "waiver:backup")


def test_a_rule_before_the_waived_one_still_decides() -> None:
    """A waiver comes where its rule stands: what an earlier rule refuses never reaches it."""
    web = policy(rule(file("/etc/shadow"), "kill", id="first"), *WEB.rules)

    assert decided([web], [BACKUP], read(b"/etc/shadow"), 0) == ("kill", "first")


def test_of_two_waivers_the_longer_one_is_left() -> None:
    """When one of two ends, the other goes on."""
    longer = replace(BACKUP, name="z", until=BACKUP.until + 10)

    assert decided([WEB], [BACKUP, longer], read(b"/etc/a"), 0) == ("allow", "waiver:backup")
    assert decided([WEB], [BACKUP, longer], read(b"/etc/a"), BACKUP.until) == ("allow", "waiver:z")
    assert decided([WEB], [BACKUP, longer], read(b"/etc/a"), longer.until) == ("deny", "etc")


def test_a_waived_default_is_allowed_until_its_end() -> None:
    """The rest of the class stays with the default."""
    web = policy(defaults=((Class.FILE, Action.DENY),))
    waiver = replace(BACKUP, rule="default:file", selector=file("/etc/motd", operations=("read",)))

    assert decided([web], [waiver], read(b"/etc/motd"), 0) == ("allow", "waiver:backup")
    assert decided([web], [waiver], read(b"/etc/shadow"), 0) == ("deny", "default:file")
    assert decided([web], [waiver], read(b"/etc/motd"), waiver.until) == ("deny", "default:file")


def test_what_cannot_be_told_is_not_waived() -> None:
    """An executable that nobody knows might be the waived one: undecided, and so refused, not allowed."""
    found = decide(list(waive([WEB], [BY_TAR])), read(b"/etc/ssl/key", Actor(None, 0, 0)))

    assert (found.effect, found.error) == (Effect.DENY, True)
