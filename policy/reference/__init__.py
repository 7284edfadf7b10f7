"""
The slow, obvious evaluator: the oracle that automata and kernel are tested against.
"""

from policy.reference.decide import decide, policy_decides, rule_matches
from policy.reference.glob import matches

__all__ = ["decide", "matches", "policy_decides", "rule_matches"]
