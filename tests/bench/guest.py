"""
Count what operations cost in a guest of the lab: `python -m tests.bench.guest JOB`, as root, under `--icount`.

JOB is a directory that `tests.bench.instructions` fills: the compiled programs, the rulesets, hookbench and plan.json,
the list of runs. Prints one line of JSON a run, in the order of the plan:

    {"name": "in scope", "costs": {"open+close": 9012, ...}, "refused": 0}
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.kernel.enforcer import Enforcer
from policy.compiler.ruleset import Ruleset

CGROUP = Path("/sys/fs/cgroup/bench")
TOOLS = Path("/srv/bench")
PROFILE = "ringfence-bench"
SETTLE_SECONDS = 5
RUN_SECONDS = 300


@dataclass
class Guest:
    """
    Attributes:
        job: What the host put there.
        enforcer: None until the first run that needs it.
    """

    job: Path
    enforcer: Enforcer | None = None
    generation: int = 0

    def prepare(self, files: list[str]) -> None:
        """A tmpfs with the files and tools to be used, a cgroup, and the time a guest needs to settle."""
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/srv"], check=True)
        TOOLS.mkdir()
        for tool in ("hookbench", "coldbench", "nothing"):
            (TOOLS / tool).write_bytes((self.job / tool).read_bytes())
            (TOOLS / tool).chmod(0o755)
        for name in files:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).write_text("x")
        CGROUP.mkdir()
        time.sleep(SETTLE_SECONDS)

    def run(self, step: Mapping[str, Any]) -> dict[str, Any]:
        """One run of the plan."""
        self._install(step["ruleset"])
        time.sleep(SETTLE_SECONDS)  # links go, and memory is given back, some time after they are let go of
        command = [str(TOOLS / step["bench"]), *step["arguments"]]
        if step["apparmor"]:
            command = ["aa-exec", "-p", PROFILE, "--", *command]
        if step["in_scope"]:
            command = ["/bin/sh", "-c", f'echo 0 >{CGROUP}/cgroup.procs && exec "$@"', "sh", *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        if done.returncode:
            return {"name": step["name"], "error": (done.stderr.strip() or f"status {done.returncode}")[-300:]}
        rows = [line.split() for line in done.stdout.splitlines()]
        costs = {row[0]: int(row[1]) for row in rows}
        return {"name": step["name"], "costs": costs, "refused": sum(int(row[3]) for row in rows)}

    def _install(self, name: str | None) -> None:
        """Make that ruleset live; "": none at all; None: as before the first."""
        if name is None:
            if self.enforcer:
                self.enforcer.uninstall()
                self.enforcer = None
            return
        if self.enforcer is None:
            self.enforcer = Enforcer.open_or_install(self.job / "programs")
        if not name:
            self.enforcer.withdraw()
            return
        self.generation += 1
        ruleset = Ruleset.from_bytes((self.job / name).read_bytes())
        self.enforcer.install(ruleset, {CGROUP.stat().st_ino: 0}, self.generation)


def load_apparmor(job: Path) -> str:
    """Load the profile that confines AppArmor's runs; what went wrong, or nothing."""
    if "apparmor" not in Path("/sys/kernel/security/lsm").read_text().split(","):
        return "not in this kernel's list of LSMs"
    command = ["apparmor_parser", "--replace", "--skip-cache", str(job / "apparmor")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stderr.strip() if done.returncode else ""


def main() -> int:
    job = Path(sys.argv[1])
    plan = json.loads((job / "plan.json").read_text())
    guest = Guest(job)
    guest.prepare(plan["files"])
    problem = load_apparmor(job)
    print(json.dumps({"kernel": os.uname().release, "apparmor": problem}), flush=True)
    for step in plan["runs"]:
        if step["apparmor"] and problem:
            continue
        print(json.dumps(guest.run(step)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
