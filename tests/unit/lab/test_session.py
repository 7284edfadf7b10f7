"""The job that a guest is given."""

import subprocess
from pathlib import Path

from labkit.session import Job, job_text

TOKEN = "0123456789abcdef"


def test_any_argument_reaches_the_command() -> None:
    """Arguments are attacker-written: quotes, newlines, invalid UTF-8 and shell text come out as they went in."""
    arguments = ("printf", "%s\\0", "a'b", 'c"d', "$(touch /x)", "line\nline", "\udcff", "", TOKEN + "x")
    job = Job(command=arguments, directory=Path("/o'dd dir"), tree=Path("/tree"), modules=Path("/m"))

    lines = job_text(job, TOKEN, network=False).splitlines(keepends=True)

    assert lines[0] == lines[-1] == TOKEN.encode() + b"\n"
    script = b"".join(lines[1:-1]) + b'printf "%s\\0" "$lab_directory" "$@"\n'
    told = subprocess.run(["sh"], input=script, capture_output=True, check=True, timeout=10).stdout.split(b"\0")
    assert told[0] == b"/o'dd dir"
    assert told[1:-1] == [argument.encode(errors="surrogateescape") for argument in arguments]
