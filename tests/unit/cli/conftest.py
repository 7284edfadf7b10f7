"""agentctl run in this process, and an agent for it to talk to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.cli.main import main
from tests.unit.cli.node import Running, ScriptedNode


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command left: exit status, standard output, standard error."""

    code: int
    out: str
    err: str


Agentctl = Callable[..., Ran]


@pytest.fixture
def agentctl(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Agentctl:
    """Runs agentctl with arguments, as a shell would, but in this process."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("RINGFENCE_SOCKET", raising=False)

    def run(*arguments: str | Path) -> Ran:
        monkeypatch.setattr("sys.argv", ["agentctl", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
            raise SystemExit(0)
        said = capsys.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else int(bool(code)), said.out, said.err)

    return run


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """A scripted agent, where agentctl looks for one."""
    with Running(tmp_path / "agent.sock", ScriptedNode()) as running:
        yield running


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    path = tmp_path / "web.yaml"
    path.write_text(POLICY)
    return path


POLICY = """\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: web}
spec:
  scope: [{cgroup: "/shop/**"}]
  rules:
    - id: secrets
      file: {paths: ["/etc/shadow"], operations: [read]}
      action: deny
"""
