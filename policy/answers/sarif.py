"""
Findings as SARIF 2.1.0, which code hosts and editors show beside the lines
(https://docs.oasis-open.org/sarif/sarif/v2.1.0/).
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from policy.answers.findings import CODES, Code, Finding
from policy.model.types import Position

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def sarif(findings: Sequence[Finding], version: str) -> dict[str, Any]:
    """A log of one run of one tool."""
    driver = {"name": "agentctl policy lint", "version": version, "rules": [_rule(code) for code in CODES]}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": [_result(one) for one in findings]}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: Code) -> dict[str, Any]:
    return {
        "id": code.id,
        "name": code.name,
        "shortDescription": {"text": code.meaning},
        "help": {"text": code.advice},
    }


def _result(finding: Finding) -> dict[str, Any]:
    who = f"policy `{finding.policy}`" + (f", rule `{finding.rule}`" if finding.rule else "")
    text = f"{who}: {finding.message}" + (f" ({finding.hint})" if finding.hint else "")
    result: dict[str, Any] = {
        "ruleId": finding.code.id,
        "ruleIndex": CODES.index(finding.code),
        "level": str(finding.severity),
        "message": {"text": text},
        "locations": [_location(finding.position)],
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, "message": {"text": what}, **_location(position)}
            for number, (what, position) in enumerate(finding.related)
        ]
    return result


def _location(position: Position) -> dict[str, Any]:
    place: dict[str, Any] = {
        "artifactLocation": {"uri": quote((position.file or "policy").encode("utf-8", "surrogateescape"))}
    }
    if position.line:
        place["region"] = {"startLine": position.line, "startColumn": max(position.column, 1)}
    return {"physicalLocation": place}
