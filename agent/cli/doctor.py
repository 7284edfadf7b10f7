"""`agentctl doctor`: what this machine can do."""

import json
import subprocess
from pathlib import Path
from typing import Any

from agent.cli.exits import CliError, Exit
from agent.cli.gate import agent_binary
from agent.cli.output import Format, Table, as_data, emit
from agent.cli.problems import Problem

STYLES = {"ok": "", "warn": "yellow", "fail": "red", "enforced": "green", "observed": "yellow", "none": "red"}


def doctor(form: Format, socket: str) -> None:
    """Ask the agent, or look ourselves if none is running. Exits 4 if a check failed."""
    data = _from_agent(socket) if Path(socket).exists() else None
    if data is None:
        data = _look()
    levels = [
        (level["class"], ", ".join(level.get("operations", ())) or "all", level["level"], level["why"], level["hint"])
        for level in data["levels"]
    ]
    checks = [(check["name"], check["result"], check["found"], check["hint"]) for check in data["checks"]]
    emit(
        form,
        data,
        Table(("", ""), [("kernel", data["kernel"])]),
        Table(("CLASS", "OPERATIONS", "LEVEL", "WHY", "HINT"), levels, [STYLES.get(one[2], "") for one in levels]),
        Table(("CHECK", "RESULT", "FOUND", "HINT"), checks, [STYLES.get(check[1], "") for check in checks]),
    )
    if any(check[1] == "fail" for check in checks):
        raise CliError(Exit.NO)


def _from_agent(socket: str) -> dict[str, Any] | None:
    """The agent's answer, or None if there is none to ask."""
    from ringfence.v1 import agent_pb2

    from agent.cli.client import agent

    try:
        with agent(socket) as stub:
            return as_data(stub.Doctor(agent_pb2.DoctorRequest(), timeout=30))
    except CliError as error:
        if error.code is Exit.UNREACHABLE:
            return None
        raise


def _look() -> dict[str, Any]:
    """The answer of `ringfence-agent doctor --json`, which needs no running agent."""
    command = [agent_binary(), "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    try:
        data: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        message = f"`ringfence-agent doctor` failed with status {done.returncode}"
        raise CliError(Exit.FAILED, Problem(message, hint=done.stderr.strip()[-500:])) from error
    return data
