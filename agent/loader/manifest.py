"""Read `bpf/manifest.toml`: the one list of maps, constants and programs."""

import tomllib
from dataclasses import dataclass
from typing import Any

MAP_TYPES = frozenset(
    (
        "array",
        "percpu_array",
        "hash",
        "lpm_trie",
        "task_storage",
        "inode_storage",
        "ringbuf",
        "array_of_maps",
        "hash_of_maps",
    )
)
MAP_FLAGS = frozenset(("no_prealloc", "rdonly_prog", "inner_map", "mmapable"))
KINDS = frozenset(("lsm", "cgroup", "tp_btf", "iter"))
CONDITIONS = frozenset(("", "syscall"))
MODES = frozenset(("lsm", "cgroup"))


class ManifestError(Exception):
    """
    The manifest does not say what it must.

    Attributes:
        where, found, required: Which entry, what it says, what it may say.
    """

    def __init__(self, where: str, found: str, required: str) -> None:
        super().__init__(f"manifest, {where}: found {found}, required {required}")
        self.where, self.found, self.required = where, found, required


@dataclass(frozen=True, slots=True)
class MapEntry:
    """
    Attributes:
        key, value: Bytes, a C type, or an expression over RF_ constants; empty where the type has none.
        entries: Expression over RF_ constants and `cpus`.
    """

    name: str
    type: str
    key: str
    value: str
    entries: str
    flags: tuple[str, ...]
    inner: "MapEntry | None"


@dataclass(frozen=True, slots=True)
class ProgramEntry:
    """
    Attributes:
        optional: Left out where the kernel lacks the hook.
        when: Class of rules that it is attached for; empty: always.
    """

    name: str
    kind: str
    hook: str
    modes: tuple[str, ...]
    optional: bool
    when: str


@dataclass(frozen=True, slots=True)
class Manifest:
    maps: tuple[MapEntry, ...]
    constants: tuple[str, ...]
    programs: tuple[ProgramEntry, ...]


def read_manifest(text: str) -> Manifest:
    """
    Raises:
        ManifestError: It is no TOML, or an entry is incomplete, unknown or there twice.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError("the file", str(error), "TOML") from error
    manifest = Manifest(
        tuple(_map(entry, f"map {n}") for n, entry in enumerate(table.get("map", []))),
        tuple(_text(entry, "name", f"constant {n}") for n, entry in enumerate(table.get("constant", []))),
        tuple(_program(entry, f"program {n}") for n, entry in enumerate(table.get("program", []))),
    )
    for kind, names in (
        ("map", [m.name for m in manifest.maps]),
        ("constant", list(manifest.constants)),
        ("program", [p.name for p in manifest.programs]),
    ):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ManifestError(f"{kind} `{twice[0]}`", "the name twice", "each name once")
    return manifest


def _map(entry: dict[str, Any], where: str, inner: bool = False) -> MapEntry:
    name = "inner" if inner else _text(entry, "name", where)
    where = f"map `{name}`"
    type_ = _one_of(entry, "type", MAP_TYPES, where)
    _text(entry, "full", where)
    flags = tuple(entry.get("flags", ()))
    if unknown := set(flags) - MAP_FLAGS:
        raise ManifestError(where, f"flags {sorted(unknown)}", f"some of {sorted(MAP_FLAGS)}")
    nested = type_.endswith("_of_maps")
    if nested != ("inner" in entry):
        raise ManifestError(where, "no inner map" if nested else "an inner map", "one exactly in a map of maps")
    return MapEntry(
        name,
        type_,
        str(entry.get("key", "0" if type_ == "ringbuf" else "4")),
        str(entry.get("value", "4" if nested else "0")),
        str(entry.get("entries", 0)),
        flags,
        _map(entry["inner"], f"{where}, inner", inner=True) if nested else None,
    )


def _program(entry: dict[str, Any], where: str) -> ProgramEntry:
    name = _text(entry, "name", where)
    where = f"program `{name}`"
    modes = tuple(entry.get("modes", ()))
    if not modes or set(modes) - MODES:
        raise ManifestError(where, f"modes {list(modes)}", f"some of {sorted(MODES)}")
    kind = _one_of(entry, "kind", KINDS, where)
    if (when := entry.get("when", "")) not in CONDITIONS:
        raise ManifestError(where, f"`when` = {when!r}", f"one of {sorted(CONDITIONS)}")
    return ProgramEntry(name, kind, _text(entry, "hook", where), modes, bool(entry.get("optional", False)), when)


def _text(entry: dict[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise ManifestError(where, f"`{key}` = {value!r}", "a text that is not empty")
    return value


def _one_of(entry: dict[str, Any], key: str, known: frozenset[str], where: str) -> str:
    value = _text(entry, key, where)
    if value not in known:
        raise ManifestError(where, f"`{key}` = `{value}`", f"one of {sorted(known)}")
    return value
