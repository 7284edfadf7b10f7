"""
The shape of policies, as pydantic models.

Values of single fields are in `fields`, what a rule can be about in `classes`; `shapes` has the documents of all kinds.
"""

from typing import Any, Literal

from pydantic import Field, model_validator

from policy.language.classes import CLASSES, OfOneClass, SyscallRule
from policy.language.fields import (
    LIST_MAX,
    RULES_MAX,
    SHORT_LIST_MAX,
    Account,
    ActionName,
    ErrnoName,
    Glob,
    Name,
    Short,
    Tag,
    Text,
    Unit,
    listed,
    optional,
)
from policy.language.refusals import Strict, refusal
from policy.language.vocabulary import API_VERSION, REFUSED_BY, SEVERITIES

Version = Literal[API_VERSION]  # type: ignore[valid-type]
Severity = Literal[SEVERITIES]  # type: ignore[valid-type]
_VERSION = "The version of the language."


class Metadata(Strict):
    """Who the policy is."""

    name: Name = Field(description="Unique on a node.")
    labels: dict[str, Text] = Field(default={}, max_length=64, description="What others sort policies by.")
    annotations: dict[str, Text] = Field(default={}, max_length=64, description="Notes that mean nothing to Ringfence.")
    owner: Text = Field(default="", description="Who answers for the policy.")
    tags: list[Tag] = listed(64, "Words to find the policy by; MITRE ATT&CK's are written `T1059.004`.")


class ScopeEntry(Strict):
    """Which cgroups the policy applies to: exactly one of these."""

    cgroup: Glob = optional("Cgroups whose path from the root of the tree matches; what is below them is included.")
    unit: Unit = optional("The cgroup of a systemd unit, by its whole name.")
    host: Literal[True] = optional("Every process of the machine.")

    @model_validator(mode="after")
    def _one(self) -> "ScopeEntry":
        if len(self.model_fields_set) != 1:
            found = " and ".join(f"`{name}`" for name in sorted(self.model_fields_set)) or "none"
            hint = "make each an entry of its own" if self.model_fields_set else ""
            raise refusal("scope", f"an entry of `scope` is one of `cgroup`, `unit`, `host`; found {found}", hint)
        return self


class SubjectParts(Strict):
    """Parts of a subject, all of which must hold."""

    exe: list[Glob] = listed(LIST_MAX, "The executable's name matches one of these.")
    user: list[Account] = listed(SHORT_LIST_MAX, "The effective user is one of these.")
    group: list[Account] = listed(SHORT_LIST_MAX, "The effective group is one of these.")
    parent: list[Glob] = listed(LIST_MAX, "The executable of the process that made this one matches one of these.")
    ancestor: list[Glob] = listed(LIST_MAX, "That of the parent, or of its parent and so on, matches one of these.")

    @model_validator(mode="after")
    def _some(self) -> "SubjectParts":
        for name in sorted(self.model_fields_set):
            if not getattr(self, name):
                raise refusal("empty", f"`{name}` is empty", "leave it out to mean anyone")
        if not self.model_fields_set:
            raise refusal("empty", "the subject names nobody", "leave it out to mean anyone")
        return self


class Subject(SubjectParts):
    """Who acts; left out: anyone in scope."""

    not_: SubjectParts = optional("None of these holds.", alias="not")


class Control(Strict):
    """A requirement of a compliance framework that the rule helps to meet."""

    framework: Short = Field(description="The framework, e.g. `nist-800-53`.")
    version: Short = Field(description="Its version.")
    id: Short = Field(description="The requirement, e.g. `AC-6`.")


