"""What would be live with what is pushed."""

from agent.daemon import refusals, waivers
from agent.daemon.live import LivePolicy, LiveWaiver, Snapshot
from agent.daemon.ports import Contents
from agent.daemon.store import Pushed


def wanted(live: Snapshot, contents: Contents, now_ns: int) -> tuple[dict[str, LivePolicy], dict[str, LiveWaiver]]:
    """
    Policies and waivers by name: those that are pushed in place of their namesakes, and the others that are live.

    What is live already and equal stays the very same value, and waivers that have expired are left out.
    """
    policies = dict(live.policies)
    for one in contents.policies:
        name = one.policy.name
        if not refusals.same(policies.get(name), one):
            policies[name] = LivePolicy(one.policy, Pushed(name, one.digest, one.file, one.yaml, now_ns))
    return policies, waivers.merged(live.waivers, contents.waivers, now_ns)
