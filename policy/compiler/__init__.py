"""
Model → ruleset: automata, labels, domains, decision rows.
"""

from policy.compiler.compile import compile_profiles
from policy.compiler.limits import CompileError
from policy.compiler.ruleset import ProfileTable, RuleReference, Ruleset, RulesetFormatError
from policy.compiler.units import Cache

__all__ = [
    "Cache",
    "CompileError",
    "ProfileTable",
    "RuleReference",
    "Ruleset",
    "RulesetFormatError",
    "compile_profiles",
]
