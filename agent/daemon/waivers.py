"""
Waivers on this node: which of them go into a generation, and what refuses a push because of them.

That a waiver ends is the kernel's business; here expired ones are left out of what is compiled next.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from agent.daemon import checks, enforceable
from agent.daemon.live import LivePolicy, LiveWaiver
from agent.daemon.ports import ParsedWaiver, Problem, Reaches
from agent.daemon.store import Pushed
from policy.model.types import Policy, Waiver
from policy.model.waivers import PREFIX, WaiverProblem, problems, waive


def expired(waiver: Waiver, now_ns: int) -> bool:
    return waiver.until * 10**9 <= now_ns


def unexpired(waivers: Mapping[str, LiveWaiver], now_ns: int) -> dict[str, LiveWaiver]:
    return {name: live for name, live in waivers.items() if not expired(live.waiver, now_ns)}


def merged(live: Mapping[str, LiveWaiver], pushed: Iterable[ParsedWaiver], now_ns: int) -> dict[str, LiveWaiver]:
    """Live waivers with those that are pushed in place of their namesakes; no expired ones, and what is equal stays."""
    found = dict(live)
    for one in pushed:
        name = one.waiver.name
        if not _same(found.get(name), one):
            found[name] = LiveWaiver(one.waiver, Pushed(name, one.digest, one.file, one.yaml, now_ns))
    return unexpired(found, now_ns)


def _same(live: LiveWaiver | None, pushed: ParsedWaiver) -> bool:
    return live is not None and live.pushed.digest == pushed.digest and live.waiver == pushed.waiver


def applied(policies: Mapping[str, LivePolicy], waivers: Mapping[str, LiveWaiver]) -> dict[str, Policy]:
    """The policies as they are compiled and counted. Raises WaiverError: `misfits` has not been asked."""
    plain = [live.policy for live in policies.values()]
    return {policy.name: policy for policy in waive(plain, [live.waiver for live in waivers.values()])}


def again(
    policies: Mapping[str, LivePolicy], parsed: Iterable[ParsedWaiver], pushed: Iterable[Pushed]
) -> tuple[dict[str, LiveWaiver], list[str]]:
    """Waivers read from files of an earlier agent, and a note for each that fits no policy as this version reads it."""
    by_name = {one.waiver.name: one.waiver for one in parsed}
    found = {one.name: LiveWaiver(by_name[one.name], one) for one in pushed if one.name in by_name}
    plain = [live.policy for live in policies.values()]
    strange = problems(plain, [live.waiver for live in found.values()])
    notes = [f"waiver `{one.waiver.name}` is left out: {one.message}" for one in strange]
    names = {one.waiver.name for one in strange}
    return {name: live for name, live in found.items() if name not in names}, notes


def without(
    waivers: Mapping[str, LiveWaiver], policies: Collection[str], names: Collection[str], now_ns: int
) -> tuple[dict[str, LiveWaiver], list[Waiver]]:
    """
    What is left when some policies and waivers are deleted; expired ones are not left either.

    Returns:
        Those left, and those that go because their policy does, though nobody named them.
    """
    lasting = unexpired(waivers, now_ns)
    kept = {name: one for name, one in lasting.items() if name not in names and one.waiver.policy not in policies}
    return kept, [one.waiver for name, one in lasting.items() if name not in kept and name not in names]


def too_late(pushed: Iterable[ParsedWaiver], now_ns: int) -> Iterator[Problem]:
    """Warnings for waivers that had ended before they came: files that stay where they are must go on being pushed."""
    for one in pushed:
        if expired(one.waiver, now_ns):
            message = f"waiver `{one.waiver.name}` has expired and allows nothing"
            hint = "take it away, or write a later `expires`"
            yield _problem(one.waiver, message, "expired-waiver", hint, "warning")


def refused(
    pushed: Sequence[ParsedWaiver],
    policies: Mapping[str, LivePolicy],
    waivers: Mapping[str, LiveWaiver],
    reaches: Reaches,
) -> list[Problem]:
    """Errors for waivers that do not fit the policies they would be live with, or that this node cannot do."""
    found = misfits(policies, waivers, {one.waiver.name for one in pushed})
    return found or checked(applied(policies, waivers).values(), pushed, reaches)


def misfits(
    policies: Mapping[str, LivePolicy], waivers: Mapping[str, LiveWaiver], pushed: Collection[str]
) -> list[Problem]:
    """
    Errors for waivers that do not fit the policies they would be live with.

    Args:
        pushed: Names of waivers that come with this push; the others were live and lose what they waive.
    """
    plain = [live.policy for live in policies.values()]
    found = problems(plain, [live.waiver for live in waivers.values()])
    return [_misfit(one) if one.waiver.name in pushed else _left(one) for one in found]


def _misfit(found: WaiverProblem) -> Problem:
    return _problem(found.waiver, f"waiver `{found.waiver.name}`: {found.message}", found.code, found.hint)


def _left(found: WaiverProblem) -> Problem:
    name = found.waiver.name
    message = f"waiver `{name}` is live and would waive nothing any more: {found.message}"
    hint = f"`agentctl waiver delete {name}` first, or push it changed together with the policy"
    return _problem(found.waiver, message, "waiver-left", hint)


def dropped(waivers: Iterable[Waiver]) -> list[Problem]:
    """Warnings for waivers that go with their policies."""
    return [
        _problem(one, f"waiver `{one.name}` is deleted with policy `{one.policy}`", "waiver-dropped", "", "warning")
        for one in waivers
    ]


def unknown(name: str) -> Problem:
    return Problem(f"there is no waiver `{name}`", "not-found", hint="`agentctl waiver list` names them")


def _problem(waiver: Waiver, message: str, code: str, hint: str, severity: str = "error") -> Problem:
    return Problem(message, code, severity, waiver.position, hint, waiver.policy, waiver.rule)


def checked(policies: Iterable[Policy], pushed: Sequence[ParsedWaiver], reaches: Reaches) -> list[Problem]:
    """What this node has to say about the rules that pushed waivers have become in `policies`."""
    made = {PREFIX + one.waiver.name for one in pushed}
    waived = {one.waiver.policy for one in pushed}
    found: list[Problem] = []
    for policy in policies:
        if policy.name in waived:
            found += [one for one in enforceable.parts(policy, reaches) if one.rule in made]
            found += [one for one in checks.symlinks(policy) if one.rule in made]
    return found
