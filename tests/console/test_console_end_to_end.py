"""
The page before a real node: a policy is pasted and pushed, the kernel refuses, and the row is there.

As root, natively, with network rules on a cgroup of the test's own. With `RINGFENCE_SCREENSHOT=FILE` the last test
takes a picture; docs/images/console.png was made so.
"""

import errno
import os
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.page import ConsolePage
from tests.support.whole import Whole, own_cgroup, whole

SCREENSHOT = os.environ.get("RINGFENCE_SCREENSHOT")
SERVICE = "web.service" if SCREENSHOT else f"ringfence-web-{os.getpid()}.service"
SEEN_WITHIN_MS = 500
POLICY = f"""\
apiVersion: ringfence.dev/v1
kind: Policy
metadata:
  name: web
  labels: {{team: shop}}
  annotations: {{description: what the shop's web tier may reach}}
spec:
  scope:
    - cgroup: "/{SERVICE}"
  mode: enforcing
  defaults: {{network: deny}}
  rules:
    - id: credentials
      network: {{operations: [connect], to: [169.254.169.254/32]}}
      action: deny
      severity: critical
      message: the machine's credentials are not the shop's business
    - id: reverse-shell
      network: {{operations: [connect], ports: ["4444-4446", 6667]}}
      action: deny
      severity: high
      message: nothing the shop runs talks to these ports
    - id: resolver
      network: {{operations: [connect], to: [127.0.0.0/8], ports: [53]}}
      action: allow
    - id: database
      network:
        operations: [connect]
        to: [10.20.0.0/16]
        ports: [5432]
        protocols: [tcp]
      action: allow
    - id: payments
      network: {{operations: [connect], to: [198.51.100.0/24], ports: [443]}}
      action: allow
"""
#: What a service that was broken into tries, and the rule that stands in its way.
ATTEMPTS = [
    ("bash", "169.254.169.254", 80, "credentials"),
    ("perl", "203.0.113.66", 4444, "reverse-shell"),
    ("python3", "203.0.113.66", 8443, "default"),
    ("bash", "10.20.0.14", 22, "default"),
    ("perl", "192.0.2.25", 6667, "reverse-shell"),
    ("python3", "10.20.3.9", 6379, "default"),
    ("bash", "203.0.113.66", 4445, "reverse-shell"),
]
PROGRAMS = {
    "bash": ["/bin/bash", "-c", 'exec 3<>"/dev/tcp/$0/$1"'],
    "perl": [
        "/usr/bin/perl",
        "-MSocket",
        "-e",
        "socket S,AF_INET,SOCK_STREAM,0; connect(S, pack_sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) or exit $!",
    ],
    "python3": [
        "/usr/bin/python3",
        "-Sc",
        "import socket, sys; sys.exit(socket.socket().connect_ex((sys.argv[1], int(sys.argv[2]))))",
    ],
}


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Whole]:
    """A node called web-1 with a service, and its collector."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to load programs and make cgroups")
    monkeypatch.setenv("RINGFENCE_AGENT_NODE", "web-1")
    with own_cgroup(SERVICE) as service, whole(tmp_path, cgroup=service) as running:
        yield running


def attempt(service: Path, program: str, address: str, port: int) -> tuple[int, str]:
    """Have a program in the service connect; its exit status and what it said."""
    command = ["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', service, *PROGRAMS[program]]
    done = subprocess.run(
        [*command, address, str(port)], capture_output=True, text=True, timeout=20, check=False, env={"LC_ALL": "C"}
    )
    return done.returncode, done.stderr


def refused(program: str, status: int, said: str) -> bool:
    """Whether the kernel said EPERM, as far as the program passes it on."""
    return status == errno.EPERM and (program != "bash" or "Operation not permitted" in said)


def test_pasted_policy_refuses_and_the_row_is_there(page: Page, node: Whole) -> None:
    """Paste, validate, push, attempt: refused with EPERM by the kernel, and visible within half a second."""
    console = ConsolePage(page, node.collector.web)
    console.sign_in(node.collector.token)
    console.paste(POLICY)
    assert console.validate().valid
    outcome = console.push("web-1")
    assert (outcome.result, outcome.rules_enforced) == ("done", 5)

    console.open_violations()
    latencies = []
    for program, address, port, rule in ATTEMPTS:
        assert refused(program, *attempt(node.cgroup, program, address, port))
        row = console.wait_for_violation(f"{address}:{port}")
        for text in ("deny", f"web / {rule}", "network", "connect", program, "web-1", SERVICE):
            expect(row).to_contain_text(text)
        latencies.append(console.latency_ms(f"{address}:{port}"))
    assert 0 < statistics.median(latencies) < SEEN_WITHIN_MS, latencies
    assert len(node.receiver.wait(len(ATTEMPTS))) == len(ATTEMPTS)

    console.delete_policy("web-1", "web")
    assert node.attacker().attempt("127.0.0.1", 9).answers == {0: 1}


@pytest.mark.skipif(not SCREENSHOT, reason="takes a picture where RINGFENCE_SCREENSHOT says")
def test_picture_of_a_push_and_what_it_stopped(page: Page, node: Whole) -> None:
    """The desk, after a push and a break-in that got nowhere."""
    console = ConsolePage(page, node.collector.web)
    console.sign_in(node.collector.token)
    console.paste(POLICY)
    console.validate()
    console.push("web-1")
    for wave in range(2):
        for program, address, port, _ in ATTEMPTS:
            attempt(node.cgroup, program, address, port)
            expect(page.get_by_role("row").filter(has_text=f"{address}:{port}")).to_have_count(wave + 1)
    console.screenshot(Path(str(SCREENSHOT)))
