"""
Which operations are the riskiest to allow: those that change what runs, then what is kept, then what is seen.
"""

from policy.model.types import Class

_ORDER: tuple[tuple[Class, tuple[str, ...]], ...] = (
    (Class.MODULE, ("load",)),
    (Class.BPF, ("load", "attach")),
    (Class.EXEC, ("exec",)),
    (Class.FILE, ("write", "create", "rename", "link", "mapExec", "delete", "truncate", "attr")),
    (Class.CAPABILITY, ("use",)),
    (Class.MOUNT, ("mount", "move", "pivot", "umount")),
    (Class.PTRACE, ("attach",)),
    (Class.CREDENTIAL, ("setuid", "setgid")),
    (Class.NAMESPACE, ("create",)),
    (Class.DEVICE, ("write", "create")),
    (Class.NETWORK, ("connect", "send", "bind", "listen", "accept", "create")),
    (Class.SIGNAL, ("send",)),
    (Class.FILE, ("read",)),
    (Class.DEVICE, ("read",)),
)
_PLACES = {pair: at for at, pair in enumerate((class_, one) for class_, names in _ORDER for one in names)}


def risk(class_: Class, operation: str) -> int:
    """Place in the order of risk; less is riskier."""
    return _PLACES.get((class_, operation), len(_PLACES))