class Rule(OfOneClass):
    """What (exactly one class), who, and the action."""

    id: Name = Field(description="Unique in the policy.")
    subject: Subject = optional("Who acts; left out: anyone in scope.")
    action: ActionName = Field(description="What becomes of it.")
    errno: ErrnoName = optional("What a refusal answers, with `action: deny`; left out: EPERM.")  # type: ignore[valid-type]
    severity: Severity = Field(default="medium", description="How much a violation matters.")
    message: Text = Field(default="", description="What a violation tells people.")
    controls: list[Control] = listed(64, "Requirements of compliance frameworks that the rule helps to meet.")
    tags: list[Tag] = listed(64, "Words to find violations by; MITRE ATT&CK's are written `T1059.004`.")

    @model_validator(mode="after")
    def _sense(self) -> "Rule":
        one_class(self)
        if self.syscall is not None and self.action == "deny":
            raise _syscall_refusal(self.syscall)
        if self.errno is not None and self.action != "deny":
            message = f"`errno` is what a refusal answers, and action `{self.action}` has none of its own"
            raise refusal("no-sense", message, "leave it out, or write `action: deny`")
        return self


def one_class(holder: OfOneClass, what: str = "the rule") -> None:
    """Refuse what is about no class, or about several."""
    found = holder.classes()
    if not found:
        raise refusal("no-class", f"{what} has no class: one of {', '.join(f'`{name}`' for name in CLASSES)}")
    if len(found) > 1:
        both = " and ".join(f"`{name}`" for name in found)
        raise refusal("two-classes", f"{what} is about one class, found {both}", "write one for each class")


def _syscall_refusal(rule: SyscallRule) -> Any:
    classes = list(dict.fromkeys(REFUSED_BY[name] for name in rule.names if name in REFUSED_BY))
    can = "a rule of class " + " or ".join(f"`{name}`" for name in classes) if classes else "a rule about its object"
    return refusal(
        "unsupported",
        "action `deny` is not supported for class `syscall`: no program may refuse a system call",
        f"{can} can refuse what the call does; here `audit` records it, and `kill` ends who calls",
    )


class Defaults(Strict):
    """The action for each class when no rule matches; left out: allow."""

    file: ActionName = optional("Files that no rule matches.")
    exec: ActionName = optional("Programs that no rule matches.")
    network: ActionName = optional("Sockets that no rule matches; making one is not reached by it.")
    syscall: Literal["allow"] = optional("Calls that no rule names.")
    capability: ActionName = optional("Capabilities that no rule names.")
    device: ActionName = optional("Devices that no rule matches.")
    mount: ActionName = optional("Changes of mounts that no rule matches.")
    namespace: ActionName = optional("Kinds of namespace that no rule names and a hook sees.")
    ptrace: ActionName = optional("Other processes that no rule matches.")
    signal: ActionName = optional("Signals out of the scope that no rule matches.")
    bpf: ActionName = optional("Uses of bpf(2) that no rule names.")
    module: ActionName = optional("Uses of modules that no rule names.")
    credential: ActionName = optional("Changes of users and groups that no rule matches.")
    keyring: ActionName = optional("Uses of keys that no rule names.")
    ioUring: ActionName = optional("Uses of io_uring that no rule names.")


class Spec(Strict):
    """What the policy says."""

    scope: list[ScopeEntry] = Field(min_length=1, max_length=256, description="Which processes, by their cgroup.")
    mode: Literal["enforcing", "permissive"] = Field(
        default="enforcing", description="`permissive` records what would be refused, and refuses nothing."
    )
    failMode: Literal["closed", "open"] = Field(
        default="closed", description="Whether what cannot be decided is refused, or allowed and recorded."
    )
    minimumLevel: Literal["enforced", "observed"] = Field(
        default="enforced", description="`observed`: a node that can only record is good enough."
    )
    template: Name = optional("A template, whose rules come after those of the policy.")
    parameters: dict[str, Any] = optional("Values for the template's parameters.")
    defaults: Defaults = Field(default=Defaults(), description="What becomes of what no rule matches.")
    rules: list[Rule] = listed(RULES_MAX, "In order: the first that matches decides.")


class PolicyDocument(Strict):
    """A policy: rules for the processes of some cgroups."""

    apiVersion: Version = Field(description=_VERSION)
    kind: Literal["Policy"] = Field(description="What the document is.")
    metadata: Metadata = Field(description="Who the policy is.")
    spec: Spec = Field(description="What the policy says.")
