"""Compiling in processes that exit: they answer, they are limited, and they may die."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.daemon import compiling
from agent.daemon.compiling import CompilerProcess
from agent.daemon.ports import Document, NodeError, Problem

GOOD = """\
apiVersion: ringfence.dev/v1
kind: Policy
metadata: {name: web}
spec:
  scope: [{cgroup: "/shop/**"}]
  rules:
    - {id: r, file: {paths: ["/etc/shadow"], operations: [read]}, action: deny}
"""


@pytest.fixture
def compiler() -> Iterator[CompilerProcess]:
    process = CompilerProcess()
    yield process
    process.close()


def test_session_parses_and_compiles(compiler: CompilerProcess) -> None:
    """What a child answers is what the library answers here."""
    session = compiler.session()
    contents = session.parse([Document("web.yaml", GOOD)])
    parsed, problems = contents.policies, contents.problems
    ruleset = session.compile([[one.policy for one in parsed]])
    session.close()

    assert list(problems) == []
    assert (parsed[0].policy.name, parsed[0].yaml, parsed[0].file) == ("web", GOOD, "web.yaml")
    assert not isinstance(ruleset, Problem)
    assert (ruleset.rules[0].policy, ruleset.rules[0].rule) == ("web", "r")


def test_policies_of_one_file_have_their_own_texts(compiler: CompilerProcess) -> None:
    """Of a file with two documents each policy keeps a text that means it alone."""
    session = compiler.session()
    two = f"{GOOD}---\n{GOOD.replace('name: web', 'name: db')}"
    parsed = session.parse([Document("two.yaml", two)]).policies
    contents = session.parse([Document("two.yaml", one.yaml) for one in parsed])
    again, problems = contents.policies, contents.problems
    session.close()

    assert list(problems) == []
    assert [one.digest for one in parsed] == [one.digest for one in again]
    assert [one.policy.name for one in again] == ["web", "db"]


def test_policies_of_templates_are_kept_filled_in(compiler: CompilerProcess) -> None:
    """The kept text means the same policy without a library, whatever the next version's library says."""
    text = GOOD.replace("  rules:\n", "  template: no-shells\n  rules:\n")
    session = compiler.session()
    (one,) = session.parse([Document("web.yaml", text)]).policies
    (again,) = session.parse([Document("web.yaml", one.yaml)]).policies
    session.close()

    assert "template" not in one.yaml
    assert [rule.id for rule in one.policy.rules] == ["r", "no-shells"]
    assert (again.policy, again.digest) == (one.policy, one.digest)


def test_problems_carry_place_and_names(compiler: CompilerProcess) -> None:
    """A problem crosses the process with everything a person needs."""
    session = compiler.session()
    (problem,) = session.parse([Document("web.yaml", GOOD.replace("[read]", "[raed]"))]).problems
    session.close()

    assert problem.message == "policy `web`, rule `r`: unknown operation `raed`"
    assert (problem.position.file, problem.position.line) == ("web.yaml", 7)


def test_dead_template_is_replaced(compiler: CompilerProcess) -> None:
    """Whoever kills the template costs the next push an import, not the push."""
    killed = compiler.template
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    session = compiler.session()
    parsed = session.parse([Document("web.yaml", GOOD)]).policies
    session.close()

    assert killed != compiler.template
    assert [one.policy.name for one in parsed] == ["web"]


def test_child_that_dies_is_an_error(compiler: CompilerProcess) -> None:
    """A push whose child is killed fails with words, and the next one works."""
    session = compiler.session()
    session.compile([])
    grandchildren = Path(f"/proc/{compiler.template}/task/{compiler.template}/children").read_text().split()
    for child in grandchildren:
        os.kill(int(child), signal.SIGKILL)
    with pytest.raises(NodeError, match="died"):
        session.parse([Document("web.yaml", GOOD)])
    session.close()

    assert grandchildren
    other = compiler.session()
    assert other.parse([Document("web.yaml", GOOD)]).policies
    other.close()


def test_policy_that_takes_too_long_is_a_problem(compiler: CompilerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever: past the limit the push is refused."""
    monkeypatch.setattr(compiling, "PARSE_SECONDS", 0.0)
    session = compiler.session()
    contents = session.parse([Document("web.yaml", GOOD * 50)])
    session.close()

    assert contents.policies == ()
    assert [problem.code for problem in contents.problems] == ["limit"]


def test_profiles_are_compiled_once(tmp_path: Path, compiler: CompilerProcess) -> None:
    """Another session, and another template, use what an earlier one compiled, and get the same bytes."""
    keeping = CompilerProcess(tmp_path / "units")
    answers = []
    for _ in range(2):
        session = keeping.session()
        policies = session.parse([Document("web.yaml", GOOD)]).policies
        answers.append(session.compile([[policies[0].policy]]))
        session.close()
        kept = {path.name: path.stat().st_ino for path in (tmp_path / "units").iterdir()}
        os.kill(keeping.template, signal.SIGKILL)
        os.waitpid(keeping.template, 0)
    keeping.close()
    session = compiler.session()
    answers.append(session.compile([[policies[0].policy]]))
    session.close()

    assert len({answer.to_bytes() for answer in answers if not isinstance(answer, Problem)}) == 1
    assert {path.name: path.stat().st_ino for path in (tmp_path / "units").iterdir()} == kept
    assert len(kept) == 1
