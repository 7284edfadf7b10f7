"""
What operations cost, in instructions: runs of hookbench in a guest of the lab, with and without Ringfence, with many
rules and few, and confined by AppArmor in the same boot.

Everything slow is done here, natively: programs and rulesets are compiled and the tools built before the guest boots.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.daemon.programs import Origin, find_or_compile
from agent.kernel.programs_file import dump
from policy.compiler import CompileError, compile_profiles
from policy.model.types import Policy
from tests.bench import shapes
from tests.lab.programs import TREE, compile_for

#: 42 bytes, 8 components; on a tmpfs at /srv, so a walk to the root crosses one mount.
FILE = "/srv/www/shop/releases/2024/public/js/a.js"
SHALLOW = "/srv/a.js"
LONG = "/srv/www-of-the-shop/shop-in-winter/releases-of-it/2024-and-later/public-files/js-scripts/a.js"
#: Directories that are asked about for the first time when they are measured; as long and as deep as FILE.
COLD = ("/srv/www/shop/releases/2024/coldbase", "/srv/www/shop/releases/2024/coldours")
COLD_COUNT = 300
SMALL_COUNT, COUNTS = 10, (10_000, 5_000, 2_000, 1_000, 500, 200)

#: Nothing about files: what every hook does before it asks about the object.
NETWORK_ONLY = """
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: egress}
spec:
  scope: [{cgroup: /bench}]
  rules:
    - id: egress
      network: {operations: [connect], to: ["10.0.0.0/8", "2001:db8::/32"], ports: [443]}
      action: deny
