"""
Every setting of the collector, in one place.

Read from /etc/ringfence/collector.toml (or `--config FILE`), then RINGFENCE_COLLECTOR_* in the environment, then flags;
the later wins.
"""

import argparse
import sys
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from collector.ingest.server import is_loopback

CONFIG = Path("/etc/ringfence/collector.toml")


class ConfigurationError(Exception):
    """The settings cannot be used."""


class Settings(BaseSettings):
    """What `ringfence-collector` can be told."""

    model_config = SettingsConfigDict(env_prefix="RINGFENCE_COLLECTOR_", extra="forbid", frozen=True)

    grpc_listen: str = Field("127.0.0.1:7443", description="Address for nodes. Beyond loopback TLS is required.")
    grpc_tls_cert: Path | None = Field(None, description="PEM certificate shown to nodes.")
    grpc_tls_key: Path | None = Field(None, description="Its key.")
    grpc_tls_ca: Path | None = Field(None, description="PEM authority that nodes' certificates must come from.")
    grpc_bind_names: bool = Field(True, description="With TLS: a node must be called as its certificate says.")
    web_listen: str = Field(
        "", description="Address of REST and page. Default 127.0.0.1:8080, with a certificate 0.0.0.0:8443."
    )
    web_tls_cert: Path | None = Field(None, description="PEM certificate of the page. Beyond loopback it is required.")
    web_tls_key: Path | None = Field(None, description="Its key.")
    web_hosts: list[str] = Field([], description="Names besides localhost that the page may be asked for under.")
    require_token: bool = Field(True, description="Whether REST needs the token. Off is for loopback only.")
    token_file: Path | None = Field(None, description="Default: `token` in the state directory; made if missing.")
    state_dir: Path = Field(Path("/var/lib/ringfence/collector"), description="Where the store is.")
    keep_events: int = Field(10_000_000, ge=0, description="Newest events that are kept; 0: all.")
    keep_days: float = Field(30, ge=0, description="Days that events are kept; 0: for ever.")
    alerts_file: Path | None = Field(None, description="Alert rules (TOML). Default: none.")
    alert_give_up_hours: float = Field(24, gt=0, description="An alert that fails for longer is dead.")
    alert_backlog: int = Field(1_000_000, gt=0, description="Alerts that may wait for one receiver.")
    order_timeout: float = Field(15, gt=0, le=300, description="Seconds to wait for a node's answer to a push.")
    validate_timeout: float = Field(10, gt=0, le=60, description="Seconds that checking a policy may take.")
    log_format: Literal["text", "json"] = Field("text", description="How log lines on stderr look.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="The least that is logged.")

    @model_validator(mode="after")
    def _check(self) -> "Settings":
        _together(grpc_tls_cert=self.grpc_tls_cert, grpc_tls_key=self.grpc_tls_key, grpc_tls_ca=self.grpc_tls_ca)
        _together(web_tls_cert=self.web_tls_cert, web_tls_key=self.web_tls_key)
        for name, (host, _), tls in (
            ("grpc_listen", self.grpc_address, self.grpc_tls_cert),
            ("web_listen", self.web_address, self.web_tls_cert),
        ):
            if tls is None and not is_loopback(host):
                prefix = name.partition("_")[0]
                raise ValueError(f"{name} `{host}` can be reached by others: set {prefix}_tls_cert, or use 127.0.0.1")
        if not is_loopback(self.web_address[0]):
            if not self.web_hosts:
                raise ValueError("web_hosts must name the host under which the page is asked for")
            if not self.require_token:
                raise ValueError("require_token can be off on loopback only")
        return self

    @property
    def grpc_address(self) -> tuple[str, int]:
        """Host and port for nodes."""
        return parse_address(self.grpc_listen)

    @property
    def web_address(self) -> tuple[str, int]:
        """Host and port of the page."""
        return parse_address(self.web_listen or ("0.0.0.0:8443" if self.web_tls_cert else "127.0.0.1:8080"))

    @property
    def token_path(self) -> Path:
        """Where the token is."""
        return self.token_file or self.state_dir / "token"


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise ValueError(f"`{text}` is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def load(arguments: list[str]) -> Settings:
    """
    Put the settings together. Raises ConfigurationError; `--help` prints every setting and exits.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--config", type=Path)
    known, rest = first.parse_known_args(arguments)
    if known.config is not None and (known.config.is_dir() or not known.config.exists()):
        raise ConfigurationError(f"cannot read `{known.config}`")
    try:
        return _sourced(known.config or CONFIG, rest)()
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        text = problem["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"{place}: {text}" if place else text) from error
    except (SettingsError, ValueError, OSError) as error:
        raise ConfigurationError(str(error)) from error


def _sourced(config: Path, flags: list[str]) -> type[Settings]:
    """Settings that come from this file and these flags."""

    class Sourced(Settings):
        __doc__ = "Keep what nodes report, raise alerts, serve the console."

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the interface's
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the interface's
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            command_line: CliSettingsSource[BaseSettings] = CliSettingsSource(
                settings_cls,
                cli_prog_name="ringfence-collector",
                cli_parse_args=flags,
                cli_kebab_case=True,
                cli_implicit_flags=True,
                cli_exit_on_error=True,
            )
            return init_settings, command_line, env_settings, TomlConfigSettingsSource(settings_cls, config)

    return Sourced


def _together(**files: Path | None) -> None:
    """Refuse some of these without the others."""
    missing = [name for name, path in files.items() if path is None]
    if missing and len(missing) < len(files):
        raise ValueError(f"{', '.join(missing)} must be set too")


def die(problem: str) -> None:
    """Say why the collector does not start, as every command of ours does, and leave."""
    sys.stderr.write(f"error: {problem}\n")
    raise SystemExit(1)
