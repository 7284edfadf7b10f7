"""The small file system a guest starts from."""

import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from labkit.initramfs import Archive, _in_load_order


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    """insmod loads exactly one file, so what it depends on is listed before it, once; built-in names are left out."""
    (tmp_path / "modules.dep").write_text(
        "kernel/fs/fuse.ko:\n"
        "kernel/fs/virtiofs.ko.xz: kernel/fs/fuse.ko kernel/virtio.ko kernel/ring.ko\n"
        "kernel/virtio.ko: kernel/ring.ko\n"
        "kernel/ring.ko:\n"
    )

    order = _in_load_order(tmp_path, ("virtiofs", "virtio", "built_in"))

    assert [str(path.relative_to(tmp_path)) for path in order] == [
        "kernel/ring.ko",
        "kernel/virtio.ko",
        "kernel/fs/fuse.ko",
        "kernel/fs/virtiofs.ko.xz",
    ]


def test_archive_is_what_cpio_reads(tmp_path: Path) -> None:
    """The format is the kernel's; cpio, if it is here, unpacks the same names, modes and contents."""
    archive = Archive()
    archive.add("bin", stat.S_IFDIR | 0o755)
    archive.add("bin/tool", stat.S_IFREG | 0o755, b"odd")
    archive.add("bin/alias", stat.S_IFLNK | 0o777, b"tool")
    packed = archive.finished()

    assert packed.startswith(b"070701")
    assert len(packed) % 4 == 0
    if shutil.which("cpio") is None:
        pytest.skip("found no cpio, required to unpack the archive")
    subprocess.run(["cpio", "-i", "--quiet"], input=packed, cwd=tmp_path, check=True, timeout=10)
    assert (tmp_path / "bin" / "alias").readlink() == Path("tool")
    assert (tmp_path / "bin" / "tool").read_bytes() == b"odd"
