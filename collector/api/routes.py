"""
The REST API under /api/v1: nodes, policies, violations, alerts.

Handlers translate: HTTP to questions for the rooms below, their answers to the shapes in `models`.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from ringfence.v1 import agent_pb2, policy_pb2, stream_pb2

from collector.alerts.rules import RuleSet
from collector.api import models, views
from collector.api.validation import CheckError, PolicyChecker
from collector.ingest.nodes import Nodes, OfflineError, OrderError, OrderTimeoutError
from collector.store.protocol import NodeAccount, Store, ViolationFilter
from collector.store.spelling import ClassName
from collector.store.text import harmless, printable_text, unprintable

Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=64)]
Names = Annotated[list[str], Query(max_length=100)]
Order = Callable[[str], Awaitable[stream_pb2.PushOutcome]]

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": models.Problem} for status in (400, 401, 403, 404, 409, 422, 503)
}


class Api:
    """
    The handlers, with what they ask.

    Args:
        order_timeout: Seconds to wait for a node's answer to an order.
    """

    def __init__(
        self, store: Store, nodes: Nodes, rules: RuleSet, checker: PolicyChecker, order_timeout: float
    ) -> None:
        self._store = store
        self._nodes = nodes
        self._rules = rules
        self._checker = checker
        self._order_timeout = order_timeout
        self.router = APIRouter(prefix="/api/v1", responses=_PROBLEMS)
        self._add_routes()

    def _add_routes(self) -> None:
        get, post = self.router.get, self.router.post
        get("/nodes", summary="Every node ever seen")(self.list_nodes)
        get("/nodes/{name}", summary="One node")(self.get_node)
        get("/policies", summary="What is live, by node")(self.list_policies)
        post("/policies/validate", summary="Check policies without a node")(self.validate)
        post("/policies/push", summary="Make policies live")(self.push)
        self.router.delete("/policies/{name}", summary="Remove a policy")(self.delete)
        get("/violations", summary="Violations, newest first")(self.list_violations)
        get("/violations/{event_id}", summary="One violation")(self.get_violation)
        get("/alerts", summary="Alerts, newest first")(self.list_alerts)
        get("/alerts/rules", summary="Alert rules and their counts")(self.list_alert_rules)

    async def node(self, name: str) -> models.Node | None:
        """A node in the API's words."""
        known = self._nodes.get(name)
        return views.node(known, await self._store.account(name)) if known else None

    async def alert_rules(self) -> list[models.AlertRuleState]:
        """The alert rules in the API's words."""
        names = {rule.name: rule.receivers for rule in self._rules.rules}
        return views.alert_rules(names, await self._store.alert_counts())

    async def list_nodes(self) -> models.NodeList:
        """Every node ever seen, by name, as it last reported."""
        accounts = {record.name: account for record, account in await self._store.nodes()}
        known = self._nodes.all()
        return models.NodeList(nodes=[views.node(node, accounts.get(node.name, NodeAccount())) for node in known])

    async def get_node(self, name: str) -> models.Node:
        """One node; 404 if there is none of this name."""
        if (found := await self.node(name)) is None:
            raise HTTPException(404, f"no node `{printable_text(name)}`")
        return found

    async def list_policies(self, node: str | None = None) -> models.PolicyList:
        """What is live, by node and name, with exact counts of hits."""
        chosen = [self._known(node)] if node is not None else [known.name for known in self._nodes.all()]
        found = [self._nodes.get(name) for name in chosen]
        return models.PolicyList(policies=[policy for known in found if known for policy in views.policies(known)])

    async def validate(self, request: models.ValidateRequest) -> models.ValidateResponse:
        """Check policies without a node; the answer to an invalid one is 200 with `valid` false."""
        try:
            answer = await self._checker.check([document.model_dump() for document in request.documents])
        except CheckError as error:
            raise HTTPException(503, str(error)) from error
        diagnostics = [_diagnostic(facts) for facts in answer["diagnostics"]]
        return models.ValidateResponse(
            valid=all(diagnostic.severity != "error" for diagnostic in diagnostics),
            policies=[printable_text(name) for name in answer["policies"]],
            diagnostics=diagnostics,
        )

    async def push(self, request: models.PushRequest) -> models.PushResponse:
        """Send policies to nodes, and wait for what each makes of them."""
        message = agent_pb2.PushRequest(
            documents=[policy_pb2.PolicyDocument(file=one.file, yaml=one.yaml) for one in request.documents],
            confirm_seconds=request.confirm_seconds,
            force=request.force,
            dry_run=request.dry_run,
        )
        return await self._to_all(request.nodes, lambda name: self._nodes.push(name, message, self._order_timeout))

    async def delete(self, name: str, node: Annotated[list[str] | None, Query()] = None) -> models.PushResponse:
        """Remove a policy from nodes, and wait for what each answers."""
        message = agent_pb2.DeleteRequest(names=[name])
        return await self._to_all(node, lambda one: self._nodes.delete(one, message, self._order_timeout))

    async def list_violations(
        self,
        node: Names = [],  # noqa: B006 - FastAPI copies defaults
        policy: Names = [],  # noqa: B006
        rule: Names = [],  # noqa: B006
        class_: Annotated[list[ClassName], Query(alias="class")] = [],  # noqa: B006
        effect: Annotated[list[models.EffectName], Query()] = [],  # noqa: B006
        ring: Literal["violations", "observations", "all"] = "violations",
        since: datetime | None = None,
        until: datetime | None = None,
        text: Annotated[str, Query(max_length=4096)] = "",
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> models.ViolationPage:
        """One page, newest first; `next` leads to the following one."""
        query = ViolationFilter(
            nodes=tuple(node),
            policies=tuple(policy),
            rules=tuple(rule),
            classes=tuple(class_),
            effects=tuple(effect),
            ring={"violations": 0, "observations": 1, "all": None}[ring],
            since_ns=_nanoseconds(since),
            until_ns=_nanoseconds(until),
            text=unprintable(text),
        )
        page = await self._store.violations(query, limit, read_cursor(cursor))
        return models.ViolationPage(
            violations=[views.violation(one.violation) for one in page.violations], next=write_cursor(page.next)
        )

    async def get_violation(self, event_id: str) -> models.Violation:
        """One violation by its id."""
        if (found := await self._store.violation(event_id)) is None:
            raise HTTPException(404, "no violation of this id")
        return views.violation(found)

    async def list_alerts(
        self,
        state: Literal["pending", "delivered", "dead"] | None = None,
        rule: str | None = None,
        receiver: str | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> models.AlertPage:
        """One page of alerts, newest first."""
        page = await self._store.alerts(state, rule, receiver, limit, read_cursor(cursor))
        return models.AlertPage(alerts=[views.alert(one) for one in page.alerts], next=write_cursor(page.next))

    async def list_alert_rules(self) -> models.AlertRuleList:
        """The alert rules with what became of their alerts."""
        return models.AlertRuleList(rules=await self.alert_rules())

    def _known(self, name: str) -> str:
        if self._nodes.get(name) is None:
            raise HTTPException(404, f"no node `{printable_text(name)}`")
        return name

    async def _to_all(self, names: Sequence[str] | None, order: Order) -> models.PushResponse:
        """Send an order to these nodes at once, or to all that are connected; one outcome each, by name."""
        if names is None:
            chosen = [node.name for node in self._nodes.all() if node.session]
            if not chosen:
                raise HTTPException(409, "no node is connected")
        else:
            chosen = sorted({self._known(name) for name in names})
        outcomes = await asyncio.gather(*(_outcome(name, order) for name in chosen))
        ok = bool(outcomes) and all(outcome.result == "done" for outcome in outcomes)
        return models.PushResponse(ok=ok, outcomes=list(outcomes))


async def _outcome(name: str, order: Order) -> models.Outcome:
    began = time.perf_counter()

    def spent() -> float:
        return (time.perf_counter() - began) * 1000

    try:
        return views.outcome(name, await order(name), spent())
    except OfflineError as error:
        return views.no_outcome(name, "offline", str(error), spent())
    except OrderTimeoutError as error:
        return views.no_outcome(name, "timeout", str(error), spent())
    except OrderError as error:
        return views.no_outcome(name, "failed", str(error), spent())


def write_cursor(number: int | None) -> str | None:
    """A page's end as opaque text."""
    return None if number is None else base64.urlsafe_b64encode(f"1:{number}".encode()).decode().rstrip("=")


def read_cursor(text: str | None) -> int | None:
    """The reverse; a 400 for anything else."""
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        version, _, number = base64.b64decode(padded, b"-_", validate=True).decode().partition(":")
        if version == "1" and number.isascii() and number.isdigit() and int(number) < 2**63:
            return int(number)
    except (ValueError, UnicodeDecodeError):
        pass
    raise HTTPException(400, "this is not the cursor of a page")


def _nanoseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    seconds = int(moment.replace(microsecond=0).timestamp())
    return max(0, seconds * 1_000_000_000 + moment.microsecond * 1000)


def _diagnostic(facts: dict[str, object]) -> models.Diagnostic:
    texts = {key: harmless(value) if isinstance(value, str) else value for key, value in facts.items()}
    return models.Diagnostic.model_validate({"found": "", "required": "", **texts})
