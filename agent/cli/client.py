"""
The way to the agent of this node. gRPC is touched here only.

Errors end the command: exit 5 when nobody answers, 1 when the agent fails.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from agent.cli.exits import CliError, Exit
from agent.cli.problems import Problem

if TYPE_CHECKING:
    from ringfence.v1 import agent_pb2_grpc

Answer = TypeVar("Answer")

DEFAULT_SOCKET = "/run/ringfence/agent.sock"
MESSAGE_BYTES = 64 << 20  # a policy may be 10 MB and is answered with its text


@contextmanager
def agent(path: str) -> Iterator["agent_pb2_grpc.AgentServiceStub"]:
    """
    A stub of the agent at a Unix socket.

    Raises:
        CliError: Nobody listens there, it may not be reached by this user, or a call in the block failed.
    """
    _check(path)
    import grpc
    from ringfence.v1 import agent_pb2_grpc

    options = [
        ("grpc.max_send_message_length", MESSAGE_BYTES),
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.default_authority", "localhost"),
    ]
    with grpc.insecure_channel(f"unix:{path}", options) as channel:
        try:
            yield agent_pb2_grpc.AgentServiceStub(channel)
        except grpc.RpcError as error:
            raise _from_rpc(error, path) from error


def _check(path: str) -> None:
    """Tell at once, and exactly, why nobody can be reached; gRPC would retry and say less."""
    probe = socket.socket(socket.AF_UNIX)
    probe.settimeout(5)
    try:
        probe.connect(path)
    except FileNotFoundError as error:
        raise _unreachable(path, "there is no such socket", "is ringfence-agent running?") from error
    except PermissionError as error:
        raise _unreachable(path, "permission denied", "only root may talk to the agent") from error
    except OSError as error:
        raise _unreachable(path, error.strerror or str(error), "is ringfence-agent running?") from error
    finally:
        probe.close()


def _unreachable(path: str, why: str, hint: str) -> CliError:
    return CliError(Exit.UNREACHABLE, Problem(f"cannot reach the agent at `{path}`: {why}", hint=hint))


def _from_rpc(error: Exception, path: str) -> CliError:
    import grpc

    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    details = (error.details() if isinstance(error, grpc.Call) else None) or str(error)
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return _unreachable(path, details, "the agent stopped or did not answer; its log tells more")
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return _unreachable(path, details, "only root may talk to the agent")
    if code is grpc.StatusCode.NOT_FOUND:
        return CliError(Exit.NO, Problem(details))
    return CliError(Exit.FAILED, Problem(f"the agent failed: {details}", hint="its log tells more"))
