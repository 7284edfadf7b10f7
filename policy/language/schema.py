"""
The shape of a policy file, as pydantic models: the one source of the JSON Schema.

A model refuses with pydantic's own errors, or with a `PydanticCustomError` whose context has a `hint`;
`policy.language.findings` turns both into diagnostics. Values come out as written, only CIDRs and ports normalised.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from policy.language.diagnostic import quote
from policy.language.vocabulary import API_VERSION, PROTOCOLS, REFUSED_BY, SEVERITIES, UNIT_KINDS
from policy.model import glob, syscalls

NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
PORT_MAX = 65535
#: Most patterns or CIDRs in one list, and most rules in one policy: what bounds the time that a mistake can cost.
LIST_MAX = 10_000
RULES_MAX = 20_000
ID_MAX = 2**32 - 2


def refusal(code: str, message: str, hint: str = "") -> PydanticCustomError:
    return PydanticCustomError(code, "{message}", {"message": message, "hint": hint})


@dataclass(slots=True)
class Patience:
    """
    pydantic's context: how many more costly refusals are explained.

    Once there have been that many, the text is refused anyway, and what is left is not looked at.
    """

    left: int = 1000


def _spent(info: ValidationInfo) -> bool:
    return isinstance(info.context, Patience) and info.context.left <= 0


def _spend(info: ValidationInfo, found: PydanticCustomError) -> PydanticCustomError:
    if isinstance(info.context, Patience):
        info.context.left -= 1
    return found


def _glob(pattern: str, info: ValidationInfo) -> str:
    if _spent(info):
        return pattern
    try:
        glob.parse(pattern)
    except glob.GlobError as problem:
        raise _spend(info, refusal("pattern", problem.message, problem.hint)) from problem
    return pattern


def _network(text: str, info: ValidationInfo) -> str:
    """A CIDR or address in canonical text; IPv4-mapped IPv6 is IPv4."""
    if _spent(info):
        return text
    try:
        network = ipaddress.ip_network(text)
    except ValueError as problem:
        found = refusal("address", f"{quote(text)} is not an address or CIDR", _network_hint(text))
        raise _spend(info, found) from problem
    if isinstance(network, ipaddress.IPv6Network):
        if network.network_address.scope_id:
            raise refusal("address", f"{quote(text)} has a zone, which addresses of peers do not", "leave out the `%…`")
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            return str(ipaddress.IPv4Network((mapped, network.prefixlen - 96)))
    return str(network)


def _network_hint(text: str) -> str:
    try:
        return f"did you mean `{ipaddress.ip_network(text, strict=False)}`?"
    except ValueError:
        return "names are not resolved: write addresses such as `10.0.0.0/8` or `2001:db8::/32`"


def _ports(value: object) -> object:
    """A port or a range as (first, last)."""
    if isinstance(value, tuple):
        return value
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", str(value)) if isinstance(value, int | str) else None
    if match is None or isinstance(value, bool):
        raise refusal("port", f"{quote(value)} is not a port", "write `443` or `8000-8080`")
    first, last = int(match[1]), int(match[2] or match[1])
    if max(first, last) > PORT_MAX:
        raise refusal("port", f"{quote(value)} is past the greatest port, {PORT_MAX}")
    if last < first:
        raise refusal("port", f"the range {quote(value)} is empty", f"write `{last}-{first}`")
    return (first, last)


def _protocol(value: object) -> object:
    """A protocol's number."""
    if isinstance(value, str) and value in PROTOCOLS:
        return PROTOCOLS[value]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255:
        return value
    raise refusal("protocol", f"unknown protocol {quote(value)}")


