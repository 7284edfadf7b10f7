"""
The manual of the language: for every class and operation its meaning, the kernel's hooks behind it, what these cannot
see, and an example. The reference is made from it and from the schema; tests run the examples.
"""

from collections.abc import Mapping
from types import MappingProxyType

from policy.language.manual.files import EXEC, FILE
from policy.language.manual.kernel import BPF, DEVICE, IO_URING, KEYRING, MODULE, MOUNT
from policy.language.manual.page import Case, Chapter, Operation
from policy.language.manual.processes import CAPABILITY, CREDENTIAL, NAMESPACE, PTRACE, SIGNAL, SYSCALL
from policy.language.manual.sockets import NETWORK
from policy.model.types import Class

__all__ = ["MANUAL", "Case", "Chapter", "Operation"]

MANUAL: Mapping[Class, Chapter] = MappingProxyType(
    {
        Class.FILE: FILE,
        Class.EXEC: EXEC,
        Class.NETWORK: NETWORK,
        Class.SYSCALL: SYSCALL,
        Class.CAPABILITY: CAPABILITY,
        Class.DEVICE: DEVICE,
        Class.MOUNT: MOUNT,
        Class.NAMESPACE: NAMESPACE,
        Class.PTRACE: PTRACE,
        Class.SIGNAL: SIGNAL,
        Class.BPF: BPF,
        Class.MODULE: MODULE,
        Class.CREDENTIAL: CREDENTIAL,
        Class.KEYRING: KEYRING,
        Class.IO_URING: IO_URING,
    }
)
