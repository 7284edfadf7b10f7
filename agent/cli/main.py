"""
agentctl: the way to an agent for people and scripts.

Data goes to stdout, everything else to stderr. Modules are imported where they are used: `agentctl policy validate`
must not pay for gRPC, nor completion for anything.
"""

import os
import sys
from typing import Annotated

import typer

from agent.cli.client import DEFAULT_SOCKET
from agent.cli.exits import CliError, Exit
from agent.cli.output import Format, LintFormat, TestFormat
from agent.cli.problems import Problem, show

app = typer.Typer(
    name="agentctl",
    help="Push security policies to this node's agent, and see what they stop.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
policy_app = typer.Typer(
    help="Policies: validate, push, list, get, delete, confirm.", no_args_is_help=True, rich_markup_mode=None
)
violations_app = typer.Typer(help="What policies refused or recorded.", no_args_is_help=True, rich_markup_mode=None)
waiver_app = typer.Typer(
    help="Waivers: exceptions with an end. They are pushed with `policy push`.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(policy_app, name="policy")
app.add_typer(waiver_app, name="waiver")
app.add_typer(violations_app, name="violations")

Output = Annotated[Format, typer.Option("-o", "--output", help="Form of the data on stdout.")]
Socket = Annotated[
    str, typer.Option("--socket", envvar="RINGFENCE_SOCKET", metavar="PATH", help="The agent's Unix socket.")
]
Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Policy files; `-` is standard input.")]

Paths = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Policy files or directories of them; `-` is standard input.")
]
Now = Annotated[
    str, typer.Option("--now", metavar="TIME", help="What time it is (2026-11-24); what was before does not count.")
]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"agentctl {version('ringfence')}")
        raise typer.Exit


def _names_of_templates(incomplete: str) -> list[str]:
    from policy import templates

    return [name for name in templates.names() if name.startswith(incomplete)]


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Push security policies to this node's agent, and see what they stop."""


@policy_app.command()
def validate(files: Files, output: Output = Format.TABLE) -> None:
    """Check policy files. Needs no agent, no root and no kernel; exits 3 if one is invalid."""
    from agent.cli import policies

    policies.validate(files, output)


@policy_app.command()
def lint(
    files: Paths,
    root: Annotated[str, typer.Option(metavar="DIR", help="Look for symlinks in this root file system.")] = "",
    now: Now = "",
    output: Annotated[LintFormat, typer.Option("-o", "--output", help="Form of the data.")] = LintFormat.TABLE,
) -> None:
    """Find rules that never decide, contradict others or lock a node up. Exits 4 if there is a warning or worse."""
    from agent.cli import findings

    findings.lint(files, root, now, output)


@policy_app.command()
def explain(
    words: Annotated[
        list[str], typer.Argument(metavar="FILE... OPERATION [OBJECT]", help="Policies, and what is attempted on what.")
    ],
    exe: Annotated[str, typer.Option(metavar="PATH", help="Executable of the process that acts.")] = "",
    user: Annotated[str, typer.Option(help="Its effective user: a number, or a name as policies have it.")] = "",
    group: Annotated[str, typer.Option(help="Its effective group; without, the number of the user.")] = "",
    parent: Annotated[str, typer.Option(metavar="PATH", help="Executable of its parent.")] = "",
    ancestor: Annotated[
        list[str] | None, typer.Option(metavar="PATH", help="Executable of an ancestor; may be repeated.")
    ] = None,
    now: Now = "",
    output: Output = Format.TABLE,
) -> None:
    """Say how a request is decided, by which rule, and why others lost: `explain web.yaml read /etc/shadow`."""
    from agent.cli import explanations

    who = explanations.Who(exe, user, group, parent, tuple(ancestor or ()))
    explanations.explain(words, who, now, output)


@policy_app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="File or directory of policies; `-` is standard input.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The same, changed.")],
    examples: Annotated[int, typer.Option(min=1, max=10_000, help="Examples for each class and kind of change.")] = 5,
    now: Now = "",
    output: Output = Format.TABLE,
) -> None:
    """Say what a change of policies means, with examples. Exits 4 if B is weaker than A anywhere."""
    from agent.cli import differences

    differences.diff(before, after, examples, now, output)


@policy_app.command()
def test(
    files: Files,
    output: Annotated[TestFormat, typer.Option("-o", "--output", help="Form of the report on stdout.")] = (
        TestFormat.TABLE
    ),
    junit: Annotated[str, typer.Option(metavar="FILE", help="Write a JUnit report to FILE as well.")] = "",
) -> None:
    """Run the cases of PolicyTest documents against their policies, as compiled. Exits 4 if one is not as expected."""
    from agent.cli import testing

    testing.test(files, output, junit)


@policy_app.command()
def render(files: Files) -> None:
    """Print policies as they apply: templates filled in, everything in its canonical form."""
    from agent.cli import templates

    templates.render(files)


@policy_app.command("templates")
def templates_(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]", help="Show this one: parameters, rules, limits.", autocompletion=_names_of_templates
        ),
    ] = "",
    output: Output = Format.TABLE,
) -> None:
    """List the library of templates, or show one."""
    from agent.cli import templates

    templates.templates(name, output)


