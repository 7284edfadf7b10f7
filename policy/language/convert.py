"""
The pydantic models of a document → the frozen model: names and shapes change, meaning does not.
"""

from policy.language import schema, waiver_schema
from policy.language.document import Node
from policy.language.findings import position_of
from policy.language.selectors import selector_of
from policy.model.types import (
    Action,
    CgroupScope,
    Class,
    Control,
    Errno,
    FailMode,
    HostScope,
    Level,
    Mode,
    Policy,
    Position,
    Rule,
    Scope,
    Subject,
    UnitScope,
    Waiver,
)


def policy(document: schema.PolicyDocument, root: Node, file: str) -> Policy:
    """The policy that a valid document means."""
    metadata, spec = document.metadata, document.spec
    defaults = spec.defaults.model_dump(exclude_none=True)
    return Policy(
        name=metadata.name,
        scope=tuple(_scope(entry) for entry in spec.scope),
        rules=tuple(_rule(rule, _position(root, ("spec", "rules", at), file)) for at, rule in enumerate(spec.rules)),
        mode=Mode(spec.mode),
        fail_mode=FailMode(spec.failMode),
        minimum_level=Level(spec.minimumLevel),
        defaults=tuple((class_, Action(defaults[class_])) for class_ in Class if class_ in defaults),
        labels=tuple(sorted(metadata.labels.items())),
        annotations=tuple(sorted(metadata.annotations.items())),
        owner=metadata.owner,
        tags=tuple(metadata.tags),
        position=_position(root, (), file),
    )


def waiver(document: waiver_schema.WaiverDocument, root: Node, file: str) -> Waiver:
    """The waiver that a valid document means."""
    spec = document.spec
    classes = spec.classes()
    return Waiver(
        name=document.metadata.name,
        policy=spec.policy,
        rule=spec.rule,
        reason=spec.reason,
        owner=spec.owner,
        until=spec.expires,
        ticket=spec.ticket,
        subject=_subject(spec.subject) if spec.subject else None,
        selector=selector_of(classes[0], getattr(spec, classes[0])) if classes else None,
        position=_position(root, (), file),
    )


def _position(root: Node, location: tuple[str | int, ...], file: str) -> Position:
    return Position(file, *position_of(root, location))


def _scope(entry: schema.ScopeEntry) -> Scope:
    if entry.cgroup is not None:
        return CgroupScope(entry.cgroup)
    return UnitScope(entry.unit) if entry.unit is not None else HostScope()


def _rule(rule: schema.Rule, position: Position) -> Rule:
    (class_,) = rule.classes()
    return Rule(
        id=rule.id,
        selector=selector_of(class_, getattr(rule, class_)),
        action=Action(rule.action),
        subject=_subject(rule.subject) if rule.subject else None,
        severity=rule.severity,
        message=rule.message,
        controls=tuple(Control(control.framework, control.version, control.id) for control in rule.controls),
        errno=Errno(rule.errno) if rule.errno else Errno.EPERM,
        tags=tuple(rule.tags),
        position=position,
    )


def _subject(subject: schema.Subject) -> Subject:
    absent = subject.not_
    return Subject(
        exe=tuple(subject.exe),
        user=tuple(subject.user),
        group=tuple(subject.group),
        parent=tuple(subject.parent),
        ancestor=tuple(subject.ancestor),
        not_exe=tuple(absent.exe) if absent else (),
        not_user=tuple(absent.user) if absent else (),
        not_group=tuple(absent.group) if absent else (),
        not_parent=tuple(absent.parent) if absent else (),
        not_ancestor=tuple(absent.ancestor) if absent else (),
    )
