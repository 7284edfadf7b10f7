"""
Write the reference of the policy language: `.venv/bin/python docs/reference/generate.py`.

Words from `policy.language.manual`, fields from its schema, what this release enforces from the table of programs
that the agent itself goes by, and templates from the library.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.kernel.coverage import QUESTIONS, Part, Question, Reach, coverage
from agent.loader.manifest import read_manifest
from policy.answers import catalogue
from policy.language import json_schema
from policy.language.manual import MANUAL
from policy.language.manual.pages import pages
from policy.model.types import Class

HERE = Path(__file__).parent / "policy"
_MANIFEST = read_manifest((Path(__file__).parents[2] / "bpf" / "manifest.toml").read_text())
_HOOKS = {program.name: program.hook for program in _MANIFEST.programs}
_LSM, _CGROUP = coverage("lsm"), coverage("cgroup")

PREFACE = """
## What this release enforces

A node refuses by name what it cannot enforce, when a policy is pushed: an operation in a rule that no program decides,
a default of a class of which nothing is decided, a part of a rule that the hooks cannot tell. For `file`, `exec` and
`network` a default holds for the operations that are decided, and push warns of the others. `minimumLevel: observed`
accepts a node that can only record, and nothing that a node cannot even record. `agentctl doctor` lists what holds on a
machine; it, push and these pages go by one table of programs.

Parts of rules that not every program can tell, and the classes whose programs can:

| part of a rule | where BPF LSM programs load | by cgroup hooks alone |
|---|---|---|
"""


def generate() -> Mapping[str, str]:
    """The pages by their file names in docs/reference/policy."""
    states = {question: _state(question) for question in QUESTIONS}
    preface = PREFACE.lstrip("\n") + "".join(
        f"| `{part}` | {_told('lsm', part)} | {_told('cgroup', part)} |\n" for part in Part
    )
    schema = json.dumps(json_schema(), indent=2) + "\n"
    return {
        **pages(states, {class_: _summary(class_) for class_ in Class}, preface),
        "policy.schema.json": schema,
        "templates.md": catalogue.markdown(),
    }


def _state(question: Question) -> str:
    lsm, cgroup = _LSM[question], _CGROUP[question]
    if lsm.reach is Reach.OBSERVED:
        return f"recorded, or answered by a kill, by {_programs(lsm.programs)}; never refused."
    if lsm.reach is Reach.NONE:
        return "not decided by any program: a rule that asks for it is refused when it is pushed."
    also = f"; else by cgroup hooks ({_programs(cgroup.programs)})" if cgroup.programs else ""
    return f"enforced where BPF LSM programs load, by {_programs(lsm.programs)}{also}{_unhooked(question)}."


def _unhooked(question: Question) -> str:
    """Hooks of an operation that no program is attached to."""
    class_, name = question
    hooked = {_HOOKS[program] for program in (*_LSM[question].programs, *_CGROUP[question].programs)}
    missing = [hook for hook in MANUAL[class_].operations[name].hooks if hook not in hooked]
    return f". Not yet at {_programs(missing)}" if missing else ""


def _programs(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _summary(class_: Class) -> str:
    by_reach = {
        reach: [name for of, name in QUESTIONS if of is class_ and _LSM[of, name].reach is reach] for reach in Reach
    }
    if by_reach[Reach.OBSERVED]:
        return "recorded or killed, never refused"
    if not by_reach[Reach.ENFORCED]:
        return "refused when pushed"
    if not by_reach[Reach.NONE]:
        return "enforced"
    return (
        f"enforced: {', '.join(f'`{name}`' for name in by_reach[Reach.ENFORCED])}; the others are refused when pushed"
    )


def _told(mode: str, part: Part) -> str:
    covers = _LSM if mode == "lsm" else _CGROUP
    able = [question for question, cover in covers.items() if cover.programs and part not in cover.lacks]
    classes = dict.fromkeys(str(class_) for class_, _ in able if _about(part, class_))
    return ", ".join(f"`{name}`" for name in classes) or "no"


def _about(part: Part, class_: Class) -> bool:
    """Whether rules of a class can have a part at all."""
    match part:
        case Part.TYPES:
            return class_ is Class.FILE
        case Part.UNIX | Part.FAMILIES | Part.PROTOCOLS:
            return class_ is Class.NETWORK
        case Part.ERRNO:
            return class_ is not Class.SYSCALL
    return True


def main() -> None:
    for name, text in generate().items():
        (HERE / name).write_text(text)


if __name__ == "__main__":
    main()
