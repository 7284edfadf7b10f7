"""
What the REST API says: the shapes of every answer and request.

64-bit times are strings, as in protobuf's JSON: a browser's numbers end at 2^53. Every string that came from a node
is printable: bytes that are not are written `\\xNN`. The one exception is the text of a policy, given as it was pushed.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

EffectName = Literal["allow", "audit", "would-deny", "deny", "kill"]


class Model(BaseModel):
    """Base of every shape: unknown fields in a request are refused, aliases and names both populate."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, frozen=True, serialize_by_alias=True)


class Violation(Model):
    """One event, field for field `ringfence.v1.Violation`, with its time also in RFC 3339."""

    id: str = Field(examples=["web-1:4f1c09aa:v6720"])
    node: str
    time: str = Field(description="UTC, nanoseconds", examples=["2026-11-23T20:45:00.123456789Z"])
    unix_ns: str
    generation: int
    policy: str
    rule: str
    class_: str = Field(alias="class")
    operations: list[str]
    effect: str
    reason: str
    verdict: int
    object: str
    exe: str
    comm: str
    tgid: int
    tid: int
    uid: int
    gid: int
    cgroup: str
    workload: str
    severity: str
    message: str
    flags: list[str] = Field(description="path-incomplete, exe-incomplete, seeded")


class ViolationPage(Model):
    """Newest first. `next` is the cursor of the following page, null on the last."""

    violations: list[Violation]
    next: str | None


class Hop(Model):
    """One hop's account: `in = out + pending + dropped`. The hop `store` is the collector's own."""

    hop: str
    in_: int = Field(alias="in")
    out: int
    pending: int
    dropped: dict[str, int]
    balances: bool


class Level(Model):
    """What a node can do for a class: `enforced`, `observed` or `none`, and why."""

    class_: str = Field(alias="class")
    operations: list[str] = Field(description="those it is about; empty: all of the class")
    level: str
    why: str
    hint: str


class Hook(Model):
    """A hook of the node: `attached`, `absent` or `refused`."""

    name: str
    state: str
    detail: str


class Account(Model):
    """
    What the collector did with a node's events, exact since its store was made.

    `received = stored + duplicate + rejected + returned + pending`; `returned` ones could not be stored when they came
    and were not acknowledged: the node sends them again. `expired` of the stored ones are gone by retention.
    """

    received: int
    stored: int
    duplicate: int
    rejected: int
    rejected_batches: int
    returned: int
    pending: int
    expired: int
    last_batch: int


class Node(Model):
    """A node as it last reported, and whether its stream is open now."""

    name: str
    connected: bool
    connected_since: str | None
    last_seen: str | None
    boot_id: str
    version: str
    kernel: str
    generation: int
    gate: str = Field(description="closed, open, open-boot; empty before the first report")
    gate_until: str | None
    started: str | None
    adopted: bool
    resident_bytes: int
    policies: list[str]
    profiles: int
    scopes: int
    levels: list[Level]
    hooks: list[Hook]
    undecided: dict[str, int]
    hops: list[Hop]
    balances: bool
    account: Account


class NodeList(Model):
    """Every node ever seen, by name."""

    nodes: list[Node]


class Rule(Model):
    """A rule, or a class default (`id` is then `default:CLASS`), with its exact count of hits."""

    id: str
    class_: str = Field(alias="class")
    action: str
    severity: str
    level: str
    hits: int
    is_default: bool


class Policy(Model):
    """A policy as one node has it live."""

    node: str
    name: str
    mode: str
    digest: str
    labels: dict[str, str]
    annotations: dict[str, str]
    rules: list[Rule]
    cgroups: list[str]
    cgroup_count: int
    yaml: str
    pushed: str | None
    reverts: str | None


class PolicyList(Model):
    """Policies of every node (or of the one asked for), by node and name."""

    policies: list[Policy]


class Document(Model):
    """A policy as text, and the name its errors refer to."""

    file: str = Field("policy.yaml", max_length=4096)
    yaml: str


class Diagnostic(Model):
    """A problem found in a policy, in its author's words; `line` and `column` count from 1, 0 where there is none."""

    severity: Literal["error", "warning"]
    code: str
    message: str
    file: str
    line: int
    column: int
    hint: str
    policy: str
    rule: str
    found: str
    required: str


class ValidateRequest(Model):
    """Documents to check without any node."""

    documents: list[Document] = Field(min_length=1, max_length=1000)


class ValidateResponse(Model):
    """`valid` exactly if no diagnostic is an error."""

    valid: bool
    policies: list[str]
    diagnostics: list[Diagnostic]


class PushRequest(Model):
    """Documents to make live, in one generation a node. `nodes` null: every connected node."""

    documents: list[Document] = Field(min_length=1, max_length=1000)
    nodes: list[str] | None = Field(None, max_length=10_000)
    confirm_seconds: int = Field(0, ge=0, le=86_400, description="0: no confirmation needed")
    force: bool = False
    dry_run: bool = False


class Outcome(Model):
    """
    What one node made of an order.

    `done`: it is live (or removed). `refused`: see `diagnostics`, nothing changed. `failed`: see `error`. `timeout`:
    no answer in time; whether the node took the order is unknown, its next report tells. `offline`: no stream.
    """

    node: str
    result: Literal["done", "refused", "failed", "timeout", "offline"]
    error: str
    diagnostics: list[Diagnostic]
    generation: int
    enforced_after_ns: int
    rules_enforced: int
    rules_observed: int
    unchanged: bool
    policies: list[str]
    round_trip_ms: float


class PushResponse(Model):
    """One outcome a node, by name; `ok` exactly if there is one and all are done."""

    ok: bool
    outcomes: list[Outcome]


class Alert(Model):
    """
    One alert on its way to one receiver.

    Attributes:
        id: Stable: the violation's id and the alert rule's name. Receivers drop doubles by it. Empty once the
            violation has expired.
        state: `pending`, `delivered` or `dead` (given up after `give_up_hours`).
    """

    id: str
    rule: str
    receiver: str
    state: str
    attempts: int
    suppressed: int
    created: str
    delivered: str | None
    next_attempt: str | None
    error: str
    violation: Violation | None


class AlertPage(Model):
    """Newest first."""

    alerts: list[Alert]
    next: str | None


class AlertCounts(Model):
    """
    What became of one rule's alerts to one receiver, since the store was made.

    `matched = suppressed + overflow + delivered + dead + expired + pending`.
    """

    receiver: str
    matched: int
    suppressed: int
    overflow: int
    delivered: int
    dead: int
    expired: int
    pending: int
    failed_attempts: int


class AlertRuleState(Model):
    """An alert rule; `loaded` is false for one that is no longer in the file but has counts."""

    name: str
    loaded: bool
    receivers: list[str]
    counts: list[AlertCounts]


class AlertRuleList(Model):
    """The alert rules that are loaded, in the order of their file."""

    rules: list[AlertRuleState]


class Lost(Model):
    """The client was too slow: this many violations were not sent to it. They are in the store."""

    count: int


class Health(Model):
    """`ok` once the store is open and the ports are bound."""

    status: Literal["ok"]
    version: str
    nodes: int
    connected: int


class Problem(Model):
    """Every error's body."""

    detail: str
