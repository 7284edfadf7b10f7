"""kill -9 of the process between ring and spool, at random moments: every event is spooled once, under one sequence."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter

from agent.events.batch import unpack
from agent.spool.spool import Spool
from tests.support.fake_ring import FakeRing, event, write_long
from tests.support.node import BOOT

KILLS = 12

AGENT = """
import sys
from pathlib import Path
from agent.events.memory import MappedRing
from agent.events.pump import Pump
from agent.events.ring import RingReader
from agent.spool.spool import Spool
from agent.spool.types import SpoolLimits
from tests.support.node import BOOT, context

ring, wake, size = map(int, sys.argv[1:4])
spool = Spool.open(Path(sys.argv[4]), SpoolLimits(16 << 20, 20_000))
memory = MappedRing(ring, size, 1, wake)
place = spool.ring_position(BOOT, 0, 1)
reader = RingReader(memory, place.base)
reader.resume(place.end)
print("ready", flush=True)
Pump({0: reader}, context(), spool, lambda: None).run()
"""


def start(ring: FakeRing, directory: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", AGENT, str(ring.fd), str(ring.wake), str(ring.size), directory]
    path = os.pathsep.join(entry for entry in sys.path if entry)
    agent = subprocess.Popen(
        command, stdout=subprocess.PIPE, pass_fds=(ring.fd, ring.wake), env=os.environ | {"PYTHONPATH": path}
    )
    assert agent.stdout is not None
    assert agent.stdout.readline() == b"ready\n"
    return agent


def test_killed_at_random_moments(tmp_path):
    """Events written while agents come and go are all in the spool afterwards, none twice, long names included."""
    chance = random.Random(7)
    with FakeRing(1 << 18) as ring:
        written: list[int] = []
        for _ in range(KILLS):
            agent = start(ring, str(tmp_path))
            deadline = time.monotonic() + chance.uniform(0.0, 0.1)
            while time.monotonic() < deadline:
                path = b"/srv/%d" % len(written)
                long = len(written) % 7 == 0
                position = write_long(ring, path + b"/x" * 150, len(written)) if long else ring.write(event(path))
                if position is not None:
                    written.append(position)
                time.sleep(0.0002)
            agent.kill()
            assert agent.wait(10) == -signal.SIGKILL
        agent = start(ring, str(tmp_path))
        deadline = time.monotonic() + 20
        while ring.consumer != ring.producer and time.monotonic() < deadline:
            time.sleep(0.01)
        agent.kill()
        agent.wait(10)

    spool = Spool.open(tmp_path)
    stored = spool.read(0, 1 << 30)
    batches = [unpack(batch.payload) for batch in stored]
    found = Counter(sequence for batch in batches for sequence in batch.columns["sequence"].tolist())

    assert written == sorted(found)
    assert set(found.values()) == {1}
    assert [batch.number for batch in stored] == sorted({batch.number for batch in stored})
    assert (len(written), {}) == spool.ring_totals(BOOT, 0)
