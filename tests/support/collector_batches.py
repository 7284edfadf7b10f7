"""Batches as an agent would send them, for tests of the collector."""

from collections.abc import Sequence

from ringfence.v1 import stream_pb2

BOOT = "4f1c09aa-6d3e-4b7c-9a51-0d2f6a8e1b23"
NODE = "web-1"
#: Entries of `names` that every batch has.
COMMON = (b"", b"/system.slice/web.service", b"web.service", b"cat", b"/usr/bin/cat")
#: Number of every column but these is 0 for all events.
_SAME = {
    "generation": 3,
    "cgroup_id": 4242,
    "cgroup": 1,
    "workload": 2,
    "tgid": 1000,
    "tid": 1001,
    "uid": 33,
    "gid": 33,
    "comm": 3,
    "exe": 4,
    "class": 1,
    "effect": 3,
    "operations": 1,
    "verdict": -1,
}


def batch(
    number: int,
    sequences: Sequence[int],
    *,
    node: str = NODE,
    boot_id: str = BOOT,
    ring: int = 0,
    unix_ns: int = 1_795_468_812_000_000_000,
    objects: Sequence[bytes] = (),
    severity: str = "high",
    policy: str = "web",
    rule: str = "secrets",
    **columns: int,
) -> stream_pb2.Batch:
    """One event a sequence number; `columns` sets a column's value for all of them."""
    made = stream_pb2.Batch(node=node, boot_id=boot_id, number=number)
    made.rules.add(policy=policy, rule=rule, action="deny", mode="enforcing", severity=severity, message="not yours")
    made.names.extend(COMMON)
    made.names.extend(objects or [b"/etc/ssl/private/%d" % sequence for sequence in sequences])
    events = made.columns
    events.sequence.extend(sequences)
    events.object.extend(range(len(COMMON), len(COMMON) + len(sequences)))
    events.unix_ns.extend(range(unix_ns, unix_ns + len(sequences)))
    values = {field.name: 0 for field in events.DESCRIPTOR.fields} | _SAME | {"ring": ring} | columns
    for name, value in values.items():
        if name not in ("sequence", "object", "unix_ns"):
            getattr(events, name).extend([value] * len(sequences))
    return made


def hello(node: str = NODE, boot_id: str = BOOT, spool: str = "spool-1") -> stream_pb2.ConnectRequest:
    """How a stream begins."""
    greeting = stream_pb2.Hello(node=node, boot_id=boot_id, version="0.1.0", kernel="6.12", spool_id=spool)
    return stream_pb2.ConnectRequest(hello=greeting)
