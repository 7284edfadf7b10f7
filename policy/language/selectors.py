"""
What a rule is about, between file and model: for each class one way in and one way out, which are each other's inverse.

Operations, types and kinds come in the order of the model, each once: their order means nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from policy.language.vocabulary import PROTOCOL_NAMES
from policy.model import types
from policy.model.names import FAMILY_NAMES, SIGNALS
from policy.model.types import OPERATIONS, Class, DeviceKind, FileType

_SIGNAL_NAMES = {number: name for name, number in SIGNALS.items()}


def selector_of(class_: Class, rule: Any) -> types.Selector:
    """
    The selector that a class's model means.

    Args:
        rule: An instance of the class's model in `policy.language.classes`.
    """
    return _READ[class_](rule)


def fields_of(selector: types.Selector) -> dict[str, Any]:
    """What stands in a file below the class; what restricts nothing is left out, but operations are spelled out."""
    return {name: value for name, value in _WRITE[type(selector)](selector).items() if value not in ((), [], None)}


def _operations(class_: Class, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in OPERATIONS[class_] if name in names)


def _file(rule: Any) -> types.FileSelector:
    found = tuple(one for one in FileType if str(one) in rule.types)
    return types.FileSelector(tuple(rule.paths), _operations(Class.FILE, rule.operations), found, bool(rule.fileless))


def _exec(rule: Any) -> types.ExecSelector:
    return types.ExecSelector(tuple(rule.paths), fileless=bool(rule.fileless))


def _network(rule: Any) -> types.NetworkSelector:
    return types.NetworkSelector(
        to=tuple(rule.to),
        ports=tuple(rule.ports),
        protocols=tuple(rule.protocols),
        operations=_operations(Class.NETWORK, rule.operations),
        families=tuple(rule.families),
        unix=tuple(rule.unix),
    )


def _device(rule: Any) -> types.DeviceSelector:
    kinds = tuple(one for one in DeviceKind if str(one) in rule.kinds)
    return types.DeviceSelector(_operations(Class.DEVICE, rule.operations), kinds, tuple(rule.numbers))


def _mount(rule: Any) -> types.MountSelector:
    operations = _operations(Class.MOUNT, rule.operations)
    return types.MountSelector(operations, tuple(rule.sources), tuple(rule.targets), tuple(rule.types))


def _ptrace(rule: Any) -> types.PtraceSelector:
    return types.PtraceSelector(_operations(Class.PTRACE, rule.operations), outside=rule.target == "outside")


def _credential(rule: Any) -> types.CredentialSelector:
    return types.CredentialSelector(_operations(Class.CREDENTIAL, rule.operations), tuple(rule.ids))


def _of_operations(class_: Class, selector: Callable[[tuple[str, ...]], types.Selector]) -> Callable[[Any], Any]:
    return lambda rule: selector(_operations(class_, rule.operations))


_READ: Mapping[Class, Callable[[Any], types.Selector]] = {
    Class.FILE: _file,
    Class.EXEC: _exec,
    Class.NETWORK: _network,
    Class.SYSCALL: lambda rule: types.SyscallSelector(tuple(rule.names)),
    Class.CAPABILITY: lambda rule: types.CapabilitySelector(tuple(rule.names)),
    Class.DEVICE: _device,
    Class.MOUNT: _mount,
    Class.NAMESPACE: lambda rule: types.NamespaceSelector(tuple(rule.kinds)),
    Class.PTRACE: _ptrace,
    Class.SIGNAL: lambda rule: types.SignalSelector(tuple(rule.signals)),
    Class.BPF: _of_operations(Class.BPF, types.BpfSelector),
    Class.MODULE: _of_operations(Class.MODULE, types.ModuleSelector),
    Class.CREDENTIAL: _credential,
    Class.KEYRING: _of_operations(Class.KEYRING, types.KeyringSelector),
    Class.IO_URING: _of_operations(Class.IO_URING, types.IoUringSelector),
}


def _file_fields(one: types.FileSelector) -> dict[str, Any]:
    kinds = [str(kind) for kind in one.types]
    return {"paths": one.paths, "types": kinds, "fileless": one.fileless or None, "operations": one.operations}


def _network_fields(one: types.NetworkSelector) -> dict[str, Any]:
    return {
        "operations": one.operations,
        "to": one.to,
        "ports": [first if first == last else f"{first}-{last}" for first, last in one.ports],
        "protocols": [PROTOCOL_NAMES.get(number, number) for number in one.protocols],
        "families": [FAMILY_NAMES.get(number, number) for number in one.families],
        "unix": one.unix,
    }


def _device_fields(one: types.DeviceSelector) -> dict[str, Any]:
    numbers = [f"{major}:{'*' if minor is None else minor}" for major, minor in one.numbers]
    return {"operations": one.operations, "kinds": [str(kind) for kind in one.kinds], "numbers": numbers}


def _mount_fields(one: types.MountSelector) -> dict[str, Any]:
    return {"operations": one.operations, "sources": one.sources, "targets": one.targets, "types": one.types}


def _signal_fields(one: types.SignalSelector) -> dict[str, Any]:
    return {"signals": [_SIGNAL_NAMES.get(number, number) for number in one.signals], "operations": one.operations}


_WRITE: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    types.FileSelector: _file_fields,
    types.ExecSelector: lambda one: {
        "paths": one.paths,
        "fileless": one.fileless or None,
        "operations": one.operations,
    },
    types.NetworkSelector: _network_fields,
    types.SyscallSelector: lambda one: {"names": one.names},
    types.CapabilitySelector: lambda one: {"names": one.names},
    types.DeviceSelector: _device_fields,
    types.MountSelector: _mount_fields,
    types.NamespaceSelector: lambda one: {"kinds": one.kinds},
    types.PtraceSelector: lambda one: {"operations": one.operations, "target": "outside" if one.outside else None},
    types.SignalSelector: _signal_fields,
    types.BpfSelector: lambda one: {"operations": one.operations},
    types.ModuleSelector: lambda one: {"operations": one.operations},
    types.CredentialSelector: lambda one: {"operations": one.operations, "ids": one.ids},
    types.KeyringSelector: lambda one: {"operations": one.operations},
    types.IoUringSelector: lambda one: {"operations": one.operations},
}
