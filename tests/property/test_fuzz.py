"""A coverage-guided fuzzer finds nothing that language or compiler do not expect."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.property.generate import ROOT

SECONDS = 60


@pytest.mark.whole
@pytest.mark.skipif(platform.machine() != "x86_64", reason="atheris is built for x86_64 only")
def test_any_bytes_are_read_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is given as a policy is refused, or means what its printed form means and decides as the reference."""
    command = [sys.executable, "-m", "tests.property.fuzz_policies", str(SECONDS), str(tmp_path)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, timeout=SECONDS + 120)
    bad = {path.name: path.read_bytes() for kind in ("crash", "timeout", "oom") for path in tmp_path.glob(f"{kind}-*")}

    assert (done.returncode, bad) == (0, {}), (done.stdout + done.stderr).decode(errors="replace")[-8000:]
    counts = dict(part.split("=") for part in (tmp_path / "counts").read_text().split())
    with capsys.disabled():
        print(f"\nfuzzer: {SECONDS} s, " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    assert int(counts["compiled"]) > 200, "too few inputs reach the compiler"
