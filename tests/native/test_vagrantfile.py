"""The Vagrantfile is valid for both providers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

VAGRANT = Path(__file__).resolve().parents[2] / "vagrant"


@pytest.mark.parametrize("provider", ["libvirt", "virtualbox"])
def test_vagrantfile_is_valid(provider: str, tmp_path: Path) -> None:
    """`vagrant validate` accepts it, with Debian's libvirt plug-in and a VirtualBox that only tells its version."""
    if shutil.which("vagrant") is None:
        pytest.fail("found no vagrant, required: packaging/install-dependencies test")
    manage = tmp_path / "VBoxManage"
    manage.write_text('#!/bin/sh\n[ "$1" != --version ] || echo 7.0.20r163906\n')
    manage.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "VAGRANT_DEFAULT_PROVIDER": provider,
        "VAGRANT_HOME": str(tmp_path / "home"),
        "VAGRANT_DOTFILE_PATH": str(tmp_path / "state"),
    }

    done = subprocess.run(
        ["vagrant", "validate"], cwd=VAGRANT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )

    assert "validated successfully" in done.stdout, done.stderr
