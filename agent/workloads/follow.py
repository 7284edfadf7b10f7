"""
The cgroups that exist, followed as they come and go.

Every cgroup has a watch. A directory made between its parent's event and its own watch would be missed, so a new
cgroup is watched first and listed afterwards; what is then reported twice is known already. When the kernel's queue
overflows the tree is walked again, and compared. Without watches (limit reached) the tree is walked at every refresh:
slower, and it says so.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from agent.workloads import inotify, tree


@dataclass(frozen=True, slots=True)
class Change:
    """
    What changed since the last time: paths and ids.

    Attributes:
        added: Each before those below it.
    """

    added: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


class Follower:
    """
    Knows every cgroup below a mount.

    Attributes:
        cgroups: Path → id; current as of the last `refresh`.
        limited: Why watches are incomplete, so that only `refresh` notices changes; "" if they are complete.
    """

    def __init__(self, root: Path) -> None:
        self.cgroups: dict[str, int] = {}
        self.limited = ""
        self._root = root
        self._watches: dict[int, str] = {}
        self._inotify = inotify.Inotify()
        self._add("/", Change())

    def fileno(self) -> int:
        """Readable when `refresh` has something to say."""
        return self._inotify.fileno()

    def close(self) -> None:
        self._inotify.close()

    def refresh(self) -> Change:
        """Bring `cgroups` up to date."""
        change = Change()
        again = bool(self.limited)
        for event in self._inotify.read():
            again = again or bool(event.mask & inotify.OVERFLOW)
            self._apply(event, change)
        if again:
            self._compare(change)
        for path in change.added.keys() & change.removed.keys():
            _forget_replaced(path, change)
        return change

    def _apply(self, event: inotify.Event, change: Change) -> None:
        if event.mask & inotify.IGNORED:
            self._watches.pop(event.watch, None)
            return
        parent = self._watches.get(event.watch)
        if parent is None or not event.mask & inotify.IS_DIRECTORY:
            return
        path = f"{parent.rstrip('/')}/{event.name}"
        if event.mask & inotify.CREATE:
            self._add(path, change)
        elif not (self._root / path.lstrip("/")).exists():
            self._drop(path, change)

    def _add(self, path: str, change: Change) -> None:
        """Take a cgroup in, and all below it: watch first, list afterwards."""
        waiting = [path]
        while waiting:
            current = waiting.pop()
            directory = self._root / current.lstrip("/")
            try:
                self._watch(current, directory)
                number = tree.id_of(directory)
            except FileNotFoundError:
                continue  # gone already
            self._know(current, number, change)
            waiting += (child for child, _ in tree.children(self._root, current))

    def _watch(self, path: str, directory: Path) -> None:
        if self.limited:
            return
        try:
            self._watches[self._inotify.add(str(directory))] = path
        except FileNotFoundError:
            raise
        except OSError as error:
            self.limited = f"cannot watch every cgroup: {os.strerror(error.errno or 0)} (fs.inotify.max_user_watches)"

    def _know(self, path: str, number: int, change: Change) -> None:
        known = self.cgroups.get(path)
        if known == number:
            return
        if known is not None:
            change.removed[path] = known
        self.cgroups[path] = number
        change.added[path] = number

    def _drop(self, path: str, change: Change) -> None:
        """A cgroup can only go when none is below it, so its own entry is the only one."""
        if (number := self.cgroups.pop(path, None)) is not None:
            change.removed[path] = number

    def _compare(self, change: Change) -> None:
        """Walk the tree and take over what it says."""
        found = dict(tree.walk(self._root))
        for path in self.cgroups.keys() - found.keys():
            self._drop(path, change)
        for path in found:
            if path not in self.cgroups:
                self._add(path, change)
            else:
                self._know(path, found[path], change)


def _forget_replaced(path: str, change: Change) -> None:
    """A cgroup that came and went between two looks is none of anybody's business."""
    if change.added[path] == change.removed[path]:
        del change.added[path], change.removed[path]
