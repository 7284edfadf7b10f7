"""
The collector as one object: opens the store, binds both ports, and closes everything in the order that loses nothing.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from importlib.metadata import version

import grpc
import uvicorn
from google.protobuf.message import DecodeError
from ringfence.v1 import stream_pb2

from collector.alerts.deliver import Courier, Dispatcher
from collector.alerts.match import RuleMatcher
from collector.alerts.rules import RuleSet
from collector.alerts.rules import load as load_rules
from collector.alerts.webhook import Webhook
from collector.api import token as tokens
from collector.api.app import build
from collector.api.hub import Hub
from collector.api.log import journal
from collector.api.routes import Api
from collector.api.settings import Settings
from collector.api.stream import EventStream
from collector.api.validation import ProcessChecker
from collector.ingest.nodes import Counts, Node, Nodes
from collector.ingest.server import ListenError, MutualTls, serve
from collector.ingest.service import StreamService
from collector.store.errors import StoreError
from collector.store.protocol import NodeAccount, NodeRecord
from collector.store.sqlite import SqliteStore

#: Seconds between looks at what is too old, and between steps while there is more.
RETENTION_INTERVAL, RETENTION_STEP = 5.0, 0.02
#: Seconds that streams and requests have to come to their end.
GRACE = 5.0


class Collector:
    """A running collector: `grpc_port` and `web_port` are what it got."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.grpc_port = 0
        self.web_port = 0
        self.token_made = False
        self._stopped = False

    async def start(self) -> None:
        """
        Open and bind everything.

        Raises:
            RulesError, TokenError, StoreError, ListenError: It cannot run as configured; nothing is left open.
        """
        settings = self._settings
        rules = load_rules(settings.alerts_file) if settings.alerts_file else RuleSet()
        token, self.token_made = tokens.load(settings.token_path)
        webhooks = {r.name: Webhook(r.url, r.secret(), r.timeout_seconds, r.ca_file) for r in rules.receivers}
        self._web_socket = _bind(*settings.web_address)
        self.web_port = int(self._web_socket.getsockname()[1])
        self._store = SqliteStore(
            settings.state_dir / "store.db", RuleMatcher(rules.rules), alert_limit=settings.alert_backlog
        )
        self._nodes = Nodes(time.time_ns, [_known_node(*entry) for entry in await self._store.nodes()])
        self._hub = Hub()
        self._store.listen(self._hub.stored)
        self._nodes.listen(self._hub.changed)
        self._dispatcher = Dispatcher([self._courier(name, webhook) for name, webhook in webhooks.items()])
        self._dispatcher.start(self._store)
        await self._tell_orphans(set(webhooks))
        self._checker = ProcessChecker(settings.validate_timeout)
        self._service = StreamService(
            self._store,
            self._nodes,
            journal,
            bind_names=settings.grpc_bind_names and settings.grpc_tls_cert is not None,
        )
        self._grpc, self.grpc_port = await self._serve_grpc()
        self._retention = asyncio.create_task(self._expire())
        self._web = self._serve_web(rules, token if settings.require_token else None)
        self._serving = asyncio.create_task(self._web.serve([self._web_socket]))
        while not self._web.started and not self._serving.done():
            await asyncio.sleep(0.005)  # uvicorn tells by a flag only

    async def stop(self) -> None:
        """Store and acknowledge what came in, end the streams, finish requests, close. Once; later calls do nothing."""
        if self._stopped:
            return
        self._stopped = True
        self._service.shut()
        await self._grpc.stop(GRACE)
        self._hub.close()
        self._web.should_exit = True
        await self._serving
        self._retention.cancel()
        await self._dispatcher.stop()
        await self._checker.close()
        await self._store.close()

    async def failed(self) -> None:
        """Return when a part that must not end has ended."""
        await asyncio.wait({self._serving, self._retention}, return_when=asyncio.FIRST_COMPLETED)

    def _courier(self, name: str, webhook: Webhook) -> Courier:
        give_up_ns = int(self._settings.alert_give_up_hours * 3_600e9)
        return Courier(name, webhook, self._store, journal, give_up_ns=give_up_ns, clock_ns=time.time_ns)

    async def _tell_orphans(self, known: set[str]) -> None:
        for count in await self._store.alert_counts():
            if count.pending and count.receiver not in known:
                journal("alerts-orphaned", receiver=count.receiver, rule=count.rule, pending=count.pending)

    async def _serve_grpc(self) -> tuple[grpc.aio.Server, int]:
        settings = self._settings
        tls = None
        if settings.grpc_tls_cert and settings.grpc_tls_key and settings.grpc_tls_ca:
            tls = MutualTls(settings.grpc_tls_cert, settings.grpc_tls_key, settings.grpc_tls_ca)
        host, port = settings.grpc_address
        return await serve(self._service, host, port, tls)

    def _serve_web(self, rules: RuleSet, token: tokens.Token | None) -> uvicorn.Server:
        settings = self._settings
        number = version("ringfence")
        api = Api(self._store, self._nodes, rules, self._checker, settings.order_timeout)
        app = build(
            api, EventStream(self._hub, self._store, api, number), self._nodes, token, settings.web_hosts, number
        )
        return _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=int(GRACE),
                proxy_headers=False,
                ssl_certfile=settings.web_tls_cert,
                ssl_keyfile=settings.web_tls_key,
            )
        )

    async def _expire(self) -> None:
        settings = self._settings
        keep_ns = int(settings.keep_days * 86_400e9)
        while True:
            more = False
            try:
                expired = await self._store.expire(settings.keep_events, keep_ns, time.time_ns())
                more = expired.more
                if expired.events and not more:
                    journal("events-expired", alerts_undelivered=expired.alerts)
            except StoreError as error:
                journal("store-failed", reason=str(error))
            await asyncio.sleep(RETENTION_STEP if more else RETENTION_INTERVAL)


class _Server(uvicorn.Server):
    """Leaves signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio turns Nagle's algorithm off; without, each answer waits 40 ms for an ACK.
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError as error:
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    bound.listen(128)
    bound.setblocking(False)
    return bound


def _known_node(record: NodeRecord, account: NodeAccount) -> Node:
    """A node as it was when it was last heard of."""
    counts = Counts(
        received=account.stored + account.duplicate + account.rejected,
        stored=account.stored,
        duplicate=account.duplicate,
        rejected=account.rejected,
        rejected_batches=account.rejected_batches,
    )
    try:
        report = stream_pb2.NodeReport.FromString(record.report) if record.report else None
    except DecodeError:
        report = None
    return Node(
        record.name, record.boot_id, record.version, record.kernel, 0, record.last_seen_ns, report, None, counts
    )
