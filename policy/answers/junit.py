"""
Reports of tests in the form that build servers read: JUnit's XML, as Jenkins and GitLab understand it.
"""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from policy.answers.testing import Outcome, Report

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
#: What XML 1.0 has no way to write, not even escaped (https://www.w3.org/TR/xml/#charsets).
_NEVER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(reports: Sequence[Report]) -> str:
    """
    The report of some tests, a suite each; ends with a newline.

    Characters that XML cannot hold are written as U+FFFD.
    """
    root = ElementTree.Element("testsuites", _counts([one for report in reports for one in report.outcomes]))
    for report in reports:
        suite = ElementTree.SubElement(
            root, "testsuite", {"name": _text(report.test.name), **_counts(report.outcomes), "errors": "0"}
        )
        for outcome in report.outcomes:
            _case(suite, report, outcome)
    ElementTree.indent(root)
    return _DECLARATION + ElementTree.tostring(root, encoding="unicode") + "\n"


def _counts(outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {"tests": str(len(outcomes)), "failures": str(sum(not one.ok for one in outcomes))}


def _case(suite: ElementTree.Element, report: Report, outcome: Outcome) -> None:
    case = outcome.case
    attributes = {
        "classname": _text(report.test.name),
        "name": _text(case.name),
        "file": _text(case.position.file),
        "line": str(case.position.line),
    }
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if outcome.ok:
        return
    policy, rule = outcome.decision.rule
    failure = ElementTree.SubElement(element, "failure", {"message": _text("; ".join(outcome.failures))})
    place = outcome.position
    failure.text = _text(
        f"policy `{policy}`, rule `{rule}` decides: {place.file}:{place.line}:{place.column}\n"
        f"case: {case.position.file}:{case.position.line}:{case.position.column}"
    )


def _text(text: str) -> str:
    return _NEVER.sub("\ufffd", text)
