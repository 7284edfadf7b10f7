"""The command `ringfence-collector`."""

import asyncio
import gc
import signal
import sys

from collector.alerts.rules import RulesError
from collector.api import log
from collector.api.collector import Collector
from collector.api.settings import ConfigurationError, Settings, die, load
from collector.api.token import TokenError
from collector.ingest.server import ListenError
from collector.store.errors import StoreError

#: Threads take turns this often, seconds: the writer's and the event loop's. The default of 5 ms starves the writer.
SWITCH_INTERVAL = 0.0005


def main() -> None:
    """Run until SIGTERM or SIGINT. Exit status 1 if it cannot start, or has to stop by itself."""
    try:
        settings = load(sys.argv[1:])
    except ConfigurationError as error:
        die(str(error))
        return
    log.set_up(settings.log_level, settings.log_format)
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(50_000, 20, 50)
    raise SystemExit(asyncio.run(_run(settings)))


async def _run(settings: Settings) -> int:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    collector = Collector(settings)
    try:
        await collector.start()
    except (RulesError, TokenError, StoreError, ListenError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    _ready(settings, collector)
    waits = [asyncio.create_task(ended.wait()), asyncio.create_task(collector.failed())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    await collector.stop()
    return 0 if ended.is_set() else 1


def _ready(settings: Settings, collector: Collector) -> None:
    """One line that says where, for people and for those who wait for it."""
    if collector.token_made:
        log.journal("token-made", path=str(settings.token_path))
    grpc, web = (_shown(host) for host, _ in (settings.grpc_address, settings.web_address))
    sys.stdout.write(
        f"ready grpc={grpc}:{collector.grpc_port} web={web}:{collector.web_port} token={settings.token_path}\n"
    )
    sys.stdout.flush()


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
