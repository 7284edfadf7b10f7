"""The running agent: an event loop with the API server, the uplink, the event path and what has to be done in time."""

import asyncio
import os
import platform
import signal
import socket
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ringfence.v1.stream_pb2 import DeleteOrder, PushOrder, PushOutcome

from agent.api.gatekeeper import Peer
from agent.api.server import Server
from agent.daemon.events import EventPath, Node, Sources
from agent.daemon.log import log
from agent.daemon.memory import slim_down
from agent.daemon.ports import NodeError
from agent.daemon.service import Parts, Service
from agent.daemon.settings import Collector, Settings
from agent.daemon.store import StoreError
from agent.daemon.wiring import Wired
from agent.events.account import Hop
from agent.spool.types import SpoolLimits
from agent.uplink.settings import Identity, TlsFiles, UplinkConfigError, UplinkSettings
from agent.uplink.uplink import Uplink

TICK_SECONDS = 1.0


class NoLink:
    """Stands for the uplink where no collector is configured."""

    def hop(self) -> Hop:
        return Hop("stream", 0, 0)

    def describe(self) -> tuple[str, str]:
        return "none", ""


@dataclass(frozen=True, slots=True)
class UplinkLink:
    """The uplink as status shows it."""

    uplink: Uplink

    def hop(self) -> Hop:
        return self.uplink.hop()

    def describe(self) -> tuple[str, str]:
        state = self.uplink.state()
        return "connected" if state.connected else "disconnected", state.detail


def serve(settings: Settings, wired: Wired) -> None:
    """Run until SIGTERM or SIGINT. Enforcement goes on afterwards. Raises NodeError: it cannot begin."""
    node = Node(settings.node_name, Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    sources = Sources(wired.kernel, wired.cgroup_mount, wired.engine.rule)
    events = EventPath(settings.state / "spool", SpoolLimits(settings.spool.total_bytes), node, sources)
    try:
        asyncio.run(Agent(settings, wired, events, node).run())
    finally:
        events.stop()
        wired.kernel.close()


class Agent:
    """One run of the event loop."""

    def __init__(self, settings: Settings, wired: Wired, events: EventPath, node: Node) -> None:
        self._settings = settings
        self._wired = wired
        self._events = events
        self._node = node
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._uplink: Uplink | None = None
        self._service: Service | None = None

    async def run(self) -> None:
        """Start everything, wait for the signal to stop, stop everything. Raises NodeError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        service = Service(
            Parts(
                node=self._node.name,
                engine=self._wired.engine,
                kernel=self._wired.kernel,
                events=self._events,
                link=self._link(),
                facts=self._wired.facts,
                changed=self._changed.set,
            )
        )
        self._service = service
        server = Server(self._settings.socket, service, _refused)
        try:
            await server.start()
        except OSError as error:
            raise NodeError(f"cannot listen at `{self._settings.socket}`: {error}") from error
        self._events.start(self._uplink.wake if self._uplink else lambda: None)
        tasks = [asyncio.create_task(self._keep_time(service)), asyncio.create_task(self._follow(service))]
        if self._uplink is not None:
            tasks.append(asyncio.create_task(self._uplink.run()))
        slim_down()
        _tell_systemd("READY=1")
        log().info("ready", socket=str(self._settings.socket), node=self._node.name)
        await self._until_stopped(tasks)
        _tell_systemd("STOPPING=1")
        log().info("stopping")
        await server.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        service.close()

    async def _until_stopped(self, tasks: "list[asyncio.Task[None]]") -> None:
        """Until a signal comes; a task that ends by itself is a fault, and systemd starts us anew."""
        stop = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stop}:
            log().error("task_died", error=repr(task.exception()))
        stop.cancel()

    def _link(self) -> "NoLink | UplinkLink":
        if not self._settings.collector.address:
            return NoLink()
        identity = Identity(self._node.name, self._node.boot_id, version("ringfence"), platform.release())
        try:
            self._uplink = Uplink(_uplink_settings(self._settings.collector), identity, self._events.spool, self._order)
        except UplinkConfigError as error:
            raise NodeError(str(error), found=error.found, required=error.required) from error
        return UplinkLink(self._uplink)

    async def _order(self, order: PushOrder | DeleteOrder) -> PushOutcome:
        if self._service is None:
            raise NodeError("the agent is not ready yet")
        return await self._service.order(order)

    async def _keep_time(self, service: Service) -> None:
        """Leases that run out, clocks that are set, and reports: at once after a change, and every second."""
        while True:
            try:
                if seconds := await service.run(self._wired.kernel.keep_time):
                    log().info("clock_set", seconds=round(seconds, 3))
                left = await service.run(self._wired.engine.tick)
                if self._uplink is not None:
                    self._uplink.report(await service.report())
            except (NodeError, StoreError) as error:
                log().error("tick_failed", error=str(error))
                left = None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), min(TICK_SECONDS, left or TICK_SECONDS))
            self._changed.clear()

    async def _follow(self, service: Service) -> None:
        """Bring scopes up to date whenever cgroups come or go."""
        loop = asyncio.get_running_loop()
        news = asyncio.Event()
        descriptor = self._wired.follower.fileno()
        while True:
            loop.add_reader(descriptor, news.set)
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), TICK_SECONDS)
            loop.remove_reader(descriptor)
            news.clear()
            try:
                await service.run(self._wired.engine.follow)
            except (NodeError, StoreError) as error:
                log().error("follow_failed", error=str(error))


def _uplink_settings(collector: Collector) -> UplinkSettings:
    files = (collector.ca, collector.certificate, collector.key)
    if any(files) and not all(files):
        raise NodeError("TLS to the collector needs all of `ca`, `certificate` and `key`")
    ca, certificate, key = files
    tls = TlsFiles(ca, certificate, key) if ca and certificate and key else None
    return UplinkSettings(collector.address, tls, collector.name)


def _refused(peer: Peer, reason: str) -> None:
    log().warning("peer_refused", pid=peer.pid, uid=peer.uid, reason=reason)


def _tell_systemd(state: str) -> None:
    """sd_notify(3): a datagram to the socket systemd named, if it started us."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
