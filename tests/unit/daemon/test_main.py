"""ringfence-agent's commands, as far as they need no kernel: usage, configuration, the gate without pins, doctor."""

import json
import os
from pathlib import Path

import pytest

from agent.daemon.durations import seconds
from agent.daemon.main import run
from policy.model.types import Class


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "agent.toml"
    path.write_text(f'state = "{tmp_path}/state"\nsocket = "{tmp_path}/agent.sock"\npins = "{tmp_path}/pins"\n')
    return str(path)


def test_wrong_configuration_exits_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The setting is named, wherever the option stands."""
    path = tmp_path / "agent.toml"
    path.write_text("nonsense = 1")

    assert 2 == run(["gate", "show", "--config", str(path)]) == run(["--config", str(path), "gate", "show"])
    assert "setting `nonsense`" in capsys.readouterr().err


def test_gate_without_anything_installed_says_no(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing is enforced there is no gate, and that is an answer."""
    assert run(["gate", "open", "--config", config]) == 4
    assert "nothing is enforced" in capsys.readouterr().err


def test_length_goes_with_opening_alone(config: str) -> None:
    """`gate close --for` means nothing."""
    assert run(["gate", "close", "--for", "10m", "--config", config]) == 2


def test_doctor_speaks_the_protocols_names(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """agentctl takes this for the agent's own answer."""
    assert run(["doctor", "--json", "--config", config]) == 0
    data = json.loads(capsys.readouterr().out)

    assert os.uname().release == data["kernel"]
    assert set(Class) == {level["class"] for level in data["levels"]}
    assert {"name", "result", "found", "hint"} == data["checks"][0].keys()


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("7d", None)])
def test_lengths_of_time(text: str, expected: int | None) -> None:
    """Seconds, minutes, hours; nothing else."""
    if expected is None:
        with pytest.raises(ValueError, match="length of time"):
            seconds(text)
    else:
        assert expected == seconds(text)


@pytest.mark.parametrize("text", ["0", "-1s", "1.5h", "9999h", "", "m"])
def test_lengths_of_time_have_bounds(text: str) -> None:
    """At least a second, at most a week."""
    with pytest.raises(ValueError, match="length of time"):
        seconds(text)
