"""
ringfence-agent: the privileged agent of a node.

    run         enforce, and serve agentctl and the collector
    early       at boot: install the last generation from cached programs, and exit
    gate        open, close or show the gate; needs no running agent
    doctor      what this machine can do; needs no running agent
    uninstall   take everything out of the kernel
"""

import argparse
import json
import sys
from pathlib import Path

from agent.daemon.durations import seconds
from agent.daemon.ports import NodeError
from agent.daemon.settings import Settings, SettingsError, load

_FAILED, _USAGE = 1, 2


def main() -> None:
    """Entry point; exit status 0 done, 1 failed, 2 usage, 4 the answer is no."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """One command; its exit status."""
    options = _parser().parse_args(arguments)
    try:
        settings = load(options.config)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return _USAGE
    commands = {"run": _run, "early": _early, "gate": _gate, "doctor": _doctor, "uninstall": _uninstall}
    try:
        return commands[options.command](settings, options)
    except NodeError as error:
        _show(error)
        return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ringfence-agent", description="The privileged agent of a node.")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: /etc/ringfence/agent.toml")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="enforce, and serve agentctl and the collector")
    commands.add_parser("early", help="at boot: install the last generation from cached programs, and exit")
    gate = commands.add_parser("gate", help="open, close or show the gate; needs no running agent")
    gate.add_argument("action", choices=("open", "close", "show"))
    gate.add_argument("--for", dest="length", type=_length, metavar="TIME", help="close by itself after 90s, 10m, 2h")
    doctor = commands.add_parser("doctor", help="what this machine can do; needs no running agent")
    doctor.add_argument("--json", action="store_true", help="for programs; `agentctl doctor` shows it to people")
    uninstall = commands.add_parser("uninstall", help="take everything out of the kernel, and forget the policies")
    how = uninstall.add_mutually_exclusive_group()
    how.add_argument("--purge", action="store_true", help="remove the state with undelivered violations as well")
    how.add_argument("--keep-policies", action="store_true", help="the next agent installs them again")
    for command in commands.choices.values():
        command.add_argument("--config", type=Path, metavar="FILE", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def _length(text: str) -> int:
    try:
        return seconds(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _show(error: NodeError) -> None:
    """In the form that agentctl's problems have."""
    print(f"error: {error}", file=sys.stderr)
    if error.found or error.required:
        print(f"  found:    {error.found}\n  required: {error.required}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)


def _run(settings: Settings, _: argparse.Namespace) -> int:
    from agent.daemon.compiling import CompilerProcess
    from agent.daemon.log import configure

    configure(settings.log_level)
    compiler = CompilerProcess(settings.state / "units")  # forks: before anything starts a thread

    from agent.daemon.app import serve
    from agent.daemon.wiring import wire

    try:
        serve(settings, wire(settings, compiler))
    finally:
        compiler.close()
    return 0


def _early(settings: Settings, _: argparse.Namespace) -> int:
    from agent.daemon.compiling import CompilerProcess
    from agent.daemon.log import configure
    from agent.daemon.wiring import wire

    configure(settings.log_level)
    compiler = CompilerProcess(settings.state / "units")
    try:
        wired = wire(settings, compiler, compile_programs=False)
    finally:
        compiler.close()
    wired.kernel.close()
    return 0


def _gate(settings: Settings, options: argparse.Namespace) -> int:
    from agent.daemon.gate import turn

    if options.length and options.action != "open":
        print("error: `--for` goes with `gate open`", file=sys.stderr)
        return _USAGE
    return turn(options.action, options.length, settings.pins, settings.state)


def _doctor(settings: Settings, options: argparse.Namespace) -> int:
    from agent.daemon.doctor import examine, show

    data = examine(settings)
    if options.json:
        print(json.dumps(data))
    else:
        show(data)
    return 0


def _uninstall(settings: Settings, options: argparse.Namespace) -> int:
    from agent.daemon.uninstall import uninstall

    uninstall(settings, purge=options.purge, keep_policies=options.keep_policies)
    print("nothing of Ringfence is left in this kernel")
    return 0


if __name__ == "__main__":
    main()
