"""
Ring → spool: events a second, and where the time goes.

    python -m tests.bench.ring [--events N] [--long N] [--profile] [--json]

A ring of 8 MiB in a file in memory is filled ahead of time and read again and again: what is measured is the agent's
side, on one core. `--long` gives every N-th event a name that comes apart.
"""

import argparse
import cProfile
import json
import os
import platform
import pstats
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from agent.events.batch import pack, unpack
from agent.events.decode import decode
from agent.events.pump import BATCH, Drained, Pump
from agent.events.ring import RingReader
from agent.spool.spool import Spool
from agent.spool.types import SpoolLimits
from agent.uplink.messages import batch_message
from tests.support.fake_ring import FakeRing, event, write_long
from tests.support.kernel_ring import BpfRefusedError, KernelRing
from tests.support.node import context

SIZE = 8 << 20


def fill(ring: FakeRing, long: int) -> int:
    """Fill the ring with files and peers, as many as fit; how many these are."""
    count = 0
    while True:
        path = b"/srv/www/tenant-%d/releases/%d/static/index.html" % (count % 50, count)
        if long and count % long == 0:
            written = write_long(ring, path + b"/x" * 200, count + 1)
        elif count % 4 == 0:
            peer = bytes(10) + b"\xff\xff" + bytes([10, 0, count // 256 % 256, count % 256])
            written = ring.write(event(b"", class_id=3, rule=1, family=2, port=443, address=list(peer), protocol=6))
        else:
            written = ring.write(event(path, exe=b"/usr/sbin/nginx", boot_ns=count))
        if written is None:
            return count
        count += 1


class Endless:
    """A ring that is full again each time it is read: positions are taken back to where they were."""

    def __init__(self, long: int) -> None:
        self.ring = FakeRing(SIZE)
        self.count = fill(self.ring, long)
        self.end = self.ring.producer
        self.memory = self.ring.map()

    def again(self) -> None:
        self.ring.words[0] = 0


class Nowhere:
    """A sink that forgets."""

    def append(self, entries: Sequence[Drained]) -> None:
        return None

    def ring_totals(self, boot_id: str, ring: int) -> tuple[int, dict[str, int]]:
        return 0, {}


def drain(endless: Endless, sink: Spool | Nowhere, events: int) -> tuple[float, float]:
    """Events a second: by the clock, and by the processor's time used (others may use this machine too)."""
    done, clock, used = 0, time.perf_counter(), time.process_time()
    while done < events:
        endless.again()
        reader = RingReader(endless.memory)
        pump = Pump({0: reader}, context(), sink, lambda: None)
        while pump.drain():
            pass
        pump.close()
        done += endless.count
    return done / (time.perf_counter() - clock), done / (time.process_time() - used)


def words(clock: float, used: float) -> str:
    """Of two rates."""
    return f"{clock:10,.0f} events/s by the clock, {used:10,.0f} by processor time"


class Kernel:
    """A ring of the kernel, filled by a BPF program."""

    def __init__(self) -> None:
        self.ring = KernelRing(SIZE, event(b"/srv/www/index.html", exe=b"/usr/sbin/nginx"))
        self.memory = self.ring.map()
        self.count = 0

    def fill(self) -> float:
        """Seconds it took the kernel."""
        clock = time.perf_counter()
        self.ring.write(SIZE // 520)
        self.count = (self.memory.producer() - self.memory.consumer()) // 520
        return time.perf_counter() - clock


def drain_kernel(spool: Spool, events: int) -> tuple[float, float, float]:
    """Events a second of the reader, as `drain`, and of the program, whose time is not counted as the reader's."""
    kernel, done, clock, used, writing = Kernel(), 0, 0.0, 0.0, 0.0
    pump = Pump({0: RingReader(kernel.memory)}, context(), spool, lambda: None)
    while done < events:
        writing += kernel.fill()
        began, cpu = time.perf_counter(), time.process_time()
        while pump.drain():
            pass
        clock, used = clock + time.perf_counter() - began, used + time.process_time() - cpu
        done += kernel.count
    pump.close()
    kernel.ring.close()
    return done / clock, done / used, done / writing


def measure(events: int) -> dict[str, float | bool | str]:
    """Events a second from ring to spool, and whether the sums balance; `refused`: why no ring of the kernel."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        spool = Spool.open(Path(directory) / "spool", SpoolLimits(64 << 20, 8 << 20))
        try:
            clock, used, _ = drain_kernel(spool, events)
            refused = ""
        except BpfRefusedError as error:
            clock, used = drain(Endless(0), spool, events)
            refused = str(error)
        balances = _balances(spool)
        spool.close()
    return {"events_per_second": clock, "by_processor_time": used, "balances": balances, "refused": refused}


def _balances(spool: Spool) -> bool:
    account = spool.account()
    return account.came == account.out + account.pending + sum(account.dropped.values())


def steps(endless: Endless) -> None:
    """Nanoseconds an event of each step."""
    endless.again()
    reader, node = RingReader(endless.memory), context()
    parts = []
    clock = time.process_time()
    while len((records := reader.read(BATCH)).events):
        parts.append(records)
    show("read", clock, endless.count)
    clock = time.process_time()
    batches = [decode(records, 0, 0, node).batch for records in parts]
    show("decode", clock, endless.count)
    clock = time.process_time()
    packed = [pack(batch) for batch in batches]
    show("pack", clock, endless.count)
    clock = time.process_time()
    for payload in packed:
        unpack(payload)
    show("unpack", clock, endless.count)
    clock = time.process_time()
    messages = [batch_message(payload, 1, "web-1").SerializeToString() for payload in packed]
    show("to message (unpack included)", clock, endless.count)
    print(f"  bytes an event: spooled {sum(map(len, packed)) / endless.count:.0f}, sent", end=" ")
    print(f"{sum(map(len, messages)) / endless.count:.0f}")


def show(step: str, since: float, events: int) -> None:
    print(f"  {step:30} {(time.process_time() - since) / events * 1e9:7.0f} ns an event")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--long", type=int, default=0)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--json", action="store_true", help="only what the budget is about, as JSON")
    arguments = parser.parse_args()
    if arguments.json:
        print(json.dumps(measure(arguments.events)))
        return
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    endless = Endless(arguments.long)
    print(f"ring → spool, one core, kernel {platform.release()}, ring in a file of the kernel's layout,")
    print(f"  {SIZE >> 20} MiB, {endless.count} events a fill, batches of {BATCH}; budget 200,000/s")
    with tempfile.TemporaryDirectory() as directory:
        spool = Spool.open(Path(directory) / "spool", SpoolLimits(64 << 20, 8 << 20))
        if arguments.profile:
            profile = cProfile.Profile()
            profile.runcall(drain, endless, spool, arguments.events)
            pstats.Stats(profile).sort_stats("tottime").print_stats(18)
        print(f"  ring → spool, fsync for each batch     {words(*drain(endless, spool, arguments.events))}")
        account = spool.account()
        print(f"  sums {'balance' if _balances(spool) else 'DO NOT BALANCE'}: {account.came:,} in,", end=" ")
        print(f"{account.pending:,} pending, {account.dropped}")
        try:
            clock, used, writing = drain_kernel(spool, arguments.events)
            print(f"  the same, a ring of the kernel          {words(clock, used)} (written at {writing:,.0f}/s)")
        except BpfRefusedError as error:
            print(f"  a ring of the kernel: not measured, {error}")
        spool.close()
    print(f"  ring → packed batch, nothing written   {words(*drain(endless, Nowhere(), arguments.events))}")
    steps(endless)


if __name__ == "__main__":
    main()
