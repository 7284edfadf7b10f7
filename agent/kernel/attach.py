"""Bring one set of programs into the kernel, or take over what is pinned of it; then let older sets go."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from agent.kernel import maps
from agent.kernel.pins import Pins
from agent.kernel.programs import constants_for, load
from agent.kernel.programs_file import Program, ProgramsFile
from agent.kernel.syscall import Bpf, BpfError
from agent.kernel.wall import Wall

#: The verifier takes up to some 100 MB for each program that it works on.
_LOADERS = 8


@dataclass(frozen=True, slots=True)
class Attached:
    """
    Descriptors by name. The links are held, so that unmounting the BPF file system detaches nothing.

    Attributes:
        adopted: Everything was pinned already.
    """

    maps: Mapping[str, int]
    programs: Mapping[str, int]
    links: dict[str, int]
    adopted: bool

    def close(self) -> None:
        for fd in (*self.maps.values(), *self.programs.values(), *self.links.values()):
            os.close(fd)


@dataclass(slots=True)
class _Work:
    """What is being built: descriptors, and the pins that are new."""

    bpf: Bpf
    pins: Pins
    processors: int
    maps: dict[str, int] = field(default_factory=dict)
    programs: dict[str, int] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)

    def undo(self) -> None:
        """Close everything, and take away what was not there before, links first."""
        for fd in (*self.maps.values(), *self.programs.values(), *self.links.values()):
            os.close(fd)
        for path in reversed(self.made):
            with contextlib.suppress(BpfError):
                self.bpf.unpin(path)
        self.pins.remove_empty()


def attach(bpf: Bpf, pins: Pins, set_: str, file: ProgramsFile, programs: tuple[Program, ...], cpus: int) -> Attached:
    """
    Open or make every map, program and link of a set, complete; and nothing new if that fails.

    Args:
        programs: Those of the mode. Those of cgroups, and those for a class of rules, are attached later, where they
            are needed. Iterators are run, to meet the tasks that were there before.

    Raises:
        MapMismatchError: A pinned map is not what these programs expect.
        UnknownConstantError: They want what we do not have.
        BpfError, PinError, OSError: It cannot be done.
    """
    pins.prepare(set_)
    with _alone(pins):
        work = _Work(bpf, pins, cpus)
        try:
            _maps(work, file, deep=not pins.programs(set_))
            Wall(bpf, work.maps["control"]).keep()
            _programs(work, set_, file, programs)
            _links(work, set_, programs)
            for program in programs:
                if program.kind == "iter":
                    bpf.iterate(program.name, work.programs[program.name])
        except BaseException:
            work.undo()
            raise
        return Attached(work.maps, work.programs, work.links, adopted=not work.made)


@contextlib.contextmanager
def _alone(pins: Pins) -> Iterator[None]:
    """One installer at a time."""
    directory = os.open(pins.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _maps(work: _Work, file: ProgramsFile, deep: bool) -> None:
    """Where programs of this very set are pinned, inner maps were checked before they were: that takes 30 ms each."""
    for shape in file.maps:
        path = work.pins.map(shape.name)
        new = not os.path.lexists(path)
        work.maps[shape.name] = maps.open_or_create(work.bpf, shape, work.processors, path, deep=deep)
        work.made += [path] if new else []


def _programs(work: _Work, set_: str, file: ProgramsFile, programs: tuple[Program, ...]) -> None:
    """Open those that are pinned, load and pin the others."""
    for program in programs:
        fd = maps.open_pinned(work.bpf, work.pins.program(set_, program.name))
        if fd is not None:
            work.programs[program.name] = fd
    missing = [program for program in programs if program.name not in work.programs]
    if not missing:
        return
    executes = any(program.kind == "lsm" for program in programs)
    constants = constants_for(file.constants, {"cpus": work.processors, "arming": int(executes)})
    descriptors = [work.maps[shape.name] for shape in file.maps]
    loaded = load(work.bpf, missing, descriptors, constants, min(_LOADERS, len(os.sched_getaffinity(0))))
    work.programs |= {program.name: fd for program, fd in zip(missing, loaded, strict=True)}
    for program in missing:
        path = work.pins.program(set_, program.name)
        work.bpf.pin(work.programs[program.name], path)
        work.made.append(path)


def _links(work: _Work, set_: str, programs: tuple[Program, ...]) -> None:
    """Attach what is always attached; of the rest, open what is pinned."""
    for program in programs:
        always = program.kind in ("lsm", "tp_btf") and not program.when
        if always or os.path.lexists(work.pins.link(set_, program.name)):
            _link(work, set_, program)


def _link(work: _Work, set_: str, program: Program) -> None:
    path = work.pins.link(set_, program.name)
    fd = maps.open_pinned(work.bpf, path)
    if fd is None:
        fd = work.links[program.name] = work.bpf.attach_tracing(program.name, work.programs[program.name])
        work.bpf.pin(fd, path)
        work.made.append(path)
    work.links[program.name] = fd


def attach_one(bpf: Bpf, attached: Attached, path: str, program: Program) -> bool:
    """
    Attach a program to the whole kernel and pin the link, where that is not done; True: it was done now.

    Raises:
        BpfError: The kernel refused; it is not attached.
    """
    if program.name in attached.links:
        return False
    link = bpf.attach_tracing(program.name, attached.programs[program.name])
    try:
        bpf.pin(link, path)
    except BpfError:
        os.close(link)
        raise
    attached.links[program.name] = link
    return True


def detach_one(bpf: Bpf, attached: Attached, path: str, program: Program) -> None:
    """
    Raises:
        BpfError: It stays attached.
    """
    if program.name in attached.links:
        bpf.unpin(path)
        os.close(attached.links.pop(program.name))
