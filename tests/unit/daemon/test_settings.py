"""Settings: one place, checked, documented."""

from pathlib import Path

import pytest

from agent.daemon.settings import SettingsError, load, reference

ROOT = Path(__file__).parents[3]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    return path


def test_file_and_environment(tmp_path: Path) -> None:
    """The environment goes before the file, the file before the defaults."""
    path = write(
        tmp_path, 'node = "a"\nmode = "lsm"\n[collector]\naddress = "127.0.0.1:1"\n[spool]\ntotal_bytes = 2000000\n'
    )
    settings = load(path, {"RINGFENCE_AGENT_NODE": "b", "RINGFENCE_AGENT_COLLECTOR__ADDRESS": "127.0.0.1:2"})

    assert (
        settings.node,
        settings.mode,
        settings.collector.address,
        settings.spool.total_bytes,
    ) == ("b", "lsm", "127.0.0.1:2", 2_000_000)
    assert Path("/run/ringfence/agent.sock") == settings.socket


@pytest.mark.parametrize("text", ["/a:/b", '["/a", "/b"]'])
def test_lists_from_the_environment(text: str) -> None:
    """Joined by colons like PATH, or JSON."""
    assert (Path("/a"), Path("/b")) == load(None, {"RINGFENCE_AGENT_CACHE": text}).cache


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nod = 1", "setting `nod`: there is no such setting"),
        ("node = 1", "setting `node`: found 1, required a text"),
        ('mode = "x"', "setting `mode`: found 'x', required one of auto, lsm, cgroup"),
        ("[spool]\ntotal_bytes = 5", "setting `spool.total_bytes`: found 5, required a whole number, at least 1048576"),
        ("[spool]\ntotal_bytes = true", "setting `spool.total_bytes`: found True"),
        ('cache = "x"', "setting `cache`: found 'x', required a list of paths"),
        ("spool = 1", "setting `spool`: found 1, required a table"),
        ("not toml", "cannot read"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, message: str) -> None:
    """What was found and what is required, never a traceback."""
    with pytest.raises(SettingsError) as raised:
        load(write(tmp_path, text), {})
    assert message in str(raised.value)


def test_unknown_environment_variable_is_an_error() -> None:
    """A misspelt variable is not silently ignored."""
    with pytest.raises(SettingsError):
        load(None, {"RINGFENCE_AGENT_NOED": "x"})


def test_named_file_must_be_there(tmp_path: Path) -> None:
    """The default file may be absent, a named one may not."""
    with pytest.raises(SettingsError):
        load(tmp_path / "absent.toml", {})


def test_every_setting_is_documented() -> None:
    """docs/reference/agent-settings.md is what the module says; write it anew with `reference()`."""
    assert (ROOT / "docs" / "reference" / "agent-settings.md").read_text() == reference()