@policy_app.command()
def push(
    files: Files,
    confirm: Annotated[
        str, typer.Option(metavar="TIME", help="Revert after TIME (60s, 5m) unless `policy confirm` comes.")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Accept a host scope that would lock the agent, PID 1 or logins out.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Validate and compile on the node, change nothing.")
    ] = False,
    output: Output = Format.TABLE,
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """Make policies and waivers live on this node: all of them in one generation, or none."""
    from agent.cli import policies

    policies.push(files, policies.PushOptions(confirm, force, dry_run), output, socket)


@policy_app.command("list")
def list_(output: Output = Format.TABLE, socket: Socket = DEFAULT_SOCKET) -> None:
    """List the live policies with their exact counts."""
    from agent.cli import policies

    policies.list_(output, socket)


@policy_app.command()
def get(
    name: Annotated[str, typer.Argument(help="Name of a live policy.")],
    output: Output = Format.TABLE,
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """Show one live policy: scope on this node, rules, exact counts; `-o yaml` and `-o json` include its text."""
    from agent.cli import policies

    policies.get(name, output, socket)


@policy_app.command()
def delete(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of live policies.")],
    output: Output = Format.TABLE,
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """Delete live policies and their waivers. With the last one, no generation is live and everything is allowed."""
    from agent.cli import policies

    policies.delete(names, output, socket)


@policy_app.command()
def confirm(output: Output = Format.TABLE, socket: Socket = DEFAULT_SOCKET) -> None:
    """Keep what `push --confirm` made live. Exits 4 if nothing was waiting."""
    from agent.cli import policies

    policies.confirm(output, socket)


@waiver_app.command("list")
def waiver_list(output: Output = Format.TABLE, socket: Socket = DEFAULT_SOCKET) -> None:
    """List the waivers of the live policies, the next to end first."""
    from agent.cli import waivers

    waivers.list_(output, socket)


@waiver_app.command("get")
def waiver_get(
    name: Annotated[str, typer.Argument(help="Name of a waiver.")],
    output: Output = Format.TABLE,
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """Show one waiver; `-o yaml` and `-o json` include its text."""
    from agent.cli import waivers

    waivers.get(name, output, socket)


@waiver_app.command("delete")
def waiver_delete(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names of waivers.")],
    output: Output = Format.TABLE,
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """End waivers before their time."""
    from agent.cli import waivers

    waivers.delete(names, output, socket)


@violations_app.command()
def tail(
    count: Annotated[int, typer.Option("-n", min=0, max=100_000, help="How many of the latest to begin with.")] = 10,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    policy: Annotated[list[str] | None, typer.Option(help="Only of this policy; may be repeated.")] = None,
    output: Output = Format.TABLE,
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """Show violations, the latest last. `-o json` prints one object a line."""
    from agent.cli import violations

    violations.tail(violations.TailOptions(count, follow, tuple(policy or ())), output, socket)


@app.command()
def run(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What to run under the policy.")],
    policy: Annotated[str, typer.Option("--policy", "-p", metavar="FILE", help="Policy file; its scope is replaced.")],
    socket: Socket = DEFAULT_SOCKET,
) -> None:
    """Run a command under a policy, in a cgroup of its own, and print what was refused."""
    from agent.cli import run as running

    raise typer.Exit(running.run(policy, command, socket))


@app.command()
def status(output: Output = Format.TABLE, socket: Socket = DEFAULT_SOCKET) -> None:
    """Show what is live and where every event went. Exits 4 if the sums do not balance."""
    from agent.cli import status as statuses

    statuses.status(output, socket)


@app.command()
def doctor(output: Output = Format.TABLE, socket: Socket = DEFAULT_SOCKET) -> None:
    """Say for every class what this machine can do, why, and what to do about it. Needs no running agent."""
    from agent.cli import doctor as doctors

    doctors.doctor(output, socket)


@app.command()
def off(
    for_: Annotated[
        str, typer.Option("--for", metavar="TIME", help="Close again by itself after TIME (10m, 2h).")
    ] = "",
) -> None:
    """Open the gate: everything is allowed until `agentctl on`. Needs no running agent, and is logged."""
    from agent.cli import gate

    gate.off(for_)


@app.command()
def on() -> None:
    """Close the gate: enforce again. Needs no running agent, and is logged."""
    from agent.cli import gate

    gate.on()


@app.command()
def completion(shell: Annotated[str, typer.Argument(metavar="bash|zsh", help="For which shell.")]) -> None:
    """Print a completion script, e.g. for `/usr/share/bash-completion/completions/agentctl`."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    if shell not in ("bash", "zsh"):
        raise CliError(Exit.USAGE, Problem(f"unknown shell `{shell}`", hint="there is completion for `bash` and `zsh`"))
    print(get_completion_script(prog_name="agentctl", complete_var="_AGENTCTL_COMPLETE", shell=shell))


def main() -> None:
    """Entry point: run a command, print its problems, exit as the contract says."""
    try:
        app(prog_name="agentctl")
    except CliError as error:
        show(error.problems)
        sys.exit(error.code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader left: nothing more to say
        sys.exit(Exit.DONE)


if __name__ == "__main__":
    main()