def _account(value: object) -> object:
    """A user or group: a number or a name."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= ID_MAX:
        return value
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?", value):
        return value
    raise refusal("account", f"{quote(value)} is neither a number nor a name of a user or group")


def _syscall(name: str) -> str:
    if name not in syscalls.names():
        raise refusal("syscall", f"unknown system call {quote(name)}")
    return name


def _unit(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    if not stem or kind not in UNIT_KINDS:
        kinds = ", ".join(f"`.{kind}`" for kind in UNIT_KINDS)
        raise refusal("unit", f"{quote(name)} is not a unit that has a cgroup", f"its name ends with one of {kinds}")
    if len(name) > 255 or not re.fullmatch(r"[A-Za-z0-9:_.\\@-]+", name):
        raise refusal("unit", f"{quote(name)} is not the name of a unit", "unit names have no globs")
    return name


def _field(schema: dict[str, Any], description: str) -> Any:
    return Field(json_schema_extra=lambda found: found.update(schema), description=description)


def _optional(description: str, alias: str | None = None) -> Any:
    """A field that may be left out (and is None then) but not be given as nothing: `subject:` alone is a mistake."""
    return Field(default=None, alias=alias, description=description, json_schema_extra=_without_default)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


Name = Annotated[str, StringConstraints(pattern=NAME, max_length=63)]
Glob = Annotated[str, AfterValidator(_glob), _field({"pattern": "^/"}, "A glob of a whole path.")]
Cidr = Annotated[str, AfterValidator(_network), _field({}, "An address or CIDR, IPv4 or IPv6.")]
Ports = Annotated[
    tuple[int, int],
    BeforeValidator(_ports, json_schema_input_type=int | str),
    _field({}, "A port, or a range `first-last`."),
]
Protocol = Annotated[
    int,
    BeforeValidator(_protocol, json_schema_input_type=Literal[tuple(PROTOCOLS)] | int),
    _field({}, "A protocol's name or IP protocol number."),
]
Account = Annotated[
    int | str,
    BeforeValidator(_account, json_schema_input_type=int | str),
    _field({}, "A number, or a name that the node resolves when the policy is pushed."),
]
Syscall = Annotated[str, AfterValidator(_syscall), _field({}, "A system call's name.")]
Unit = Annotated[str, AfterValidator(_unit), _field({}, "The whole name of a systemd unit.")]
ActionName = Literal["allow", "audit", "deny", "kill"]
Text = Annotated[str, StringConstraints(max_length=1000)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Metadata(_Strict):
    """Who the policy is."""

    name: Name
    labels: dict[str, Text] = Field(default={}, max_length=64)
    annotations: dict[str, Text] = Field(default={}, max_length=64)


class ScopeEntry(_Strict):
    """Which cgroups the policy applies to: exactly one of these."""

    cgroup: Glob = _optional("Cgroups whose path from the root of the tree matches; what is below them is included.")
    unit: Unit = _optional("The cgroup of a systemd unit, by its whole name.")
    host: Literal[True] = _optional("Every process of the machine.")

    @model_validator(mode="after")
    def _one(self) -> "ScopeEntry":
        if len(self.model_fields_set) != 1:
            found = " and ".join(f"`{name}`" for name in sorted(self.model_fields_set)) or "none"
            hint = "make each an entry of its own" if self.model_fields_set else ""
            raise refusal("scope", f"an entry of `scope` is one of `cgroup`, `unit`, `host`; found {found}", hint)
        return self


class Who(_Strict):
    """Parts of a subject, all of which must hold."""

    exe: list[Glob] = Field(default=[], max_length=LIST_MAX, description="The executable's path matches one of these.")
    user: list[Account] = Field(default=[], max_length=1000, description="The effective user is one of these.")
    group: list[Account] = Field(default=[], max_length=1000, description="The effective group is one of these.")

    @model_validator(mode="after")
    def _some(self) -> "Who":
        for name in sorted(self.model_fields_set):
            if not getattr(self, name):
                raise refusal("empty", f"`{name}` is empty", "leave it out to mean anyone")
        if not self.model_fields_set:
            raise refusal("empty", "the subject names nobody", "leave it out to mean anyone")
        return self


class Subject(Who):
    """Who acts; left out: anyone in scope."""

    not_: Who = _optional("None of these holds.", alias="not")


class FileRule(_Strict):
    paths: list[Glob] = Field(min_length=1, max_length=LIST_MAX)
    operations: list[Literal["read", "write", "create"]] = Field(min_length=1, max_length=16)


class ExecRule(_Strict):
    paths: list[Glob] = Field(min_length=1, max_length=LIST_MAX)
    operations: list[Literal["exec"]] = Field(default=["exec"], min_length=1, max_length=16)


class NetworkRule(_Strict):
    operations: list[Literal["connect"]] = Field(min_length=1, max_length=16)
    to: list[Cidr] = Field(default=[], max_length=LIST_MAX, description="Peers; left out: any.")
    ports: list[Ports] = Field(default=[], max_length=1000, description="The peer's ports; left out: any.")
    protocols: list[Protocol] = Field(default=[], max_length=1000, description="Left out: any.")

    @model_validator(mode="after")
    def _some(self) -> "NetworkRule":
        for name in ("to", "ports", "protocols"):
            if name in self.model_fields_set and not getattr(self, name):
                raise refusal("empty", f"`{name}` is empty, which matches nothing", "leave it out to mean any")
        return self


class SyscallRule(_Strict):
    names: list[Syscall] = Field(min_length=1, max_length=1000)


class Control(_Strict):
    """A requirement of a compliance framework that the rule helps to meet."""

    framework: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    version: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    id: Annotated[str, StringConstraints(min_length=1, max_length=100)]


CLASSES = ("file", "exec", "network", "syscall")


class Rule(_Strict):
    """What (exactly one class), who, and the action."""

    id: Name
    subject: Subject = _optional("Who acts; left out: anyone in scope.")
    file: FileRule = _optional("Reading, writing and creating files, by path.")
    exec: ExecRule = _optional("Running programs, by path.")
    network: NetworkRule = _optional("Talking to peers, by address, port and protocol.")
    syscall: SyscallRule = _optional("Calling the kernel, by name; observed only.")
    action: ActionName
    severity: Literal[SEVERITIES] = "medium"  # type: ignore[valid-type]
    message: Text = ""
    controls: list[Control] = Field(default=[], max_length=64)

    @model_validator(mode="after")
    def _one_class(self) -> "Rule":
        found = [name for name in CLASSES if name in self.model_fields_set]
        classes = ", ".join(f"`{name}`" for name in CLASSES)
        if not found:
            raise refusal("no-class", f"the rule has no class: one of {classes}")
        if len(found) > 1:
            both = " and ".join(f"`{name}`" for name in found)
            raise refusal("two-classes", f"a rule is about one class, found {both}", "write a rule for each")
        if self.syscall is not None and self.action in ("deny", "kill"):
            raise _syscall_refusal(self.syscall.names, self.action)
        return self


def _syscall_refusal(names: list[str], action: str) -> PydanticCustomError:
    classes = list(dict.fromkeys(REFUSED_BY[name] for name in names if name in REFUSED_BY))
    can = " or ".join(f"`{name}`" for name in classes or ("file", "exec", "network"))
    return refusal(
        "unsupported",
        f"action `{action}` is not supported for class `syscall`: system calls can be observed, not refused",
        f"a rule of class {can} can refuse what the call does; `audit` records the call",
    )


class Defaults(_Strict):
    """The action for each class when no rule matches; left out: allow."""

    file: ActionName = _optional("Paths that no rule matches.")
    exec: ActionName = _optional("Programs that no rule matches.")
    network: ActionName = _optional("Peers that no rule matches.")
    syscall: Literal["allow"] = _optional("Calls that no rule names.")


class Spec(_Strict):
    scope: list[ScopeEntry] = Field(min_length=1, max_length=256)
    mode: Literal["enforcing", "permissive"] = "enforcing"
    failMode: Literal["closed", "open"] = "closed"
    minimumLevel: Literal["enforced", "observed"] = "enforced"
    defaults: Defaults = Defaults()
    rules: list[Rule] = Field(default=[], max_length=RULES_MAX)


class Document(_Strict):
    """A Ringfence policy."""

    apiVersion: Literal[API_VERSION]  # type: ignore[valid-type]
    kind: Literal["Policy"]
    metadata: Metadata
    spec: Spec


#: The model behind each field that holds one, for hints and positions.
MODELS: dict[str, type[BaseModel]] = {
    "": Document,
    "metadata": Metadata,
    "spec": Spec,
    "scope": ScopeEntry,
    "defaults": Defaults,
    "rules": Rule,
    "subject": Subject,
    "not": Who,
    "file": FileRule,
    "exec": ExecRule,
    "network": NetworkRule,
    "syscall": SyscallRule,
    "controls": Control,
}


def fields(holder: str) -> tuple[str, ...]:
    """The names of the fields that a field's value may have; empty if it has none of its own."""
    model = MODELS.get(holder)
    return tuple(info.alias or name for name, info in model.model_fields.items()) if model else ()


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one policy document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://{API_VERSION}/policy.schema.json",
        **Document.model_json_schema(by_alias=True, mode="validation"),
    }
