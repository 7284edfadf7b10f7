"""
Enforcement in this kernel, as its user sees it: install programs or take them over, install rulesets, switch, read
counts.

    enforcer = Enforcer.open_or_install(Path("x.programs"))
    enforcer.install(ruleset, {cgroup_id: profile}, generation=1)

Everything lives in the kernel and stays there when this process ends. Methods may be called from any thread; those that
change something run one after the other.
"""

import os
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from agent import abi
from agent.host.clocks import boot_ns
from agent.kernel import attach, counters
from agent.kernel import scopes as scope_tables
from agent.kernel.cgroups import CgroupLinks
from agent.kernel.gate import Gate
from agent.kernel.hooks import HookState, hook_state
from agent.kernel.install import Installed, Installer
from agent.kernel.maps import possible_processors
from agent.kernel.pins import ROOT, Pins, ensure_mounted, set_name
from agent.kernel.programs_file import Program, ProgramsFile, ProgramsFileError, parse
from agent.kernel.scopes import NoGenerationError, scopes_of
from agent.kernel.slots import Slots, classes_of
from agent.kernel.syscall import Bpf, BpfError, Kernel
from agent.kernel.tables import RulesetLimitError
from agent.kernel.wall import Wall
from agent.workloads.tree import find_mount
from policy.compiler.ruleset import Ruleset
from policy.model.types import Class

__all__ = ["Enforcer", "HookState", "Live", "Mode", "NoGenerationError", "uninstall"]

Mode = Literal["lsm", "cgroup"]


@dataclass(frozen=True, slots=True)
class Live:
    """
    The generation that the programs follow now.

    Attributes:
        slot, generation: 0: none.
        reverts_at: Boot-clock nanosecond at which `fallback` is live instead; 0: never.
        fallback: Generation that was live before; 0: none.
    """

    slot: int
    generation: int
    reverts_at: int
    fallback: int


