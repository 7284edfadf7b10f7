"""
Where BPF LSM cannot be used: programs attached to cgroups. Each runs for everything below its cgroup, so only the
top-most of the scoped ones get them; nested attachments would decide twice.
"""

import contextlib
import errno
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from agent.kernel.pins import Pins
from agent.kernel.programs import CGROUP_HOOKS
from agent.kernel.programs_file import Program
from agent.kernel.syscall import Bpf, BpfError

#: The cgroup went away between its number and now: nothing of it is left to confine.
_GONE = frozenset((errno.ENOENT, errno.ESTALE, errno.ENODEV))


@dataclass(frozen=True, slots=True)
class CgroupLinks:
    """
    Attributes:
        set: Name of the set of programs, see `agent.kernel.pins`.
        programs: Those to attach, with their descriptors.
        mount: The cgroup2 mount.
        held: Descriptors of the links by name: as long as one is open, unmounting the BPF file system detaches nothing.
    """

    bpf: Bpf
    pins: Pins
    set: str
    programs: tuple[tuple[Program, int], ...]
    mount: Path
    held: dict[str, int] = field(default_factory=dict)

    def adopt(self) -> None:
        """
        Take over the links that are pinned.

        Raises:
            BpfError: One cannot be opened.
        """
        for name in self.names():
            self.held[name] = self.bpf.open_pin(self.pins.link(self.set, name))

    def attach(self, cgroups: Iterable[int]) -> list[str]:
        """
        Attach to the top-most of these cgroups where that is not done yet; names of the new links.

        Raises:
            BpfError: The kernel refused; none of the new ones is left.
        """
        made: list[str] = []
        try:
            with self._opened(cgroups) as opened:
                for number, fd in opened.items():
                    for program, descriptor in self.programs:
                        self._attach(program, descriptor, number, fd, made)
        except BpfError:
            self.remove(made)
            raise
        return made

    def _attach(self, program: Program, descriptor: int, number: int, cgroup: int, made: list[str]) -> None:
        name = link_name(program.name, number)
        path = self.pins.link(self.set, name)
        if os.path.lexists(path):
            return
        link = self.bpf.attach_cgroup(program.name, descriptor, cgroup, CGROUP_HOOKS[program.hook])
        try:
            self.bpf.pin(link, path)
        except BpfError:
            os.close(link)
            raise
        self.held[name] = link
        made.append(name)

    def settle(self, cgroups: Collection[int]) -> None:
        """
        Attach to the top-most of these and to nothing else; first the one and then the other, so that none is without.

        Raises:
            BpfError: Links stay that nothing needs.
        """
        self.attach(cgroups)
        with self._opened(cgroups) as opened:
            self.remove([name for name in self.names() if cgroup_of(name) not in opened])

    def remove(self, names: Iterable[str]) -> None:
        for name in list(names):
            self.bpf.unpin(self.pins.link(self.set, name))
            if name in self.held:
                os.close(self.held.pop(name))

    def close(self) -> None:
        """Close every descriptor; what is pinned stays attached."""
        while self.held:
            os.close(self.held.popitem()[1])

    def names(self) -> list[str]:
        return [name for name in self.pins.links(self.set) if cgroup_of(name)]

    @contextlib.contextmanager
    def _opened(self, cgroups: Iterable[int]) -> Iterator[dict[int, int]]:
        """Descriptors of the top-most that exist, by number."""
        with contextlib.ExitStack() as stack:
            mount = os.open(self.mount, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, mount)
            opened: dict[int, int] = {}
            for number in cgroups:
                with contextlib.suppress(CgroupGoneError):
                    opened[number] = self._open(mount, number)
                    stack.callback(os.close, opened[number])
            paths = {number: str(Path(f"/proc/self/fd/{fd}").readlink()) for number, fd in opened.items()}
            yield {number: opened[number] for number in sorted(topmost(paths))}

    def _open(self, mount: int, number: int) -> int:
        try:
            return self.bpf.open_cgroup(mount, number)
        except BpfError as error:
            if error.errno in _GONE:
                raise CgroupGoneError(number) from error
            raise


class CgroupGoneError(Exception):
    """
    Attributes:
        number: Of the cgroup that is no more.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"cgroup {number} is gone")
        self.number = number


def topmost(paths: Mapping[int, str]) -> Collection[int]:
    """The cgroups none of whose ancestors is among them."""
    known = set(paths.values())
    return [n for n, path in paths.items() if not any(str(parent) in known for parent in PurePosixPath(path).parents)]


def link_name(program: str, cgroup: int) -> str:
    return f"{program}-{cgroup:x}"


def cgroup_of(link: str) -> int:
    """Number of the cgroup in a link's name; 0: it is attached to the whole kernel."""
    _, dash, number = link.partition("-")
    return int(number, 16) if dash else 0
