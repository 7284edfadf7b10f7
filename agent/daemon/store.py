"""
What survives the agent: the documents of each generation, and which one to install after a reboot.

`generations/N.json` holds all that generation N means and is written before the kernel switches to it, so whatever the
kernel has live can always be told. `state.json` is written after the switch and matters after a reboot only, when the
kernel has nothing. Every file is written beside its place, synced and renamed: a reader sees the old or the new one.
"""

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from policy.compiler.ruleset import RuleReference
from policy.model.types import Action, Class, Mode

KEPT_GENERATIONS = 16  # events of older ones have left the ring long since
_VERSION = 1


class StoreError(Exception):
    """A file cannot be written, or what is in it cannot have been written by us."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A policy, or a waiver, as it was pushed."""

    name: str
    digest: str
    file: str
    yaml: str
    pushed_unix_ns: int


@dataclass(frozen=True, slots=True)
class Retired:
    """
    Counts of generations whose slots were given away.

    Attributes:
        hits: "POLICY@DIGEST" → rule → count.
        open: Generations that were still in slots of their own and are not in `hits`; later ones are not either.
    """

    hits: dict[str, dict[str, int]] = field(default_factory=dict)
    open: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Generation:
    """
    All that a generation means.

    Attributes:
        profiles: Policy names of each profile, by its number.
        rules: What rule numbers mean.
        waivers: Those that the rules were made with.
    """

    number: int
    policies: tuple[Pushed, ...] = ()
    profiles: tuple[tuple[str, ...], ...] = ()
    rules: tuple[RuleReference, ...] = ()
    retired: Retired = field(default_factory=Retired)
    waivers: tuple[Pushed, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """
    Attributes:
        generation: Installed last; 0: none.
        last: Highest number ever given out.
        fallback: What to install after a reboot in place of `generation`, which is not confirmed yet; None: it is.
    """

    generation: int = 0
    last: int = 0
    fallback: int | None = None


class Store:
    """Files below a directory that only root can read."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._generations = directory / "generations"
        self._generations.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)

    def state(self) -> State:
        """
        What was written last; the empty state if nothing ever was.

        Raises:
            StoreError: The file is damaged; it is kept beside its place for a person to look at.
        """
        data = self._read(self._directory / "state.json")
        if data is None:
            return State()
        try:
            return State(int(data["generation"]), int(data["last"]), data["fallback"])
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"`state.json` is damaged: {error}") from error

    def write_state(self, state: State) -> None:
        self._write(self._directory / "state.json", state)

    def generation(self, number: int) -> Generation | None:
        """What a generation means; None: it is not known here. Raises StoreError: damaged."""
        data = self._read(self._generations / f"{number}.json")
        if data is None:
            return None
        try:
            return _generation(data)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(f"`generations/{number}.json` is damaged: {error}") from error

    def write_generation(self, generation: Generation) -> None:
        self._write(self._generations / f"{generation.number}.json", generation)

    def numbers(self) -> list[int]:
        """Generations that are known, ascending."""
        names = (path.stem for path in self._generations.glob("*.json"))
        return sorted(int(name) for name in names if name.isascii() and name.isdigit())

    def prune(self, keep: set[int]) -> None:
        """Forget all but the latest generations and those to keep."""
        for number in self.numbers()[:-KEPT_GENERATIONS]:
            if number not in keep:
                with suppress(OSError):
                    (self._generations / f"{number}.json").unlink()

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            data = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            with suppress(OSError):
                path.replace(path.with_suffix(".damaged"))
            raise StoreError(f"`{path.name}` is damaged: {error}") from error
        if not isinstance(data, dict) or data.get("version") != _VERSION:
            raise StoreError(f"`{path.name}` is of a version that this agent does not know")
        return data

    def _write(self, path: Path, data: State | Generation) -> None:
        """Write beside, sync, rename, sync the directory. Raises StoreError, and then the old file stands."""
        beside = path.with_suffix(".new")
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
                file.write(json.dumps({"version": _VERSION, **_members(data)}, default=_members, separators=(",", ":")))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
            _sync_directory(path.parent)
        except OSError as error:
            raise StoreError(f"cannot write `{path}`: {error.strerror}") from error


def _members(value: Any) -> dict[str, Any]:
    """Of a dataclass; its dataclasses as they are. `asdict` copies everything deeply, which a push has to wait for."""
    return {one.name: getattr(value, one.name) for one in fields(value)}


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _generation(data: dict[str, Any]) -> Generation:
    return Generation(
        number=int(data["number"]),
        policies=tuple(Pushed(**policy) for policy in data["policies"]),
        profiles=tuple(tuple(profile) for profile in data["profiles"]),
        rules=tuple(_rule(rule) for rule in data["rules"]),
        retired=Retired(data["retired"]["hits"], tuple(data["retired"]["open"])),
        waivers=tuple(Pushed(**waiver) for waiver in data.get("waivers", ())),  # agents before waivers wrote none
    )


def _rule(rule: dict[str, str]) -> RuleReference:
    return RuleReference(
        policy=rule["policy"],
        rule=rule["rule"],
        class_=Class(rule["class_"]),
        action=Action(rule["action"]),
        mode=Mode(rule["mode"]),
        severity=rule["severity"],
        message=rule["message"],
    )
