"""The guides' examples: every policy in them is valid and compiles, every command prints what they show."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from agent.daemon import enforceable
from agent.daemon.ports import ClassReach
from agent.daemon.reaches import reaches_of
from agent.kernel.coverage import Reach
from policy.compiler import compile_profiles
from policy.language import LoadResult, dump, format_diagnostic, load
from policy.model.types import Policy, Rule, Subject
from policy.model.waivers import waive
from tests.support.guides import ROOT, Guide, Result

#: Commands that need no agent; those that do are run by tests that have one.
LOCAL = re.compile(r"agentctl policy (validate|lint|explain|diff|test|render|templates)\b[^|;&<>$`]*")
GUIDES = ["policy-language.md", "templates.md", "waivers.md"]
#: What a guide shows to be wrong.
MISTAKES = "mistakes.yaml"
#: What no program of this version decides, as the guide says beside it.
AHEAD = ("kernel.yaml",)
BIN = Path(sys.executable).parent


def guide(name: str) -> Guide:
    return Guide(name, lambda command: LOCAL.fullmatch(command) is not None)


EXAMPLES = [
    pytest.param(block.text, id=f"{name}-{block.file or number}")
    for name in GUIDES
    for number, block in enumerate(guide(name).blocks())
    if block.kind == "yaml" and block.file != MISTAKES
]


def run(directory: Path, command: str) -> Result:
    environment = os.environ | {"PATH": f"{BIN}:/usr/bin:/bin", "NO_COLOR": "1", "COLUMNS": "120"}
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=directory,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return Result(done.stdout, done.returncode)


def numbered(subject: Subject | None) -> Subject | None:
    """Names of users and groups as numbers, as a node would have them."""
    if subject is None:
        return None
    return replace(
        subject,
        **{
            name: tuple(one if isinstance(one, int) else 33 for one in getattr(subject, name))
            for name in ("user", "group", "not_user", "not_group")
        },
    )


def on_a_node(policy: Policy) -> Policy:
    def rule(one: Rule) -> Rule:
        return replace(one, subject=numbered(one.subject), within=rule(one.within) if one.within else None)

    return replace(policy, rules=tuple(map(rule, policy.rules)))


def everything(name: str) -> LoadResult:
    """All that the examples of a guide hold; of several versions of a policy, the last."""
    results = [load(block.text) for block in guide(name).blocks() if block.kind == "yaml"]
    policies = {policy.name: policy for result in results for policy in result.policies}
    waivers = {waiver.name: waiver for result in results for waiver in result.waivers}
    return LoadResult(tuple(policies.values()), (), tuple(waivers.values()))


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_is_valid_round_trips_and_compiles(text: str) -> None:
    """An example can be pushed as it stands, once names of users are numbers."""
    result = load(text)
    assert result.diagnostics == ()
    for policy in result.policies:
        assert load(dump(policy)).policies == (policy,)
        compile_profiles([[on_a_node(policy)]])
    for waiver in result.waivers:
        assert load(dump(waiver)).waivers == (waiver,)


@pytest.mark.parametrize("name", ["policy-language.md", "waivers.md"])
def test_every_example_can_be_pushed_but_those_that_say_they_cannot(name: str) -> None:
    """A node with BPF LSM takes what a guide shows; what is ahead of the programs is called so, as long as it is."""
    reaches = reaches_of("lsm", ClassReach(Reach.ENFORCED, "BPF LSM"))
    refused = {
        block.file
        for block in guide(name).blocks()
        if block.file and block.file != MISTAKES
        for policy in load(block.text).policies
        if any(problem.is_error for problem in enforceable.problems(policy, reaches))
    }

    assert refused == {file for file in AHEAD if f"# {file}" in guide(name).path.read_text()}


@pytest.mark.parametrize("name", GUIDES)
def test_all_examples_of_a_guide_compile_together(name: str) -> None:
    """The policies of a guide's story are of one profile, with its waivers applied."""
    found = everything(name)
    compile_profiles([list(map(on_a_node, waive(found.policies, found.waivers)))])


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_prints_what_the_guide_shows(name: str, tmp_path: Path) -> None:
    """Commands that need no agent are run in order, on the files that the guide shows before them and the examples."""
    shutil.copytree(ROOT / "docs/examples", tmp_path / "examples")
    changes = guide(name).play(tmp_path, partial(run, tmp_path))

    for shown, real in changes:
        assert shown == real


def test_the_mistake_shown_is_the_mistake_made() -> None:
    """The diagnostic in the guide is what its first example gives with that misspelling."""
    first = next(block for block in guide(GUIDES[0]).blocks() if block.file)
    found = load(first.text.replace("network:", "netwrok:"), first.file or "").diagnostics

    assert [
        format_diagnostic(one) for one in found if format_diagnostic(one) not in guide(GUIDES[0]).path.read_text()
    ] == []
