"""Requests of tests: every class, in and out, and what could not be told."""

import json

import pytest

from policy.language import load
from policy.language.cases import Case
from policy.language.requests import fields_of
from policy.model.types import Class, File, FileType, Mount, Nameless, Peer, Process, UnixPeer

TEST = """\
apiVersion: ringfence.dev/v1
kind: PolicyTest
metadata: {name: t}
spec:
  cases:
    - {name: a, request: REQUEST, expect: allow}
"""
REQUESTS = [
    {"file": {"path": "/etc/shadow", "operations": ["read", "write"]}},
    {"file": {"path": "/dev/x", "type": "device", "operations": ["attr"]}},
    {"file": {"path": "/x", "type": "unknown", "operations": ["delete"]}},
    {"file": {"fileless": True, "operations": ["mapExec"]}},
    {"file": {"unknown": True, "operations": ["read"]}},
    {"exec": {"path": "/bin/sh"}},
    {"exec": {"fileless": True}},
    {"network": {"address": "10.0.0.1", "port": 443, "protocol": "tcp", "operations": ["connect"]}},
    {"network": {"address": "10.0.0.1", "port": 443, "family": "inet6", "operations": ["connect"]}},
    {"network": {"address": "2001:db8::1", "operations": ["accept"]}},
    {"network": {"family": "packet", "protocol": 3, "operations": ["create"]}},
    {"network": {"unix": "@abstract/name", "operations": ["connect"]}},
    {"network": {"unknown": True, "operations": ["send"]}},
    {"syscall": {"name": "ptrace"}},
    {"capability": {"name": "sys_admin"}},
    {"device": {"kind": "block", "number": "259:1048575", "operations": ["read"]}},
    {"mount": {"source": "/dev/sda", "target": "/mnt", "type": "ext4", "operations": ["mount"]}},
    {"mount": {"target": "/mnt", "operations": ["umount"]}},
    {"namespace": {"kind": "user"}},
    {"ptrace": {"target": "outside", "operations": ["attach", "read"]}},
    {"signal": {"signal": "KILL"}},
    {"signal": {"signal": 40}},
    {"bpf": {"operations": ["load"]}},
    {"module": {"operations": ["request"]}},
    {"credential": {"id": 0, "operations": ["setuid"]}},
    {"keyring": {"operations": ["search", "link"]}},
    {"ioUring": {"operations": ["create", "poll"]}},
]


def case(request: object) -> Case:
    result = load(TEST.replace("REQUEST", json.dumps(request)))
    assert result.diagnostics == ()
    return result.tests[0].cases[0]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_a_request_comes_out_as_it_went_in(request_: dict[str, object]) -> None:
    """What is read from a file and written again is the same request."""
    found = case(request_)

    assert fields_of(found.class_, found.operations, found.object) == request_


def test_every_class_can_be_asked_about() -> None:
    """No class is left out of the list above."""
    assert {name for request in REQUESTS for name in request} == set(Class)


def test_objects_are_those_of_the_model() -> None:
    """Names are bytes, IPv4 is mapped, the family is the address's, and nothing is told of what is left out."""
    assert case(REQUESTS[1]).object == File(b"/dev/x", FileType.DEVICE)
    assert case(REQUESTS[3]).object == File(Nameless())
    assert case(REQUESTS[4]).object is None
    assert case(REQUESTS[7]).object == Peer(bytes(10) + b"\xff\xff\x0a\0\0\x01", 443, 6, 2)
    assert case(REQUESTS[9]).object == Peer(bytes.fromhex("20010db8" + "0" * 23 + "1"), 0, 0, 10)
    assert case(REQUESTS[11]).object == UnixPeer(b"@abstract/name")
    assert case(REQUESTS[17]).object == Mount(Nameless(), b"/mnt", Nameless())
    assert case(REQUESTS[19]).object == Process(outside=True)
    assert case(REQUESTS[0]).subject.exe is None


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"file": {"operations": ["read"]}}, "exactly one of"),
        ({"file": {"path": "/a", "fileless": True, "operations": ["read"]}}, "exactly one of"),
        ({"file": {"path": "/a/../b", "operations": ["read"]}}, "not the real name"),
        ({"file": {"path": "/a/", "operations": ["read"]}}, "not the real name"),
        ({"network": {"operations": ["connect"]}}, "says which socket it is"),
        ({"network": {"address": "10.0.0.0/8", "operations": ["connect"]}}, "is not an address"),
        ({"network": {"address": "10.0.0.1", "unix": "/x", "operations": ["connect"]}}, "says which socket it is"),
        ({"device": {"number": "8:*", "operations": ["read"]}}, "is not the number of a device"),
        ({"exec": {"path": "/a"}, "file": {"path": "/a", "operations": ["read"]}}, "found `file` and `exec`"),
        ({"bpf": {"operations": []}}, "`operations` is empty"),
    ],
)
def test_a_request_that_says_too_little_or_too_much(request_: dict[str, object], said: str) -> None:
    """It is one request about one thing, or it is refused."""
    (found,) = load(TEST.replace("REQUEST", json.dumps(request_))).diagnostics

    assert said in found.message
