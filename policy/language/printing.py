"""
A policy as canonical YAML: one text for one policy, and reading it gives the policy back.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policy.language.vocabulary import API_VERSION, PROTOCOL_NAMES
from policy.model.types import (
    CgroupScope,
    ExecSelector,
    FileSelector,
    NetworkSelector,
    Policy,
    Rule,
    Scope,
    Selector,
    Subject,
    UnitScope,
)

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*|/[A-Za-z0-9_./-]*")
_NOT_TEXT = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def dump(policy: Policy) -> str:
    """Canonical YAML of a policy, ending with a newline; what equals its default is left out."""
    return "\n".join(_mapping(_document(policy), "")) + "\n"


def digest(policy: Policy) -> str:
    """SHA-256 of the canonical text, in hexadecimal: equal for equal policies, wherever they stood."""
    return hashlib.sha256(dump(policy).encode()).hexdigest()


def _document(policy: Policy) -> dict[str, Any]:
    metadata = {"name": policy.name, "labels": dict(policy.labels), "annotations": dict(policy.annotations)}
    spec = {
        "scope": [_scope(scope) for scope in policy.scope],
        "mode": str(policy.mode),
        "failMode": str(policy.fail_mode),
        "minimumLevel": str(policy.minimum_level),
        "defaults": {str(class_): str(action) for class_, action in policy.defaults},
        "rules": [_rule(rule) for rule in policy.rules],
    }
    return {"apiVersion": API_VERSION, "kind": "Policy", "metadata": _given(metadata), "spec": _given(spec)}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in ("", (), [], {}, None)}


def _scope(scope: Scope) -> dict[str, Any]:
    match scope:
        case CgroupScope(pattern):
            return {"cgroup": pattern}
        case UnitScope(unit):
            return {"unit": unit}
    return {"host": True}


def _rule(rule: Rule) -> dict[str, Any]:
    controls = [{"framework": one.framework, "version": one.version, "id": one.id} for one in rule.controls]
    fields = {
        "id": rule.id,
        "subject": _subject(rule.subject) if rule.subject else None,
        str(rule.class_): _selector(rule.selector),
        "action": str(rule.action),
        "severity": rule.severity,
        "message": rule.message,
        "controls": controls,
    }
    return _given(fields)


def _subject(subject: Subject) -> dict[str, Any]:
    absent = {"exe": subject.not_exe, "user": subject.not_user, "group": subject.not_group}
    return _given({"exe": subject.exe, "user": subject.user, "group": subject.group, "not": _given(absent)})


def _selector(selector: Selector) -> dict[str, Any]:
    match selector:
        case FileSelector(paths, operations) | ExecSelector(paths, operations):
            return {"paths": paths, "operations": operations}
        case NetworkSelector(to, ports, protocols, operations):
            spans = [first if first == last else f"{first}-{last}" for first, last in ports]
            names = [PROTOCOL_NAMES.get(number, number) for number in protocols]
            return _given({"operations": operations, "to": to, "ports": spans, "protocols": names})
    return {"names": selector.names}


def _mapping(fields: Mapping[str, Any], indent: str) -> Iterator[str]:
    """Lines of a block mapping. Lists of scalars stay on the line of their key."""
    for key, value in fields.items():
        name = f"{indent}{_scalar(key)}:"
        if isinstance(value, Mapping):
            yield name
            yield from _mapping(value, indent + "  ")
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            yield name
            yield from _entries(value, indent + "  ")
        elif isinstance(value, list | tuple):
            yield f"{name} [{', '.join(map(_scalar, value))}]"
        else:
            yield f"{name} {_scalar(value)}"


def _entries(items: Sequence[Mapping[str, Any]], indent: str) -> Iterator[str]:
    for item in items:
        first, *rest = _mapping(item, indent + "  ")
        yield f"{indent}- {first.lstrip()}"
        yield from rest


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return '"' + "".join(_ESCAPES.get(char) or _quoted(char) for char in text) + '"'


def _quoted(char: str) -> str:
    if char == " " or char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
