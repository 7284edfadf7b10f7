"""
The small file system a guest starts from: busybox, the modules that reach the root file system, and `init`.

It holds nothing of one run, so it is made once per kernel; the job comes over a wire after the guest is up.
"""

import hashlib
import lzma
import stat
from pathlib import Path

from labkit.errors import LabError
from labkit.kernels import CACHE, Kernel, write_whole

BUSYBOX = Path("/bin/busybox")
APPLETS = ("sh", "cat", "cp", "insmod", "ip", "ln", "mkdir", "mount", "rm", "sed", "sleep", "switch_root", "umount")
ALWAYS = ("virtio_pci", "virtio_console", "virtiofs", "overlay")
NETWORK = ("virtio_net",)
SCRIPTS = ("init", "run")


def build(kernel: Kernel) -> Path:
    """
    The initramfs for a kernel, from the cache when nothing that goes into it has changed.

    Raises:
        LabError: busybox is missing or is not the static one.
    """
    scripts = {name: (Path(__file__).parent / "guest" / name).read_bytes() for name in SCRIPTS}
    inputs = repr((scripts, kernel, kernel.image.stat().st_mtime_ns, APPLETS, ALWAYS, NETWORK))
    target = CACHE / "initramfs" / f"{kernel.release}-{hashlib.sha256(inputs.encode()).hexdigest()[:16]}.cpio"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, _archive(kernel, scripts))
    return target


def _archive(kernel: Kernel, scripts: dict[str, bytes]) -> bytes:
    archive = Archive()
    for directory in ("bin", "dev", "lib", "new", "proc", "ro", "rw", "sys"):
        archive.add(directory, stat.S_IFDIR | 0o755)
    archive.add("bin/busybox", stat.S_IFREG | 0o755, _busybox())
    for applet in APPLETS:
        archive.add(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox")
    for name, content in scripts.items():
        archive.add(name, stat.S_IFREG | 0o755, content)
    done: set[Path] = set()
    for listing, names in (("modules", ALWAYS), ("modules.network", NETWORK)):
        paths = [path for path in _in_load_order(kernel.modules, names) if path not in done]
        done.update(paths)
        for path in paths:
            archive.add(f"lib/{_plain_name(path)}", stat.S_IFREG | 0o644, _module(path))
        archive.add(listing, stat.S_IFREG | 0o644, "".join(f"/lib/{_plain_name(path)}\n" for path in paths).encode())
    return archive.finished()


def _busybox() -> bytes:
    if not BUSYBOX.exists():
        raise LabError(f"{BUSYBOX} is missing", "apt-get install busybox-static")
    content = BUSYBOX.read_bytes()
    if b"/ld-linux" in content[:4096]:
        raise LabError(f"{BUSYBOX} is not static, so it cannot start a guest", "apt-get install busybox-static")
    return content


def _in_load_order(modules: Path, names: tuple[str, ...]) -> list[Path]:
    """Files of the named modules after everything they depend on; names that are built in have none."""
    needs: dict[str, list[str]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {_plain_name(Path(path)).removesuffix(".ko"): path for path in needs}
    ordered: list[Path] = []
    for name in names:
        found = by_name.get(name)
        if found is not None:  # modules.dep names what must come first last
            ordered += [modules / needed for needed in (*reversed(needs[found]), found)]
    return list(dict.fromkeys(ordered))


def _plain_name(path: Path) -> str:
    return path.name.removesuffix(".xz")


def _module(path: Path) -> bytes:
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content


class Archive:
    """A cpio archive in the `newc` format (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._count = 0

    def add(self, name: str, mode: int, content: bytes = b"") -> None:
        """Append one entry; a symbolic link's content is its target."""
        self._count += 1
        fields = (self._count, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        header = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        self._parts += [_padded(header), _padded(content)]

    def finished(self) -> bytes:
        """The whole archive, with its closing entry."""
        self.add("TRAILER!!!", 0)
        return b"".join(self._parts)


def _padded(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)
