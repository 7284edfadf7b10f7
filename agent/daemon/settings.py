"""
Every setting of the agent, in one place: names, defaults, and what each is for.

Read from /etc/ringfence/agent.toml; an environment variable `RINGFENCE_AGENT_NAME`
(`RINGFENCE_AGENT_COLLECTOR__ADDRESS` for a table's) goes before the file. docs/reference/agent-settings.md is made
from this module.

Plain dataclasses, checked here: pydantic-settings would stay in the long-lived agent's memory with 20 MB.
"""

import json
import os
import socket
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

DEFAULT_CONFIG = Path("/etc/ringfence/agent.toml")
PREFIX = "RINGFENCE_AGENT_"

Mode = Literal["auto", "lsm", "cgroup"]
LogLevel = Literal["debug", "info", "warning", "error"]


class SettingsError(Exception):
    """The configuration cannot be used; the message names the setting."""


def _about(description: str, least: int = 0) -> dict[str, Any]:
    return {"description": description, "least": least}


@dataclass(frozen=True, slots=True)
class Collector:
    """Where violations go. Without an address the agent works alone and keeps them in its spool."""

    address: str = field(
        default="", metadata=_about("`host:port` of the collector; empty: none. Plaintext on loopback only.")
    )
    ca: Path | None = field(
        default=None, metadata=_about("PEM file of the authority that signed the collector's certificate.")
    )
    certificate: Path | None = field(default=None, metadata=_about("PEM file of this node's certificate."))
    key: Path | None = field(default=None, metadata=_about("PEM file of this node's key."))
    name: str = field(
        default="", metadata=_about("Name in the collector's certificate, if it is not the host of the address.")
    )


@dataclass(frozen=True, slots=True)
class Spool:
    """The durable queue of violations on this node."""

    total_bytes: int = field(
        default=256 << 20, metadata=_about("Disk it may take; past it the oldest go, counted.", least=1 << 20)
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """The agent's configuration."""

    node: str = field(default="", metadata=_about("Name of this node in events; empty: the host name."))
    socket: Path = field(
        default=Path("/run/ringfence/agent.sock"), metadata=_about("Where agentctl connects; root only.")
    )
    state: Path = field(default=Path("/var/lib/ringfence"), metadata=_about("Policies, generations and the spool."))
    cache: tuple[Path, ...] = field(
        default=(Path("/var/cache/ringfence"), Path("/usr/lib/ringfence/programs")),
        metadata=_about("Where compiled programs are looked for; new ones go to the first that can be written."),
    )
    pins: Path = field(default=Path("/sys/fs/bpf/ringfence"), metadata=_about("Where programs and maps are pinned."))
    mode: Mode = field(
        default="auto",
        metadata=_about("`lsm` enforces every class; `cgroup` network rules only, for kernels without BPF LSM."),
    )
    cgroup_mount: Path | None = field(
        default=None, metadata=_about("Where cgroup v2 is mounted; empty: found by itself.")
    )
    log_level: LogLevel = field(
        default="info", metadata=_about("Least level that is logged: `debug`, `info`, `warning`, `error`.")
    )
    collector: Collector = field(default=Collector(), metadata=_about("Where violations go."))
    spool: Spool = field(default=Spool(), metadata=_about("The durable queue."))

    @property
    def node_name(self) -> str:
        return self.node or socket.gethostname()


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """
    Read the configuration.

    Args:
        path: None: the default file, which may be absent.

    Raises:
        SettingsError: A named file is absent, or a setting is unknown or wrong.
    """
    file = path or DEFAULT_CONFIG
    try:
        table = tomllib.loads(file.read_text()) if path or file.exists() else {}
    except (OSError, ValueError) as error:
        raise SettingsError(f"cannot read `{file}`: {error}") from error
    settings: Settings = _read(Settings, table, environment, "", PREFIX)
    known = {variable for _, variable, _ in names()}
    if unknown := sorted(name for name in environment if name.startswith(PREFIX) and name not in known):
        raise SettingsError(f"environment variable `{unknown[0]}`: there is no such setting")
    return settings


def _read(kind: Any, table: Any, environment: Mapping[str, str], prefix: str, variable: str) -> Any:
    """A table as a dataclass, environment first."""
    if not isinstance(table, dict):
        raise SettingsError(f"setting `{prefix.rstrip('.')}`: found {table!r}, required a table")
    hints = get_type_hints(kind)
    if unknown := sorted(table.keys() - hints.keys()):
        raise SettingsError(f"setting `{prefix}{unknown[0]}`: there is no such setting")
    values = {}
    for one in fields(kind):
        name, variable_name = f"{prefix}{one.name}", f"{variable}{one.name.upper()}"
        if is_dataclass(one.default):
            values[one.name] = _read(
                hints[one.name], table.get(one.name, {}), environment, f"{name}.", f"{variable_name}__"
            )
        elif variable_name in environment:
            values[one.name] = _checked(
                one, hints[one.name], _from_text(hints[one.name], environment[variable_name]), name
            )
        elif one.name in table:
            values[one.name] = _checked(one, hints[one.name], table[one.name], name)
    return kind(**values)


def _from_text(hint: Any, text: str) -> Any:
    if hint is int and text.strip().isdecimal():
        return int(text)
    if get_origin(hint) is not tuple:
        return text
    try:
        return json.loads(text) if text.startswith("[") else text.split(":")
    except ValueError:
        return text


def _checked(one: "Field[Any]", hint: Any, value: Any, name: str) -> Any:
    """A value as its type. Raises SettingsError."""
    required = ""
    if get_origin(hint) is Literal:
        required = "" if value in get_args(hint) else f"one of {', '.join(get_args(hint))}"
    elif get_origin(hint) is tuple:
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            return tuple(map(Path, value))
        required = "a list of paths"
    elif hint is int:
        least = one.metadata["least"]
        required = "" if type(value) is int and value >= least else f"a whole number, at least {least}"
    elif not isinstance(value, str):
        required = "a text"
    elif hint is not str:
        return Path(value) if value else None
    if required:
        raise SettingsError(f"setting `{name}`: found {value!r}, required {required}")
    return value


def names(kind: Any = Settings, prefix: str = "", variable: str = PREFIX) -> "Iterator[tuple[str, str, Field[Any]]]":
    """(setting, environment variable, field) of every setting."""
    for one in fields(kind):
        if is_dataclass(one.default):
            yield from names(one.default, f"{prefix}{one.name}.", f"{variable}{one.name.upper()}__")
        else:
            yield f"{prefix}{one.name}", f"{variable}{one.name.upper()}", one


def reference() -> str:
    """The page docs/reference/agent-settings.md."""
    lines = [
        "# Settings of the agent",
        "",
        "Made from `agent/daemon/settings.py`; a test compares the two. The file is `/etc/ringfence/agent.toml`; an",
        "environment variable goes before it (lists: joined by `:`, or as JSON).",
        "",
        "| setting | default | what it is for | environment |",
        "|---|---|---|---|",
    ]
    for name, variable, one in names():
        default = "" if one.default is None else one.default
        text = ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
        shown = f"`{text}`" if text else "(empty)"
        lines.append(f"| `{name}` | {shown} | {one.metadata['description']} | `{variable}` |")
    return "\n".join(lines) + "\n"
