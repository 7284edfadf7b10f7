"""
A policy or waiver as canonical YAML: one text for one of them, and reading it gives it back.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from policy.language.selectors import fields_of
from policy.language.vocabulary import API_VERSION
from policy.model.types import CLASS_OF, CgroupScope, Errno, Policy, Rule, Scope, Subject, UnitScope, Waiver

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*|/[A-Za-z0-9_./-]*")
_NOT_TEXT = frozenset(["null", "true", "false", "yes", "no", "on", "off", "y", "n"])
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def dump(document: Policy | Waiver) -> str:
    """Canonical YAML of a policy or a waiver, ending with a newline; what equals its default is left out."""
    fields = _policy(document) if isinstance(document, Policy) else _waiver(document)
    return "\n".join(_mapping({"apiVersion": API_VERSION, **fields}, "")) + "\n"


def digest(document: Policy | Waiver) -> str:
    """SHA-256 of the canonical text, in hexadecimal: equal for what is equal, wherever it stood."""
    return hashlib.sha256(dump(document).encode()).hexdigest()


def _policy(policy: Policy) -> dict[str, Any]:
    metadata = {
        "name": policy.name,
        "labels": dict(policy.labels),
        "annotations": dict(policy.annotations),
        "owner": policy.owner,
        "tags": policy.tags,
    }
    spec = {
        "scope": [_scope(scope) for scope in policy.scope],
        "mode": str(policy.mode),
        "failMode": str(policy.fail_mode),
        "minimumLevel": str(policy.minimum_level),
        "defaults": {str(class_): str(action) for class_, action in policy.defaults},
        "rules": [_rule(rule) for rule in policy.rules],
    }
    return {"kind": "Policy", "metadata": _given(metadata), "spec": _given(spec)}


def _waiver(waiver: Waiver) -> dict[str, Any]:
    about = {str(CLASS_OF[type(waiver.selector)]): fields_of(waiver.selector)} if waiver.selector else {}
    spec = {
        "policy": waiver.policy,
        "rule": waiver.rule,
        "subject": _subject(waiver.subject) if waiver.subject else None,
        **about,
        "reason": waiver.reason,
        "owner": waiver.owner,
        "ticket": waiver.ticket,
        "expires": datetime.fromtimestamp(waiver.until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return {"kind": "Waiver", "metadata": {"name": waiver.name}, "spec": _given(spec)}


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
    before = {"id": rule.id, "subject": _subject(rule.subject) if rule.subject else None}
    after = {
        "action": str(rule.action),
        "errno": None if rule.errno is Errno.EPERM else str(rule.errno),
        "severity": rule.severity,
        "message": rule.message,
        "controls": controls,
        "tags": rule.tags,
    }
    return {**_given(before), str(rule.class_): fields_of(rule.selector), **_given(after)}


def _subject(subject: Subject) -> dict[str, Any]:
    return _given({**_who(subject, ""), "not": _who(subject, "not_")})


def _who(subject: Subject, sign: str) -> dict[str, Any]:
    return _given({part: getattr(subject, sign + part) for part in ("exe", "user", "group", "parent", "ancestor")})


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
