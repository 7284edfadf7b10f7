"""Why a push or a deletion is refused: the exception that ends a transaction, and the problems an engine finds."""

from collections.abc import Iterable, Mapping, Sequence

from agent.daemon.live import LivePolicy
from agent.daemon.ports import Contents, NodeError, Parsed, Problem
from agent.workloads.scopes import Assignment


class Refused(Exception):
    """Ends a transaction before anything changed."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


def refuse_errors(problems: Sequence[Problem]) -> None:
    if any(problem.is_error for problem in problems):
        raise Refused(*problems)


def same(live: LivePolicy | None, pushed: Parsed) -> bool:
    return live is not None and live.pushed.digest == pushed.digest and live.policy == pushed.policy


def duplicates(contents: Contents) -> list[Problem]:
    """Errors for names that come twice in one push."""
    policies = [("policy", one.policy.name, one.policy.position, one.file) for one in contents.policies]
    waivers = [("waiver", one.waiver.name, one.waiver.position, one.file) for one in contents.waivers]
    first: dict[tuple[str, str], str] = {}
    problems = []
    for kind, name, position, file in policies + waivers:
        if (kind, name) in first:
            message = f"{kind} `{name}`: pushed twice at once, also from `{first[kind, name]}`"
            problems.append(Problem(message, f"duplicate-{kind}", position=position))
        first.setdefault((kind, name), file)
    return problems


def unmatched(names: Iterable[str], own: Mapping[str, frozenset[str]]) -> list[Problem]:
    hint = "it applies as soon as one appears"
    return [
        Problem(f"policy `{name}`: no cgroup is in its scope now", "empty-scope", "warning", hint=hint, policy=name)
        for name in names
        if not own[name]
    ]


def too_deep(assignment: Assignment, depth: int) -> list[Problem]:
    required = f"at most {depth - 1} levels below the root"
    return [
        Problem(f"cgroup `{path}` lies too deep for a scope to begin", "scope-too-deep", required=required)
        for path in assignment.too_deep
    ]


def not_live(name: str) -> Problem:
    return Problem(f"there is no policy `{name}`", "not-found", hint="`agentctl policy list` names them", policy=name)


def failed(error: Exception) -> Problem:
    if isinstance(error, NodeError):
        return Problem(str(error), "node-failed", found=error.found, required=error.required, hint=error.hint)
    return Problem(str(error), "node-failed")


def pending(generation: int) -> Problem:
    """A push waits for its confirmation: another change would take away what it falls back to."""
    hint = "run `agentctl policy confirm`, or let it revert"
    return Problem(f"generation {generation} waits for its confirmation", "confirmation-pending", hint=hint)


def undurable(why: str) -> Problem:
    """It is live, but a reboot would not bring it back."""
    message = "this is live, but it could not be written down: after a reboot the state before comes back"
    return Problem(f"{message}: {why}", "not-durable", "warning", hint="make room on the disk and push again")
