"""What a node cannot do is refused by name before anything changes."""

from agent.daemon import checks
from agent.daemon.ports import ClassReach, Reach
from policy.language import load
from policy.model.types import Class, Policy

BLIND = {Class.NETWORK: ClassReach(Reach.ENFORCED, "cgroup hooks", blind=True)}
SEEING = {Class.NETWORK: ClassReach(Reach.ENFORCED, "BPF LSM")}


def policy(rule: str, mode: str = "enforcing") -> Policy:
    text = f"""
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {{name: web}}
spec:
  scope: [{{cgroup: /web}}]
  mode: {mode}
  rules: [{{id: egress, network: {{operations: [connect]}}, {rule}}}]
"""
    (found,) = load(text).policies
    return found


def test_kill_needs_a_hook_that_can_send_a_signal() -> None:
    """Where only cgroup hooks are, kill is refused; permissive it is only reported, and deny is enough for all."""
    (problem,) = checks.blind(policy("action: kill"), BLIND)

    assert (problem.code, problem.rule, problem.hint) == ("cannot-enforce", "egress", "use `deny`")
    assert not [
        *checks.blind(policy("action: kill", "permissive"), BLIND),
        *checks.blind(policy("action: deny"), BLIND),
    ]
    assert not list(checks.blind(policy("action: kill"), SEEING))


def test_executables_need_a_hook_that_knows_them() -> None:
    """Where no exec is seen, a rule about executables is refused; one about users is not."""
    told = 'subject: {exe: ["/usr/bin/curl"]}, action: deny'
    (problem,) = checks.blind(policy(told), BLIND)

    assert "tell executables apart" in problem.required
    assert not list(checks.blind(policy("subject: {user: [33]}, action: deny"), BLIND))
    assert not list(checks.blind(policy(told), SEEING))
