"""
The file of alert rules: who is told of what.

TOML, checked completely before any of it counts; docs/reference/alert-rules.md describes every key.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from collector.store.spelling import ClassName

Severity = Literal["info", "low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Glob = Annotated[str, Field(min_length=1, max_length=256)]

#: A secret shorter than this many bytes is refused.
SECRET_MINIMUM = 16
FILE_LIMIT = 1024 * 1024
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class RulesError(Exception):
    """The file of alert rules, or a secret it names, cannot be used."""


class Model(BaseModel):
    """Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Receiver(Model):
    """Where alerts are sent, and the secret they are signed with."""

    name: Name
    url: str
    secret_file: Path
    ca_file: Path | None = None
    timeout_seconds: float = Field(5.0, gt=0, le=60)
    allow_plaintext: bool = False

    @model_validator(mode="after")
    def _check_url(self) -> "Receiver":
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"`{self.url}` is not an http or https address")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not self.allow_plaintext:
            raise ValueError(f"`{self.url}` would send violations in plaintext: use https, or set allow_plaintext")
        return self

    def secret(self) -> bytes:
        """The secret's bytes, without the line end. Raises RulesError."""
        try:
            mode = self.secret_file.stat().st_mode
            secret = self.secret_file.read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise RulesError(f"receiver `{self.name}`: cannot read secret_file: {error.strerror}") from error
        if mode & 0o007:
            raise RulesError(f"receiver `{self.name}`: everyone may use `{self.secret_file}`: chmod o= it")
        if len(secret) < SECRET_MINIMUM:
            raise RulesError(f"receiver `{self.name}`: its secret has {len(secret)} bytes, required {SECRET_MINIMUM}")
        return secret


class Rate(Model):
    """At most `alerts` in `per_seconds`, evened out; what is beyond is suppressed and counted."""

    alerts: int = Field(gt=0)
    per_seconds: float = Field(gt=0)


class AlertRule(Model):
    """
    Conditions on a violation, all of which must hold, and who hears of it.

    Globs are shell patterns over the whole name. Empty lists hold for everything.
    """

    name: Name
    receivers: list[Name] = Field(min_length=1)
    severity: Severity = "info"
    policies: list[Glob] = []
    rules: list[Glob] = []
    nodes: list[Glob] = []
    classes: list[ClassName] = []
    effects: list[Literal["kill", "deny", "would-deny", "audit", "allow"]] = ["kill", "deny", "would-deny"]
    undecided: bool = True
    rate: Rate | None = None
    cooldown_seconds: float = Field(0, ge=0)


class RuleSet(Model):
    """All of a file."""

    receivers: list[Receiver] = []
    rules: list[AlertRule] = []

    @model_validator(mode="after")
    def _check_names(self) -> "RuleSet":
        for what, names in (("receiver", [r.name for r in self.receivers]), ("rule", [r.name for r in self.rules])):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what} `{twice[0]}` is defined twice")
        known = {receiver.name for receiver in self.receivers}
        for rule in self.rules:
            if unknown := [name for name in rule.receivers if name not in known]:
                raise ValueError(f"rule `{rule.name}`: unknown receiver `{unknown[0]}`")
        return self


def load(path: Path) -> RuleSet:
    """Read a file of alert rules. Raises RulesError, naming the place and the problem."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_LIMIT + 1)
        if len(text) > FILE_LIMIT:
            raise RulesError(f"`{path}` is larger than {FILE_LIMIT} bytes")
        return RuleSet.model_validate(tomllib.loads(text.decode("utf-8")))
    except OSError as error:
        raise RulesError(f"cannot read `{path}`: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulesError(f"`{path}` is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "file"
        raise RulesError(f"`{path}`: {place}: {first['msg'].removeprefix('Value error, ')}") from error
