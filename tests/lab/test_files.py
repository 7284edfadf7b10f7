"""Files beyond opening, where BPF LSM is active: removing, truncating, attributes, executable mappings."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ringfence.v1 import agent_pb2

from tests.lab.test_agent import SECRET, Actor, actors, agent, delete, files, lab, started
from tests.lab.test_language import accepted, policy
from tests.support.agent_process import AgentProcess

__all__ = ["actors", "agent", "files", "lab", "started"]

PLACE = SECRET.parent / "files"
LIBRARY = next(Path("/usr/lib").glob("*-linux-gnu/libdl.so.2")).resolve()


class Worker(Actor):
    """An actor that does what a line of Python says; what it raises is the answer."""

    PROGRAM = f"""
import ctypes, mmap, os, sys
P = {str(PLACE)!r}
k = {{}}
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
def check(result):
    if result in (-1, 2**64 - 1):
        raise OSError(ctypes.get_errno(), "refused")
    return result
def fd(name, flags=os.O_RDWR):
    k[name] = os.open(P + "/" + name, flags)
    return k[name]
def mapped(name, protection):
    return check(libc.mmap(None, 4096, protection, mmap.MAP_PRIVATE, fd(name, os.O_RDONLY), 0))
def rename2(old, new, flags):
    check(libc.renameat2(-100, (P + "/" + old).encode(), -100, (P + "/" + new).encode(), flags))
for line in sys.stdin:
    try:
        if not line.startswith("read "):
            exec(line)
        print(0, flush=True)
    except OSError as error:
        print(error.errno, flush=True)
"""


@pytest.fixture
def worker(lab: Path, actors: list[Actor]) -> Actor:
    actors.append(Worker(lab))
    return actors[-1]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory with a file, a library, and an empty directory."""
    PLACE.mkdir()
    (PLACE / "file").write_text("content")
    (PLACE / "directory").mkdir()
    shutil.copy(LIBRARY, PLACE / "library")
    yield PLACE
    shutil.rmtree(PLACE)


def hits(agent: AgentProcess) -> int:
    """Requests that the policy's rules have counted."""
    with agent.stub() as stub:
        return sum(rule.hits for rule in stub.Get(agent_pb2.GetRequest(name="lab")).policy.rules)


def told(agent: AgentProcess) -> list[tuple[str, list[str]]]:
    """Objects and operations of the policy's violations, oldest first."""
    with agent.stub() as stub:
        recent = stub.Tail(agent_pb2.TailRequest(recent=10000))
        return [
            (one.object, list(one.operations)) for answer in recent for one in answer.violations if one.policy == "lab"
        ]


#: Operation; what is tried, and what its event shows: a name and operations.
ATTEMPTS = {
    "delete": [
        ("os.unlink(P + '/file')", "file", ["delete"]),
        ("os.rmdir(P + '/directory')", "directory", ["delete"]),
        ("os.remove(P + '/../files/library')", "library", ["delete"]),
    ],
    "attr": [
        ("os.chmod(P + '/file', 0o600)", "file", ["attr"]),
        ("os.fchmod(k['file'], 0o600)", "file", ["attr"]),
        ("os.chown(P + '/directory', 0, 0)", "directory", ["attr"]),
        ("os.fchown(k['file'], 0, 0)", "file", ["attr"]),
    ],
    "truncate": [
        ("os.truncate(P + '/file', 1)", "file", ["write", "truncate"]),
        ("os.ftruncate(k['file'], 1)", "file", ["write", "truncate"]),
        ("fd('file', os.O_WRONLY | os.O_TRUNC)", "file", ["write", "truncate"]),
    ],
    "mapExec": [
        ("mapped('file', mmap.PROT_READ | mmap.PROT_EXEC)", "file", ["mapExec"]),
        ("mapped('library', mmap.PROT_EXEC)", "library", ["mapExec"]),
        ("check(libc.mprotect(k['area'], 4096, mmap.PROT_READ | mmap.PROT_EXEC))", "file", ["mapExec"]),
    ],
}


@pytest.mark.parametrize("operation", ATTEMPTS)
def test_operation_is_refused_while_the_policy_is_there(
    agent: AgentProcess, worker: Actor, place: Path, operation: str
) -> None:
    """Each way to an operation is refused with the rule's errno, counted once, shown by its name, and works without."""
    attempts = ATTEMPTS[operation]
    # what is open and mapped before the policy is asked about all the same
    assert worker("k['area'] = mapped('file', mmap.PROT_READ); fd('file')") == 0
    before = len(told(agent))
    accepted(agent, policy(f'file: {{paths: ["{place}/**"], operations: [{operation}]}}, action: deny, errno: EACCES'))

    ours = [worker(line) for line, _, _ in attempts]
    assert ours == [errno.EACCES] * len(attempts)
    assert hits(agent) == len(attempts)
    assert told(agent)[before:] == [(f"{place}/{name}", operations) for _, name, operations in attempts]
    assert (place / "file").read_text() == "content"
    delete(agent, "lab")
    assert [worker(line) for line, _, _ in attempts] == [0] * len(attempts)


def test_executing_maps_without_being_asked(agent: AgentProcess, worker: Actor) -> None:
    """What exec maps is exec's affair, the loader included; what the loader maps then is not."""
    run = "k['status'] = os.waitpid(os.posix_spawn('/bin/true', ['true'], {}), 0)[1]"
    raise_status = (
        "if os.waitstatus_to_exitcode(k['status']): raise OSError(os.waitstatus_to_exitcode(k['status']), '')"
    )
    accepted(agent, policy('file: {paths: ["/usr/bin/*", "/**/ld-linux*"], operations: [mapExec]}, action: deny'))
    assert [worker(run), worker(raise_status), hits(agent)] == [0, 0, 0]

    accepted(agent, policy('file: {paths: ["/**/libc.so.6"], operations: [mapExec]}, action: deny'))
    assert [worker(run), worker(raise_status), hits(agent)] == [0, 127, 1]


def test_memory_without_a_file_is_not_asked_about(agent: AgentProcess, worker: Actor, place: Path) -> None:
    """Anonymous memory is no file: the default of files leaves it alone."""
    head = policy().replace("  rules:\n", "  defaults: {file: deny}\n")
    rule = 'file: {paths: ["/**"], operations: [read, write]}, action: allow'
    accepted(agent, head + f"  rules:\n    - {{id: opens, {rule}}}\n")

    assert worker("mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)") == 0
    assert worker("mapped('file', mmap.PROT_EXEC)") == errno.EPERM
    assert worker("mapped('file', mmap.PROT_READ)") == 0
