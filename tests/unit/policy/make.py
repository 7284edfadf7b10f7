"""Short ways to write policies and requests."""

import ipaddress

from policy.compiler import compile_profiles
from policy.compiler.evaluate import decide as decide_by_tables
from policy.model.types import (
    Action,
    Actor,
    Class,
    Decision,
    File,
    FileSelector,
    HostScope,
    Nameless,
    Peer,
    Policy,
    Request,
    Rule,
    Selector,
    Subject,
)
from policy.reference import decide as decide_by_reference

NGINX = Actor(b"/usr/sbin/nginx", 33, 33)
ROOT = Actor(b"/usr/bin/cat", 0, 0)


def file(*paths: str, operations: tuple[str, ...] = ("read", "write", "create")) -> FileSelector:
    return FileSelector(paths, operations)


def rule(selector: Selector, action: str, subject: Subject | None = None, id: str = "") -> Rule:
    return Rule(id or action, selector, Action(action), subject)


def policy(*rules: Rule, name: str = "web", **fields: object) -> Policy:
    return Policy(name, (HostScope(),), rules, **fields)  # type: ignore[arg-type]


def read(name: bytes | Nameless | None, actor: Actor = ROOT, operations: tuple[str, ...] = ("read",)) -> Request:
    return Request(Class.FILE, operations, actor, None if name is None else File(name))


def connect(address: str, port: int = 443, protocol: int = 6, actor: Actor = ROOT) -> Request:
    found = ipaddress.ip_address(address)
    packed = bytes(10) + b"\xff\xff" + found.packed if found.version == 4 else found.packed
    return Request(Class.NETWORK, ("connect",), actor, Peer(packed, port, protocol))


def decide(policies: list[Policy], request: Request) -> Decision:
    """The decision of tables and reference, which must agree."""
    found = decide_by_tables(compile_profiles([policies]), 0, request)
    assert found == decide_by_reference(policies, request)
    return found