class Enforcer:
    """Made by `open_or_install`."""

    def __init__(self, bpf: Bpf, pins: Pins, file: ProgramsFile, mode: Mode, mount: Path | None) -> None:
        self._bpf, self._pins, self._file, self.mode = bpf, pins, file, mode
        self._processors, self._set = possible_processors(), set_name(file, mode)
        self._lock, self._closed = threading.RLock(), False
        self._programs = tuple(program for program in file.programs if mode in program.modes)
        #: Programs of the manifest whose hook this kernel lacks.
        self.absent = file.absent
        self._attached = attach.attach(bpf, pins, self._set, file, self._programs, self._processors)
        shapes = {shape.name: shape for shape in file.maps}
        self._slots = Slots(bpf, self._attached.maps)
        self._installer = Installer(bpf, self._attached.maps, shapes, self._processors, self._slots)
        self.gate = Gate(bpf, os.dup(self._attached.maps["control"]))
        self._wall = Wall(bpf, self._attached.maps["control"])
        self.adopted = self._attached.adopted
        self._cgroups: CgroupLinks | None = None
        try:
            self._cgroups = self._cgroup_links(mount) if mode == "cgroup" else None
            self.upgraded_from = self._retire_others()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open_or_install(
        cls,
        programs: ProgramsFile | Path,
        root: Path = ROOT,
        mode: Mode = "lsm",
        *,
        bpf: Bpf | None = None,
        cgroup_mount: Path | None = None,
    ) -> "Enforcer":
        """
        Take over what is pinned below `root`, or install it.

        If another version of the programs is pinned, these are attached before those are detached; maps are shared.

        Args:
            programs: What the loader wrote, or its file.
            mode: lsm, or cgroup where LSM programs cannot be used: connect and sendmsg of scoped cgroups only.

        Raises:
            ProgramsFileError: Not a file of ours, or of another ABI.
            PinError: The BPF file system is not mounted and cannot be.
            MapMismatchError: Maps of another shape are pinned.
            BpfError: The kernel refused a call; nothing new is left behind.
            OSError: A file cannot be read.
        """
        file = parse(programs.read_bytes()) if isinstance(programs, Path) else programs
        if file.abi != abi.VERSION:
            raise ProgramsFileError(f"ABI {file.abi}", f"ABI {abi.VERSION}")
        if root.is_relative_to("/sys/fs/bpf"):
            ensure_mounted()
        return cls(bpf or Kernel(), Pins(root), file, mode, cgroup_mount)

    def _cgroup_links(self, mount: Path | None) -> CgroupLinks:
        programs = tuple((p, self._attached.programs[p.name]) for p in self._programs if p.kind == "cgroup")
        links = CgroupLinks(self._bpf, self._pins, self._set, programs, mount or find_mount())
        links.adopt()
        return links

    def _retire_others(self) -> tuple[str, ...]:
        """Let go of other versions of the programs, once ours are attached where theirs were."""
        others = tuple(name for name in self._pins.sets() if name != self._set)
        if others:
            slots = self._slots.needed()
            self._attach_for(self._scoped(), {number for slot in slots for number in self._classes(slot)})
        for name in others:
            self._pins.remove_set(self._bpf, name)
        return others

    # ---- generations

    def install(
        self, ruleset: Ruleset, scopes: Mapping[int, int], generation: int, reverts_at: int | None = None
    ) -> Installed:
        """
        Make a ruleset live, whole, by one write at the end.

        Args:
            scopes: Profile by cgroup number (inode of its directory).
            generation: Higher than every one before.
            reverts_at: Boot-clock nanosecond at which the kernel goes back to the last confirmed generation.

        Raises:
            GenerationError, RulesetLimitError, BpfError: The live generation is what it was.
        """
        with self._lock:
            classes = {
                number for profile in ruleset.profiles for number, one in enumerate(profile.classes) if one.labels
            }
            try:
                installed = self._installer.install(
                    ruleset, scopes, generation, reverts_at, lambda: self._attach_for(scopes, classes)
                )
            except BaseException:
                self._detach_unused()
                raise
            self._detach_unused()
            return installed

    def _attach_for(self, scopes: Iterable[int], classes: Collection[int]) -> None:
        """Attach what a generation needs beside what is attached to the whole kernel anyhow."""
        if self._cgroups:
            self._cgroups.attach({*scopes, *self._scoped()})
        for program in self._programs:
            if program.when and Class(program.when).number in classes:
                attach.attach_one(self._bpf, self._attached, self._pins.link(self._set, program.name), program)

    def _scoped(self) -> set[int]:
        """Cgroups that the live generation, or the one it may go back to, confines."""
        return {cgroup for slot in self._slots.needed() for cgroup in scopes_of(self._bpf, self._map("scopes"), slot)}

    def _needs(self, program: Program) -> bool:
        """Whether the live generation, or the one it may go back to, has rules that the program is for."""
        return any(Class(program.when).number in self._classes(slot) for slot in self._slots.needed())

    def _classes(self, slot: int) -> list[int]:
        """Numbers of the classes that the generation in that slot has rules for."""
        return classes_of(self._bpf, self._map("profiles"), slot)

    def _detach_unused(self) -> None:
        """What stays attached for nothing costs time, but decides nothing; and what was needed still is attached."""
        with suppress(BpfError):
            if self._cgroups:
                self._cgroups.settle(self._scoped())
            for program in self._programs:
                if program.when and program.name in self._attached.links and not self._needs(program):
                    attach.detach_one(self._bpf, self._attached, self._pins.link(self._set, program.name), program)

    def live(self) -> Live:
        slot = self._slots.live()
        content = self._slots.read(slot)
        fallback = self._slots.read(content.fallback).generation
        return Live(slot, content.generation, content.reverts_at, fallback if content.fallback else 0)

    def generations(self) -> dict[int, int]:
        """Slot by generation, of every one whose ruleset and counters are still in the kernel."""
        found = {self._slots.read(slot).generation: slot for slot in range(1, abi.SLOTS)}
        return {generation: slot for generation, slot in sorted(found.items()) if generation}

    def victim(self) -> int:
        """Generation whose place the next install takes; 0: a free one. Its counters are in `Installed.retired`."""
        return self._slots.plan().replaced.generation

    def rollback(self) -> Live:
        """
        Make the generation before live again.

        Raises:
            NoGenerationError: There is none.
        """
        with self._lock:
            slot = self._slots.previous()
            if not slot:
                raise NoGenerationError("roll back", "one that was live before")
            self._attach_for(scopes_of(self._bpf, self._map("scopes"), slot), self._classes(slot))
            self._slots.renew(slot)
            self._slots.select(slot)
            self._detach_unused()
            return self.live()

    def withdraw(self) -> None:
        """Make no generation live: everything is allowed."""
        with self._lock:
            self._slots.select(0)
            self._detach_unused()

    def confirm(self) -> bool:
        """
        Keep the live generation; whether it was to go back.

        Raises:
            NoGenerationError: It has gone back already.
        """
        with self._lock:
            selected = self._slots.selected()
            content = self._slots.read(selected)
            if not selected or not content.reverts_at:
                return False
            if boot_ns() >= content.reverts_at:
                raise NoGenerationError("confirm", f"generation {content.generation} within its time")
            self._slots.write(selected, replace(content, reverts_at=0))
            return True

    # ---- scopes of the live generation

    def scopes(self) -> dict[int, int]:
        """Profile by cgroup number."""
        found = scopes_of(self._bpf, self._map("scopes"), self._slots.live())
        return {cgroup: profile for cgroup, (profile, _) in found.items()}

    def scope_set(self, cgroup: int, profile: int) -> None:
        """
        Confine a cgroup that was made after the install; tasks in it are armed by their next exec.

        Raises:
            NoGenerationError: Nothing is live.
            RulesetLimitError: No room for a further one, or no such profile.
            BpfError: The kernel refused.
        """
        with self._lock:
            slot = self._slots.live()
            scope_tables.check_profile(self._bpf, self._map("profiles"), slot, profile)
            made = self._cgroups.attach({*self._scoped(), cgroup}) if self._cgroups else []
            try:
                scope_tables.put(self._bpf, self._map("scopes"), slot, cgroup, profile)
            except (BpfError, RulesetLimitError):
                if self._cgroups:
                    self._cgroups.remove(made)
                raise
            self._slots.renew(slot)
            self._detach_unused()

    def scope_remove(self, cgroup: int) -> None:
        """
        Raises:
            NoGenerationError, BpfError: As `scope_set`.
        """
        with self._lock:
            slot = self._slots.live()
            scope_tables.take(self._bpf, self._map("scopes"), slot, cgroup)
            self._slots.renew(slot)
            self._detach_unused()

    # ---- time

    def keep_wall(self) -> float:
        """
        Tell the programs the wall clock anew, after it may have been set; by how many seconds it had been.

        Raises:
            BpfError: The kernel refused.
        """
        return self._wall.keep()

    # ---- what is told

    def hits(self, slot: int) -> list[int]:
        """Exact count of each rule of the generation in that slot."""
        return counters.hits_of(self._bpf, self._map("counters"), slot, self._slots.read(slot))

    def totals(self) -> dict[str, int]:
        """Exact sums since the maps were made, by name; `undecided:REASON` for requests that could not be decided."""
        return dict(counters.totals_of(self._bpf, self._map("totals"), self._processors))

    def ring_fds(self) -> tuple[int, int]:
        """Descriptors of the violation ring and the observation ring; they stay the enforcer's."""
        return self._map("violations"), self._map("observations")

    def hooks(self) -> list[HookState]:
        """What is attached where, as the kernel says it."""
        with self._lock:
            states = [self._hook(program) for program in self._programs]
        absent = [HookState(name, "", "", False, "this kernel has no such hook") for name in self._file.absent]
        return states + absent

    def _hook(self, program: Program) -> HookState:
        needed = self._needs(program) if program.when else bool(self._scoped())
        links = self._cgroups.held if self._cgroups else {}
        return hook_state(self._bpf, program, self._attached, links, needed)

    def exempt_self(self) -> None:
        """
        Mark this process as the agent's own: never refused. Call it before other threads start; forks inherit it until
        they execute a program.

        Raises:
            BpfError: The kernel refused.
        """
        row = np.zeros(1, abi.TASK)
        row["flags"] = abi.TaskFlag.EXEMPT
        process = self._bpf.open_process(os.getpid())
        try:
            self._bpf.map_update(self._map("tasks"), process.to_bytes(4, "little"), row.tobytes())
        finally:
            os.close(process)

    # ---- the end

    def uninstall(self) -> None:
        """
        Detach everything and take every pin away. The enforcer is closed then.

        Raises:
            BpfError: A pin stays.
        """
        with self._lock:
            self._slots.select(0)
            self.close()
            self._pins.remove_all(self._bpf)

    def close(self) -> None:
        """Close every descriptor; what is pinned goes on."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._installer.close()
            self._attached.close()
            self.gate.release()
            if self._cgroups:
                self._cgroups.close()

    def _map(self, name: str) -> int:
        return self._attached.maps[name]


def uninstall(root: Path = ROOT, bpf: Bpf | None = None) -> None:
    """
    Take away everything below `root`, whatever version put it there.

    Raises:
        BpfError: A pin stays.
    """
    Pins(root).remove_all(bpf or Kernel())
