"""
The slow, obvious evaluator: the oracle that automata and kernel are tested against.
"""

from policy.reference.decide import decide
from policy.reference.glob import matches

__all__ = ["decide", "matches"]