"""
PROFILE = """
profile ringfence-bench {
  /srv/** rix,
  /etc/ld.so.cache r,
  /etc/nginx/** r,
  /usr/share/** r,
  /var/log/nginx/* w,
  network inet dgram,
  network inet stream,
  deny /etc/shadow rw,
  deny /etc/ssl/private/** rw,
  deny /root/** rw,
}
"""


@dataclass(frozen=True, slots=True)
class Run:
    """
    One run of a tool in the guest.

    Attributes:
        ruleset: File of the ruleset that is live; "": Ringfence is installed, none is live; None: it is not installed.
    """

    name: str
    ruleset: str | None
    in_scope: bool = False
    apparmor: bool = False
    bench: str = "hookbench"
    arguments: tuple[str, ...] = (FILE, "/srv/bench/nothing")


def plan() -> tuple[Run, ...]:
    """What is run, in this order."""

    def opened(file: str) -> tuple[str, str]:
        return file, "/srv/bench/nothing"

    def cold(number: int) -> tuple[str, str]:
        return COLD[number], str(COLD_COUNT)

    return (
        Run("base", None),
        Run("cold base", None, bench="coldbench", arguments=cold(0)),
        Run("apparmor", None, apparmor=True),
        Run("out of scope", "web"),
        Run("in scope", "web", in_scope=True),
        Run("cold in scope", "web", in_scope=True, bench="coldbench", arguments=cold(1)),
        Run("few rules", "few", in_scope=True),
        Run("many rules", "many", in_scope=True),
        Run("in scope again", "web", in_scope=True),
        Run("installed", ""),
        Run("network rules only", "network", in_scope=True),
        Run("network rules only, shallow", "network", in_scope=True, arguments=opened(SHALLOW)),
        Run("network rules only, long", "network", in_scope=True, arguments=opened(LONG)),
        Run("few rules, shallow", "few", in_scope=True, arguments=opened(SHALLOW)),
        Run("few rules, long", "few", in_scope=True, arguments=opened(LONG)),
        Run("base again", None),
    )


@dataclass(frozen=True, slots=True)
class Counts:
    """
    What was counted in one boot.

    Attributes:
        kernel: Its release.
        many: How many rules of the mix the many are.
        apparmor: Why there are no counts of AppArmor; empty if there are.
        costs: Instructions by operation, by name of the run.
        problems: What went wrong in runs that have no costs.
    """

    kernel: str
    many: int
    apparmor: str
    costs: Mapping[str, Mapping[str, int]]
    problems: tuple[str, ...]

    def over_base(self, run: str, operation: str) -> int:
        """Instructions more than without Ringfence."""
        return self.cost(run, operation) - self.cost("cold base" if operation.startswith("cold") else "base", operation)

    def cost(self, run: str, operation: str) -> int:
        """
        Instructions, by the least of the runs that are alike.

        Raises:
            KeyError: There was none.
        """
        found = [self.costs[name] for name in (run, f"{run} again") if name in self.costs]
        if not found:
            raise KeyError(run)
        return min(costs[operation] for costs in found)


def count(kernel: str, directory: Path, seconds: float) -> Counts:
    """
    Boot a kernel of kernels.toml and run the plan.

    Args:
        directory: Where the guest finds what it needs; made anew.

    Raises:
        RuntimeError: The guest did not come to an end; what it said is in the message.
        subprocess.CalledProcessError, NodeError: Something cannot be built.
    """
    many = prepare(kernel, directory)
    command = [TREE / "vagrant/lab", "run", "--kernel", kernel, "--icount", "--timeout", f"{seconds:.0f}", "--"]
    command += [sys.executable, "-m", "tests.bench.guest", directory]
    done = subprocess.run(command, cwd=TREE, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(f"the guest ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return counts(lines, many, "" if not done.returncode else f"ended with {done.returncode}: {done.stderr[-300:]}")


def counts(lines: Sequence[Mapping[str, Any]], many: int, problem: str) -> Counts:
    """Gather what the guest printed."""
    costs = {line["name"]: line["costs"] for line in lines[1:] if "costs" in line}
    problems = [f"{line['name']}: {line['error']}" for line in lines[1:] if "error" in line]
    problems += [f"{line['name']}: {line['refused']} refused" for line in lines[1:] if line.get("refused")]
    problems += [problem] if problem else []
    return Counts(lines[0]["kernel"], many, lines[0]["apparmor"], costs, tuple(problems))


def prepare(kernel: str, directory: Path) -> int:
    """Fill the guest's directory; how many rules the ruleset `many` has."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    cache = compile_for(kernel)
    btf = TREE / "build" / "btf" / kernel / "vmlinux"
    programs, _ = find_or_compile(Origin(btf, TREE / "bpf", "x86_64"), [cache])
    (directory / "programs").write_bytes(dump(programs))
    for tool in ("hookbench", "coldbench", "nothing"):
        build = ["gcc", "-O2", "-static", "-o", directory / tool, TREE / "tests/bench" / f"{tool}.c"]
        subprocess.run(build, check=True, timeout=60)
    policies = {"web": shapes.web(), "network": shapes.written(NETWORK_ONLY), "few": shapes.ten_rules()}
    for name, policy in policies.items():
        (directory / name).write_bytes(compile_profiles([[policy]]).to_bytes())
    many, ruleset = most_rules()
    (directory / "many").write_bytes(ruleset)
    (directory / "apparmor").write_text(PROFILE)
    files = [FILE, SHALLOW, LONG, *(f"{place}/{number:03}/f" for place in COLD for number in range(COLD_COUNT))]
    runs = [asdict(run) for run in plan()]
    (directory / "plan.json").write_text(json.dumps({"files": files, "runs": runs}))
    return many


def most_rules() -> tuple[int, bytes]:
    """The largest of COUNTS that compiles, and its ruleset."""
    for number in COUNTS:
        if ruleset := _compiled(shapes.file_rules(number)):
            return number, ruleset
    raise RuntimeError(f"not even {COUNTS[-1]} file rules compile")


def _compiled(policy: Policy) -> bytes | None:
    try:
        return compile_profiles([[policy]]).to_bytes()
    except CompileError:
        return None


def breakdown(found: Counts) -> dict[str, int]:
    """
    Where the instructions of an open in scope go.

    A walk's cost is taken to be linear in components and bytes; three files give the three unknowns.
    """
    opened = "open+close"
    installed, outside, begin = (
        found.over_base(run, opened) for run in ("installed", "out of scope", "network rules only")
    )
    paid = [
        found.cost(f"few rules{which}", opened) - found.cost(f"network rules only{which}", opened)
        for which in ("", ", shallow", ", long")
    ]
    shapes_ = [(name.count("/"), len(name)) for name in (FILE, SHALLOW, LONG)]
    by_byte = (paid[2] - paid[0]) / (shapes_[2][1] - shapes_[0][1])  # as many components, more bytes
    by_component = (paid[0] - paid[1] - by_byte * (shapes_[0][1] - shapes_[1][1])) / (shapes_[0][0] - shapes_[1][0])
    fixed = paid[0] - by_component * shapes_[0][0] - by_byte * shapes_[0][1]
    return {
        "hook and look-ups, installed but no generation": installed,
        "generation and scope, not in scope": outside - installed,
        "facts, profile and domain, in scope": begin - outside,
        "scratch, checks of the name, label, row": round(fixed),
        f"components ({shapes_[0][0]} × {by_component:.0f})": round(by_component * shapes_[0][0]),
        f"bytes ({shapes_[0][1]} × {by_byte:.1f}), copied and matched": round(by_byte * shapes_[0][1]),
        "subject and credentials": found.cost("in scope", opened) - found.cost("few rules", opened),
    }
