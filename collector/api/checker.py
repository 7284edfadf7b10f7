"""
Check policies: a process of its own, so that a document made to be slow or huge costs nobody but itself.

Reads one JSON object a line, `{"documents": [{"file": …, "yaml": …}]}`, and answers each with a line
`{"policies": [names], "diagnostics": [...]}`. Ends when its input does, so it never outlives the collector.
"""

import json
import resource
import sys
from collections.abc import Iterable
from typing import Any

from policy import language
from policy.language.diagnostic import Diagnostic

#: Bytes of address space the process may use.
MEMORY_LIMIT = 1536 * 1024 * 1024


def check(documents: Iterable[dict[str, str]]) -> dict[str, Any]:
    """Names of the policies and what is wrong with the documents."""
    policies: list[str] = []
    diagnostics: list[dict[str, Any]] = []
    for document in documents:
        result = language.load(document["yaml"], document["file"])
        policies += [policy.name for policy in result.policies]
        diagnostics += [_facts(diagnostic) for diagnostic in result.diagnostics]
    return {"policies": policies, "diagnostics": diagnostics}


def _facts(diagnostic: Diagnostic) -> dict[str, Any]:
    return {
        "severity": str(diagnostic.severity),
        "code": diagnostic.code,
        "message": diagnostic.message,
        "file": diagnostic.position.file,
        "line": diagnostic.position.line,
        "column": diagnostic.position.column,
        "hint": diagnostic.hint,
        "policy": diagnostic.policy,
        "rule": diagnostic.rule,
    }


def main() -> None:
    """Answer until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(check(json.loads(line)["documents"])) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
