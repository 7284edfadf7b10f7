"""
Every setting of the agent, in one place: names, defaults, and what each is for.

Read from /etc/ringfence/agent.toml; an environment variable `RINGFENCE_AGENT_NAME`
(`RINGFENCE_AGENT_COLLECTOR__ADDRESS` for a table's) goes before the file. docs/reference/agent-settings.md is made
from this module.
"""

import socket
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

DEFAULT_CONFIG = Path("/etc/ringfence/agent.toml")


class SettingsError(Exception):
    """The configuration cannot be used; the message names the setting."""


class Collector(BaseModel):
    """Where violations go. Without an address the agent works alone and keeps them in its spool."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str = Field("", description="`host:port` of the collector; empty: none. Plaintext on loopback only.")
    ca: Path | None = Field(None, description="PEM file of the authority that signed the collector's certificate.")
    certificate: Path | None = Field(None, description="PEM file of this node's certificate.")
    key: Path | None = Field(None, description="PEM file of this node's key.")
    name: str = Field("", description="Name in the collector's certificate, if it is not the host of the address.")


class Spool(BaseModel):
    """The durable queue of violations on this node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    total_bytes: int = Field(256 << 20, ge=1 << 20, description="Disk it may take; past it the oldest go, counted.")


class Settings(BaseSettings):
    """The agent's configuration."""

    model_config = SettingsConfigDict(
        env_prefix="RINGFENCE_AGENT_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    node: str = Field("", max_length=253, description="Name of this node in events; empty: the host name.")
    socket: Path = Field(Path("/run/ringfence/agent.sock"), description="Where agentctl connects; root only.")
    state: Path = Field(Path("/var/lib/ringfence"), description="Policies, generations and the spool.")
    cache: list[Path] = Field(
        [Path("/var/cache/ringfence"), Path("/usr/lib/ringfence/programs")],
        description="Where compiled programs are looked for; new ones go to the first that can be written.",
    )
    pins: Path = Field(Path("/sys/fs/bpf/ringfence"), description="Where programs and maps are pinned.")
    mode: Literal["auto", "lsm", "cgroup"] = Field(
        "auto", description="`lsm` enforces every class; `cgroup` network rules only, for kernels without BPF LSM."
    )
    cgroup_mount: Path | None = Field(None, description="Where cgroup v2 is mounted; empty: found by itself.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    collector: Collector = Field(Collector(), description="Where violations go.")
    spool: Spool = Field(Spool(), description="The durable queue.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library passes it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library passes it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def node_name(self) -> str:
        return self.node or socket.gethostname()


def load(path: Path | None, **overrides: Any) -> Settings:
    """
    Read the configuration.

    Args:
        path: None: the default file, which may be absent.
        overrides: Settings from the command line; they go first.

    Raises:
        SettingsError: A named file is absent, or a setting is unknown or wrong.
    """
    if path is not None and not path.is_file():
        raise SettingsError(f"there is no configuration file `{path}`")
    config = {**Settings.model_config, "toml_file": path or DEFAULT_CONFIG}
    source = type("_Settings", (Settings,), {"model_config": config})
    try:
        settings: Settings = source(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting `{name}`: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read `{path or DEFAULT_CONFIG}`: {error}") from error
    return settings


def reference() -> str:
    """The page docs/reference/agent-settings.md."""
    lines = [
        "# Settings of the agent",
        "",
        "Made from `agent/daemon/settings.py`; a test compares the two. The file is `/etc/ringfence/agent.toml`; an",
        "environment variable goes before it.",
        "",
        "| setting | default | what it is for | environment |",
        "|---|---|---|---|",
        *_rows(Settings, "", "RINGFENCE_AGENT_"),
    ]
    return "\n".join(lines) + "\n"


def _rows(model: type[BaseModel], prefix: str, variable: str) -> list[str]:
    rows = []
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            rows += _rows(type(field.default), f"{prefix}{name}.", f"{variable}{name.upper()}__")
            continue
        default = "" if field.default is None else field.default
        text = ", ".join(map(str, default)) if isinstance(default, list) else str(default)
        shown = f"`{text}`" if text else "(empty)"
        rows.append(f"| `{prefix}{name}` | {shown} | {field.description} | `{variable}{name.upper()}` |")
    return rows
