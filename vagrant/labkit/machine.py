"""The QEMU command line of one guest."""

import enum
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labkit.errors import LabError

QEMU = "qemu-system-x86_64"


class Accelerator(enum.Enum):
    """How the guest's instructions are executed."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True, slots=True)
class Machine:
    """
    One guest.

    Attributes:
        image: The kernel, an ELF file.
        initramfs: What it starts from.
        accelerator: KVM or emulation.
        icount: One virtual processor whose clock advances 1 ns per instruction: times read in the guest are then
            instruction counts, and repeat. Only under emulation.
        memory: MiB.
        append: Extra kernel arguments.
        forwards: Pairs of ports (host's 127.0.0.1, guest's).
    """

    image: Path
    initramfs: Path
    accelerator: Accelerator = Accelerator.TCG
    icount: bool = False
    memory: int = 4096
    append: str = ""
    forwards: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Wires:
    """
    Descriptors of sockets that QEMU inherits.

    Attributes:
        console: The guest's serial console.
        terminal: The guest's /dev/hvc0, if it is to have one.
        ports: The virtio ports 1, 2, … in order.
        shares: Tag → vhost-user connection.
    """

    console: int
    ports: Sequence[int]
    shares: dict[str, int] = field(default_factory=dict)
    terminal: int | None = None

    def all(self) -> list[int]:
        """Every descriptor."""
        terminal = [] if self.terminal is None else [self.terminal]
        return [self.console, *self.ports, *self.shares.values(), *terminal]


def command_line(machine: Machine, wires: Wires) -> list[str]:
    """
    The command that runs a machine.

    Raises:
        LabError: QEMU is not installed.
    """
    if shutil.which(QEMU) is None:
        raise LabError(f"{QEMU} is missing", "apt-get install qemu-system-x86")
    memory = f"memory-backend-memfd,id=mem,size={machine.memory}M,share=on"
    append = f"console=ttyS0 panic=-1 quiet net.ifnames=0 {machine.append}".strip()
    return [
        *(QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *_processor(machine),
        *("-m", str(machine.memory), "-object", memory, "-numa", "node,memdev=mem"),
        *("-kernel", str(machine.image), "-initrd", str(machine.initramfs), "-append", append),
        *("-chardev", f"socket,id=console,fd={wires.console}", "-serial", "chardev:console"),
        *("-device", "virtio-serial-pci"),
        *_terminal(wires),
        *_ports(wires),
        *_shares(wires),
        *_network(machine),
    ]


def _processor(machine: Machine) -> list[str]:
    if machine.icount:
        return ["-accel", "tcg,tb-size=512", "-cpu", "max", "-smp", "1", "-icount", "shift=0,sleep=off"]
    if machine.accelerator is Accelerator.KVM:
        return ["-accel", "kvm", "-cpu", "host", "-smp", "2"]
    return ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-smp", "2"]


def _terminal(wires: Wires) -> list[str]:
    if wires.terminal is None:
        return []
    return ["-chardev", f"socket,id=terminal,fd={wires.terminal}", "-device", "virtconsole,chardev=terminal,nr=0"]


def _ports(wires: Wires) -> list[str]:
    return [
        word
        for number, descriptor in enumerate(wires.ports, start=1)
        for word in (
            *("-chardev", f"socket,id=port{number},fd={descriptor}"),
            *("-device", f"virtserialport,chardev=port{number},nr={number}"),
        )
    ]


def _shares(wires: Wires) -> list[str]:
    return [
        word
        for tag, descriptor in wires.shares.items()
        for word in (
            *("-chardev", f"socket,id={tag},fd={descriptor}"),
            *("-device", f"vhost-user-fs-pci,queue-size=1024,chardev={tag},tag={tag}"),
        )
    ]


def _network(machine: Machine) -> list[str]:
    """A card only if a port is forwarded; `restrict=on` keeps the guest from reaching anything by itself."""
    if not machine.forwards:
        return []
    forwards = "".join(f",hostfwd=tcp:127.0.0.1:{host}-:{guest}" for host, guest in machine.forwards)
    return ["-netdev", f"user,id=net,restrict=on{forwards}", "-device", "virtio-net-pci,netdev=net,romfile="]
