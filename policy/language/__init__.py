"""
The language of policies: YAML text ↔ model, what is wrong and where, the JSON Schema.
"""

from policy.language.diagnostic import Diagnostic, Severity, escape, format_diagnostic
from policy.language.printing import digest, dump
from policy.language.reading import LoadResult, load
from policy.language.shapes import json_schema

__all__ = [
    "Diagnostic",
    "LoadResult",
    "Severity",
    "digest",
    "dump",
    "escape",
    "format_diagnostic",
    "json_schema",
    "load",
]
