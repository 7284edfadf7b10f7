"""`agentctl policy …`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli.durations import seconds
from agent.cli.exits import CliError, Exit
from agent.cli.output import Format, Table, as_data, emit
from agent.cli.problems import REFUSALS, Problem, from_language, from_wire, show
from agent.cli.problems import as_data as problem_data
from agent.cli.terminal import note

if TYPE_CHECKING:
    from ringfence.v1 import agent_pb2, policy_pb2

    from policy.language import LoadResult
    from policy.model.waivers import WaiverProblem

LARGEST_FILE = 16 << 20  # bytes; larger ones are refused before anybody parses them


@dataclass(frozen=True, slots=True)
class PushOptions:
    confirm: str = ""
    force: bool = False
    dry_run: bool = False


def read(file: str) -> bytes:
    """
    Content of a policy file; `-` is standard input.

    Raises:
        CliError: It cannot be read (exit 1), or is larger than any policy may be (exit 3).
    """
    try:
        if file == "-":
            content = sys.stdin.buffer.read(LARGEST_FILE + 1)
        else:
            with Path(file).open("rb") as opened:
                content = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise CliError(Exit.FAILED, Problem(f"cannot read `{file}`: {error.strerror}")) from error
    if len(content) > LARGEST_FILE:
        raise CliError(Exit.INVALID, Problem(f"`{file}` is larger than {LARGEST_FILE >> 20} MiB", file=file))
    return content


def name_of(file: str) -> str:
    """How diagnostics name a file."""
    return "<stdin>" if file == "-" else file


def load(file: str) -> "LoadResult":
    """Parse a policy file here, without the agent."""
    from policy import language

    return language.load(read(file), name_of(file))


def validate(files: Sequence[str], form: Format) -> None:
    """`policy validate`."""
    results = [(file, load(file)) for file in files]
    problems = [from_language(diagnostic) for _, result in results for diagnostic in result.diagnostics]
    loaded = [result for _, result in results]
    problems += misfits(loaded, alone=not any(result.policies for result in loaded))
    valid = not any(problem.is_error for problem in problems)
    names = [(name_of(file), policy) for file, result in results for policy in result.policies]
    waivers = [(name_of(file), waiver) for file, result in results for waiver in result.waivers]
    rows = [(policy.name, str(policy.mode), str(len(policy.rules)), file) for file, policy in names]
    waived = [(waiver.name, waiver.policy, waiver.rule, file) for file, waiver in waivers]
    data = {
        "valid": valid,
        "policies": [{"name": policy.name, "file": file, "rules": len(policy.rules)} for file, policy in names],
        "waivers": [
            {"name": waiver.name, "policy": waiver.policy, "rule": waiver.rule, "file": file}
            for file, waiver in waivers
        ],
        "diagnostics": [problem_data(problem) for problem in problems],
    }
    show(problems)
    if valid or form is not Format.TABLE:
        tables = [Table(("POLICY", "MODE", "RULES", "FILE"), rows)] if rows else []
        tables += [Table(("WAIVER", "POLICY", "RULE", "FILE"), waived)] if waived else []
        emit(form, data, *tables)
    if not valid:
        raise CliError(Exit.INVALID)


def misfits(results: "Sequence[LoadResult]", *, alone: bool = True) -> list[Problem]:
    """
    Waivers that do not fit the policies that came with them.

    Args:
        alone: Whether a waiver may come without its policy, which is then on a node.
    """
    from policy.model.waivers import problems

    policies = [policy for result in results for policy in result.policies]
    found = problems(policies, [waiver for result in results for waiver in result.waivers])
    return [_misfit(one) for one in found if not (alone and one.code == "unknown-policy")]


def _misfit(found: "WaiverProblem") -> Problem:
    position = found.waiver.position
    return Problem(
        message=f"waiver `{found.waiver.name}`: {found.message}",
        code=found.code,
        file=position.file,
        line=position.line,
        column=position.column,
        hint=found.hint,
        policy=found.waiver.policy,
        rule=found.waiver.rule,
    )


def push(files: Sequence[str], options: PushOptions, form: Format, socket: str) -> None:
    """`policy push`."""
    from ringfence.v1 import agent_pb2, policy_pb2

    from agent.cli.client import agent

    confirm = seconds(options.confirm, "--confirm")
    documents = [policy_pb2.PolicyDocument(file=name_of(file), yaml=_wire_text(file)) for file in files]
    request = agent_pb2.PushRequest(
        documents=documents, confirm_seconds=confirm, force=options.force, dry_run=options.dry_run
    )
    with agent(socket) as stub:
        response = stub.Push(request, timeout=300)
    refuse_on_errors(response, form)
    emit(form, as_data(response), _pushed(response, dry_run=options.dry_run))
    if confirm and not response.unchanged and not options.dry_run:
        note(f"reverts in {confirm} s unless you run: agentctl policy confirm")


def _wire_text(file: str) -> str:
    """Text for a protobuf string, which must be UTF-8: what is not gets the diagnostics of the language here."""
    content = read(file)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        from policy import language

        result = language.load(content, name_of(file))
        raise CliError(Exit.INVALID, *map(from_language, result.diagnostics)) from error


def refuse_on_errors(
    response: "agent_pb2.PushResponse | agent_pb2.DeleteResponse", form: Format = Format.TABLE
) -> None:
    """
    Print warnings; end the command if there are errors.

    Raises:
        CliError: Exit 3 if a policy is at fault, 4 if the node said no, 1 if the node failed.
    """
    problems = [from_wire(diagnostic) for diagnostic in response.diagnostics]
    errors = [problem.code for problem in problems if problem.is_error]
    if not errors:
        show(problems)
        return
    if form is not Format.TABLE:
        emit(form, as_data(response))
    if "node-failed" in errors:
        raise CliError(Exit.FAILED, *problems)
    raise CliError(Exit.NO if REFUSALS.issuperset(errors) else Exit.INVALID, *problems)


def _pushed(response: "agent_pb2.PushResponse", *, dry_run: bool) -> Table:
    rows = [("generation", str(response.generation) + (" (unchanged)" if response.unchanged else ""))]
    if response.policies:
        rows.append(("policies", ", ".join(policy.name for policy in response.policies)))
    if response.waivers:
        rows.append(("waivers", ", ".join(waiver.name for waiver in response.waivers)))
    if response.policies:
        rows.append(("rules enforced", str(response.rules_enforced)))
    if response.rules_observed:
        rows.append(("rules observed only", str(response.rules_observed)))
    if dry_run:
        rows[0] = ("generation", "not changed (dry run)")
    elif not response.unchanged:
        rows.append(("push to enforced", f"{response.enforced_after_ns / 1e6:.1f} ms"))
    return Table(("", ""), rows)


def list_(form: Format, socket: str) -> None:
    """`policy list`."""
    from ringfence.v1 import agent_pb2

    from agent.cli.client import agent

    with agent(socket) as stub:
        response = stub.List(agent_pb2.ListRequest(), timeout=30)
    rows = [
        (
            policy.name,
            policy.mode,
            str(sum(not rule.is_default for rule in policy.rules)),
            str(policy.cgroup_count),
            str(sum(rule.hits for rule in policy.rules)),
            policy.digest[:12],
        )
        for policy in response.policies
    ]
    emit(form, as_data(response), Table(("POLICY", "MODE", "RULES", "CGROUPS", "HITS", "DIGEST"), rows))


def get(name: str, form: Format, socket: str) -> None:
    """`policy get`."""
    from ringfence.v1 import agent_pb2

    from agent.cli.client import agent

    with agent(socket) as stub:
        policy = stub.Get(agent_pb2.GetRequest(name=name), timeout=30).policy
    facts: list[tuple[str, str]] = [("policy", policy.name), ("mode", policy.mode), ("digest", policy.digest)]
    facts += [("cgroup", cgroup) for cgroup in policy.cgroups]
    if policy.cgroup_count > len(policy.cgroups):
        facts.append(("", f"and {policy.cgroup_count - len(policy.cgroups)} more"))
    rules = [_rule(rule) for rule in policy.rules]
    emit(
        form,
        as_data(policy),
        Table(("", ""), facts),
        Table(("RULE", "CLASS", "ACTION", "SEVERITY", "LEVEL", "HITS"), rules),
    )


def _rule(rule: "policy_pb2.RuleSummary") -> tuple[str, ...]:
    return (rule.id, getattr(rule, "class"), rule.action, rule.severity, rule.level, str(rule.hits))


def delete(names: Sequence[str], form: Format, socket: str) -> None:
    """`policy delete`."""
    from ringfence.v1 import agent_pb2

    from agent.cli.client import agent

    with agent(socket) as stub:
        response = stub.Delete(agent_pb2.DeleteRequest(names=names), timeout=300)
    refuse_on_errors(response, form)
    live = str(response.generation) if response.generation else "none (everything is allowed)"
    rows = [("deleted", ", ".join(names)), ("generation", live)]
    emit(form, as_data(response), Table(("", ""), rows))


def confirm(form: Format, socket: str) -> None:
    """`policy confirm`."""
    from ringfence.v1 import agent_pb2

    from agent.cli.client import agent

    with agent(socket) as stub:
        response = stub.Confirm(agent_pb2.ConfirmRequest(), timeout=30)
    data: dict[str, Any] = as_data(response)
    answer = "confirmed" if response.was_pending else "nothing was waiting for a confirmation"
    emit(form, data, Table(("", ""), [("generation", str(response.generation)), ("", answer)]))
    if not response.was_pending:
        raise CliError(Exit.NO)
