"""
The pydantic models of a file ↔ the frozen model: names and shapes change, meaning does not.
"""

from policy.language import schema
from policy.language.document import Node
from policy.language.findings import position_of
from policy.model.types import (
    Action,
    CgroupScope,
    Class,
    Control,
    ExecSelector,
    FailMode,
    FileSelector,
    HostScope,
    Level,
    Mode,
    NetworkSelector,
    Policy,
    Position,
    Rule,
    Scope,
    Selector,
    Subject,
    SyscallSelector,
    UnitScope,
)


def policy(document: schema.Document, root: Node, file: str) -> Policy:
    """The policy a valid document means."""
    spec = document.spec
    defaults = spec.defaults.model_dump(exclude_none=True)
    return Policy(
        name=document.metadata.name,
        scope=tuple(_scope(entry) for entry in spec.scope),
        rules=tuple(_rule(rule, _position(root, ("spec", "rules", at), file)) for at, rule in enumerate(spec.rules)),
        mode=Mode(spec.mode),
        fail_mode=FailMode(spec.failMode),
        minimum_level=Level(spec.minimumLevel),
        defaults=tuple((class_, Action(defaults[class_])) for class_ in Class if class_ in defaults),
        labels=tuple(sorted(document.metadata.labels.items())),
        annotations=tuple(sorted(document.metadata.annotations.items())),
        position=_position(root, (), file),
    )


def _position(root: Node, location: tuple[str | int, ...], file: str) -> Position:
    return Position(file, *position_of(root, location))


def _scope(entry: schema.ScopeEntry) -> Scope:
    if entry.cgroup is not None:
        return CgroupScope(entry.cgroup)
    return UnitScope(entry.unit) if entry.unit is not None else HostScope()


def _rule(rule: schema.Rule, position: Position) -> Rule:
    return Rule(
        id=rule.id,
        selector=_selector(rule),
        action=Action(rule.action),
        subject=_subject(rule.subject) if rule.subject else None,
        severity=rule.severity,
        message=rule.message,
        controls=tuple(Control(control.framework, control.version, control.id) for control in rule.controls),
        position=position,
    )


def _selector(rule: schema.Rule) -> Selector:
    """Operations come in the order of the class, each once: their order means nothing."""
    if rule.file is not None:
        operations = tuple(name for name in ("read", "write", "create") if name in rule.file.operations)
        return FileSelector(tuple(rule.file.paths), operations)
    if rule.exec is not None:
        return ExecSelector(tuple(rule.exec.paths))
    if rule.network is not None:
        network = rule.network
        return NetworkSelector(tuple(network.to), tuple(network.ports), tuple(network.protocols))
    assert rule.syscall is not None, "a rule has exactly one class"  # noqa: S101
    return SyscallSelector(tuple(rule.syscall.names))


def _subject(subject: schema.Subject) -> Subject:
    absent = subject.not_
    return Subject(
        exe=tuple(subject.exe),
        user=tuple(subject.user),
        group=tuple(subject.group),
        not_exe=tuple(absent.exe) if absent else (),
        not_user=tuple(absent.user) if absent else (),
        not_group=tuple(absent.group) if absent else (),
    )
