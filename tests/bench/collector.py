"""
What the collector does, measured: `python -m tests.bench.collector`.

    bench_store    agent → gRPC → store, one collector process, batches of 500 events
    bench_alerts   violation → alert delivered, and → visible in the event stream, at a steady rate
"""

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import psutil
from ringfence.v1 import stream_pb2

from tests.support.collector_agent import Stream
from tests.support.collector_batches import batch
from tests.support.collector_process import CollectorProcess, Receiver


def bench_store(events: int = 600_000, batch_size: int = 500) -> dict[str, float]:
    """Events a second from the first batch sent to the last acknowledgement, and what the process used."""
    batches = [
        batch(number, range(number * batch_size, (number + 1) * batch_size))
        for number in range(1, events // batch_size + 1)
    ]
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        collector = CollectorProcess(Path(directory))
        process = psutil.Process(collector.pid)
        stream = Stream(collector.grpc)
        before, began = process.cpu_times(), time.perf_counter()
        for one in batches:
            stream.send_batch(one)
        stream.wait_acknowledged(len(batches))
        seconds, after = time.perf_counter() - began, process.cpu_times()
        stream.close()
        resident = process.memory_info().rss
        collector.stop()
        size = (Path(directory) / "state/store.db").stat().st_size
    cpu = after.user + after.system - before.user - before.system
    return {
        "events_per_second": round(events / seconds),
        "cpu_us_per_event": round(cpu / events * 1e6, 2),
        "resident_mib": round(resident / 2**20),
        "bytes_per_event": round(size / events),
    }


def bench_alerts(rate: int = 1_000, seconds: float = 10) -> dict[str, float]:
    """
    Milliseconds from the time in the violation to the receiver, and to the end of its event in the stream.

    Violations come in batches of what 10 ms bring; the time is taken when a batch is made, so what the agent needs is
    not in it.
    """
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        receiver = Receiver()
        collector = CollectorProcess(Path(directory), receiver)
        stream = Stream(collector.grpc)
        seen: list[float] = []
        joined = threading.Event()
        watching = threading.Thread(target=_watch, args=(collector, seen, round(rate * seconds), joined), daemon=True)
        watching.start()
        joined.wait(10)
        total = _send_steadily(stream, rate, seconds)
        stream.wait_acknowledged(total)
        receiver.wait(round(rate * seconds))
        watching.join(5)
        stream.close()
        collector.stop()
        receiver.close()
    return {
        "alerts": len(set(receiver.ids)),
        **_quantiles("alert", receiver.latencies),
        "shown": len(seen),
        **_quantiles("shown", seen),
    }


def _send_steadily(stream: Stream, rate: int, seconds: float, step: float = 0.01) -> int:
    """Numbers of batches sent."""
    size, began = max(1, round(rate * step)), time.perf_counter()
    steps = round(seconds / step)
    for number in range(1, steps + 1):
        time.sleep(max(0.0, began + number * step - time.perf_counter()))
        made: stream_pb2.Batch = batch(number, range(number * size, (number + 1) * size), unix_ns=time.time_ns())
        stream.send_batch(made)
    return steps


def _watch(collector: CollectorProcess, seen: list[float], wanted: int, joined: threading.Event) -> None:
    headers = {"Authorization": f"Bearer {collector.token}"}
    with httpx.stream("GET", collector.web + "/api/v1/events", headers=headers, timeout=30, trust_env=False) as answer:
        for line in answer.iter_lines():
            joined.set()
            if line.startswith("data: [{"):
                now = time.time_ns()
                seen += [(now - int(violation["unix_ns"])) / 1e6 for violation in json.loads(line[6:])]
            if len(seen) >= wanted:
                return


def _quantiles(name: str, values: Sequence[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {f"{name}_p50_ms": round(cuts[49], 2), f"{name}_p99_ms": round(cuts[98], 2)}


def main() -> None:
    """Print all of it."""
    for name, measured in (("bench_store", bench_store()), ("bench_alerts", bench_alerts())):
        print(name, json.dumps(measured))


if __name__ == "__main__":
    main()
