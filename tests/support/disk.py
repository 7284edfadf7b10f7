"""A disk in memory of which any step can fail, and which forgets what was not synced when the power goes."""

from dataclasses import dataclass, field


class Died(BaseException):
    """The process ended here: nothing of it runs any more."""


@dataclass
class Plan:
    """
    What goes wrong, once: at which step that changes something, and how.

    Attributes:
        at: Number of the step, from 1; 0: never.
        kind: "fail": it raises OSError, half done; "die": the process ends before it; "die-after": right after it.
        times: How many steps in a row it happens to.
    """

    at: int = 0
    kind: str = "fail"
    times: int = 1
    steps: list[str] = field(default_factory=list)

    def step(self, name: str) -> str:
        """What happens to this step: "", or the kind."""
        self.steps.append(name)
        return self.kind if self.at and self.at <= len(self.steps) < self.at + self.times else ""


@dataclass
class _Content:
    data: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    #: What a failed sync left: pages that are thought clean and are not on the disk.
    holes: list[tuple[int, int]] = field(default_factory=list)

    def sync(self) -> None:
        self.durable = bytes(self.data)
        for start, end in self.holes:
            self.durable = self.durable[:start] + bytes(min(end, len(self.data)) - start) + self.durable[end:]

    def truncate(self, size: int) -> None:
        del self.data[size:]
        self.durable = self.durable[:size]
        self.holes = [(start, min(end, size)) for start, end in self.holes if start < size]


class Disk:
    """`agent.spool.files.Files`."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or Plan()
        self.contents: dict[str, _Content] = {}
        self.durable_names: dict[str, _Content] = {}

    def after_power_loss(self, kept: float) -> "Disk":
        """
        What is there after the power came back.

        Args:
            kept: Part of what was written and not synced that reached the disk all the same; also whether names did.
        """
        disk = Disk()
        names = self.durable_names | self.contents if kept else self.durable_names
        for name, content in names.items():
            lost = max(0, len(content.data) - len(content.durable))
            data = bytes(content.data[: len(content.durable) + int(lost * kept)]) if lost else content.durable
            disk.contents[name] = _Content(bytearray(data), data)
        disk.durable_names = dict(disk.contents)
        return disk

    def after_kill(self) -> "Disk":
        """What the next process finds: everything that was written."""
        disk = Disk()
        disk.contents = self.contents
        disk.durable_names = self.durable_names
        return disk

    def names(self) -> list[str]:
        return sorted(self.contents)

    def open(self, name: str) -> "_File":
        return _File(self, self.contents.setdefault(name, _Content()))

    def remove(self, name: str) -> None:
        with_fault(self.plan, "remove", lambda: self.contents.pop(name, None))

    def sync(self) -> None:
        def do() -> None:
            self.durable_names = dict(self.contents)

        with_fault(self.plan, "sync directory", do)

    def close(self) -> None:
        return None


class _File:
    def __init__(self, disk: Disk, content: _Content) -> None:
        self._plan = disk.plan
        self._content = content

    def write(self, data: bytes) -> None:
        kind = self._plan.step("write")
        if kind:
            self._content.data += data if kind == "die-after" else data[: len(data) // 2]
            raise OSError(28, "No space left on device") if kind == "fail" else Died
        self._content.data += data

    def sync(self) -> None:
        kind = self._plan.step("sync")
        if kind == "fail":
            self._content.holes.append((len(self._content.durable), len(self._content.data)))
            raise OSError(5, "Input/output error")
        if kind != "die":
            self._content.sync()
        if kind:
            raise Died

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self._content.data[offset : offset + size])

    def size(self) -> int:
        return len(self._content.data)

    def truncate(self, size: int) -> None:
        with_fault(self._plan, "truncate", lambda: self._content.truncate(size))

    def close(self) -> None:
        return None


def with_fault(plan: Plan, name: str, do: object) -> None:
    kind = plan.step(name)
    if kind in ("", "die-after"):
        do()  # type: ignore[operator]
    if kind:
        raise OSError(5, "Input/output error") if kind == "fail" else Died
