"""Settings: where they come from, which are refused, and that the token stays secret."""

import io
import sys
from pathlib import Path

import pytest
import structlog

from collector.alerts.rules import AlertRule, Rate, Receiver
from collector.api import log
from collector.api import token as tokens
from collector.api.settings import ConfigurationError, Settings, load


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"RINGFENCE_COLLECTOR_{name.upper()}", raising=False)
    path = tmp_path / "collector.toml"
    path.write_text("")
    return path


def test_flags_win_over_environment_over_file(config: Path, monkeypatch: pytest.MonkeyPatch):
    """Each source may leave out what it likes; the later one wins."""
    config.write_text('grpc_listen = "127.0.0.1:1"\nweb_listen = "127.0.0.1:2"\nkeep_events = 3\n')
    monkeypatch.setenv("RINGFENCE_COLLECTOR_WEB_LISTEN", "127.0.0.1:20")
    monkeypatch.setenv("RINGFENCE_COLLECTOR_KEEP_EVENTS", "30")

    settings = load(["--config", str(config), "--keep-events", "300"])

    assert (settings.grpc_listen, settings.web_listen, settings.keep_events) == ("127.0.0.1:1", "127.0.0.1:20", 300)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('x = "y"', "x"),
        ("keep_events = -1", "keep_events"),
        ('grpc_listen = "7443"', "not HOST:PORT"),
        ('grpc_listen = "127.0.0.1:99999"', "not HOST:PORT"),
        ('grpc_listen = "0.0.0.0:7443"', "grpc_tls_cert"),
        ('grpc_tls_cert = "/x"', "grpc_tls_key, grpc_tls_ca must be set too"),
        ('web_listen = "0.0.0.0:8080"', "web_tls_cert"),
        ('web_tls_cert = "/x"\nweb_tls_key = "/y"', "web_hosts"),
        ('web_tls_cert = "/x"\nweb_tls_key = "/y"\nweb_hosts = ["a"]\nrequire_token = false', "require_token"),
        ("[[[", "TOML|Expected|Invalid"),
    ],
)
def test_what_cannot_be_used_is_refused(config: Path, text: str, problem: str):
    """Plaintext and openness are for loopback; everything else that makes no sense is named."""
    config.write_text(text)

    with pytest.raises(ConfigurationError, match=problem):
        load(["--config", str(config)])


def test_missing_configuration_file(tmp_path: Path):
    """A file that was asked for and is not there is an error; the usual one may be missing."""
    with pytest.raises(ConfigurationError, match="cannot read"):
        load(["--config", str(tmp_path / "none")])


def test_addresses(config: Path):
    """Ports follow from whether there is a certificate."""
    assert load(["--config", str(config)]).web_address == ("127.0.0.1", 8080)
    config.write_text('web_tls_cert = "/x"\nweb_tls_key = "/y"\nweb_hosts = ["a"]\ngrpc_listen = "[::1]:7"')
    settings = load(["--config", str(config)])
    assert (settings.web_address, settings.grpc_address) == (("0.0.0.0", 8443), ("::1", 7))


def test_every_setting_has_a_description():
    """`--help` says what each is for."""
    assert all(field.description for field in Settings.model_fields.values())


class TestToken:
    def test_made_once_and_private(self, tmp_path: Path):
        """The first start makes it, for its owner alone; the next reads the same."""
        path = tmp_path / "state" / "token"

        token, made = tokens.load(path)
        again, made_again = tokens.load(path)

        assert (made, made_again) == (True, False)
        assert path.stat().st_mode & 0o777 == 0o600
        value = path.read_text().strip()
        assert len(value) >= 40
        assert token.matches(f"Bearer {value}")
        assert again.matches(f"bearer {value}")
        for wrong in (None, "", value, f"Basic {value}", f"Bearer {value}x", "Bearer ", "Bearer é"):
            assert not token.matches(wrong)
        assert value not in repr(token)
        assert [entry.name for entry in path.parent.iterdir()] == ["token"]

    @pytest.mark.parametrize(("text", "mode"), [("0123456789abcdef0123", 0o644), ("short", 0o600), ("é" * 20, 0o600)])
    def test_files_that_are_none(self, tmp_path: Path, text: str, mode: int):
        """One that others may read, or that holds too little, is not used."""
        path = tmp_path / "token"
        path.write_text(text)
        path.chmod(mode)

        with pytest.raises(tokens.TokenError):
            tokens.load(path)


@pytest.mark.parametrize("style", ["text", "json"])
def test_log_lines_cannot_be_forged(style: str, monkeypatch: pytest.MonkeyPatch):
    """Whatever is in a field, an event is one line of printable characters."""
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    try:
        log.set_up("info", style)
        log.journal("batch-rejected", node="a\nlevel=info event=forged", problem="\x1b[2J\u202e", number=3)
    finally:
        structlog.reset_defaults()

    (line,) = stderr.getvalue().splitlines()
    assert line.isprintable()
    assert "forged" in line
    assert r"\x0a" in line.replace("\\\\", "\\")


def test_every_setting_and_alert_key_is_documented():
    """The reference names every setting, and every key of alert rules."""
    reference = Path(__file__).parents[3] / "docs" / "reference"
    settings = (reference / "collector-settings.md").read_text()
    alerts = (reference / "alert-rules.md").read_text()

    assert [name for name in Settings.model_fields if f"`{name}`" not in settings] == []
    keys = {*Receiver.model_fields, *AlertRule.model_fields, *Rate.model_fields}
    assert [key for key in sorted(keys) if f"`{key}`" not in alerts] == []
