"""
The types of single values: patterns, addresses, names of what the kernel has, times.

Values come out as the model wants them: addresses canonical, names of numbers as numbers, times as Unix seconds.
"""

import ipaddress
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from policy.language.diagnostic import quote
from policy.language.refusals import patient, refusal, unknown
from policy.language.vocabulary import PROTOCOLS, UNIT_KINDS
from policy.model import glob, names, syscalls
from policy.model.types import DeviceKind, Errno, FileType

NAME = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
PORT_MAX = 65535
#: Most patterns or CIDRs in one list, of shorter things in one list, and most rules in one policy: what bounds the time
#: that a mistake can cost.
LIST_MAX = 10_000
SHORT_LIST_MAX = 1000
RULES_MAX = 20_000
ID_MAX = 2**32 - 2
#: Twelve bits of major number, twenty of minor (linux/kdev_t.h).
MAJOR_MAX, MINOR_MAX = 2**12 - 1, 2**20 - 1
#: Unix seconds fit into the kernel's word: until 2106.
TIME_MAX = 2**32 - 1
_FILE_SYSTEM = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
_TAG = r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$"


def listed(most: int, description: str) -> Any:
    """A list that may be left out."""
    return Field(default=[], max_length=most, description=description)


def some(most: int, description: str) -> Any:
    """A list that has to be there, and not empty."""
    return Field(min_length=1, max_length=most, description=description)


def optional(description: str, alias: str | None = None) -> Any:
    """A field that may be left out (and is None then) but not be given as nothing: `subject:` alone is a mistake."""
    return Field(default=None, alias=alias, description=description, json_schema_extra=_without_default)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


def _glob(parse: Callable[[str], object]) -> Callable[[str], str]:
    def check(pattern: str) -> str:
        try:
            parse(pattern)
        except glob.GlobError as problem:
            raise refusal("pattern", problem.message, problem.hint) from problem
        return pattern

    return check


def _network(text: str) -> str:
    """A CIDR or address in canonical text; IPv4-mapped IPv6 is IPv4."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError as problem:
        raise refusal("address", f"{quote(text)} is not an address or CIDR", _network_hint(text)) from problem
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


def _device(value: object) -> object:
    """`major:minor` as numbers; a minor of `*` is None."""
    if isinstance(value, tuple):
        return value
    match = re.fullmatch(r"([0-9]{1,4}):([0-9]{1,7}|\*)", value) if isinstance(value, str) else None
    if match is None:
        raise refusal("device", f"{quote(value)} is not a device's number", 'write `"1:3"`, or `"8:*"` for every minor')
    major, minor = int(match[1]), None if match[2] == "*" else int(match[2])
    if major > MAJOR_MAX or (minor or 0) > MINOR_MAX:
        raise refusal("device", f"{quote(value)} is past the greatest numbers, {MAJOR_MAX}:{MINOR_MAX}")
    return (major, minor)


def _numbered(what: str, known: Callable[[], Any], most: int) -> Callable[[object], object]:
    """A number, or the name of one."""

    def number(value: object) -> object:
        table = known()
        if isinstance(value, str) and value in table:
            return table[value]
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            return value
        raise unknown(what, value, table, _bare(value))

    return number


def _word(what: str, known: Callable[[], Any]) -> Callable[[str], str]:
    """A name that the kernel knows."""

    def word(value: str) -> str:
        if value in known():
            return value
        raise unknown(what, value, known(), _bare(value))

    return word


def _bare(value: object) -> str:
    """What a name of the C headers is here: `CAP_SYS_ADMIN`, `SIGKILL`, `AF_UNIX`, `CLONE_NEWUSER`."""
    return re.sub(r"^(CAP_|AF_|PF_|CLONE_NEW|IPPROTO_|SIG)", "", str(value)[:80].upper())


def _account(value: object) -> object:
    """A user or group: a number or a name."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= ID_MAX:
        return value
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?", value):
        return value
    raise refusal("account", f"{quote(value)} is neither a number nor a name of a user or group")


def _id(value: object) -> object:
    """The number of a user or group; names are the node's, and these numbers the subject's."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= ID_MAX:
        return value
    hint = "names are not resolved here: write the number" if isinstance(value, str) else ""
    raise refusal("account", f"{quote(value)} is not the number of a user or group", hint)


def _file_system(name: str) -> str:
    if len(name) > 64 or not re.fullmatch(_FILE_SYSTEM, name):
        hint = "a name as in /proc/filesystems, such as `ext4`; types have no globs"
        raise refusal("file-system", f"{quote(name)} is not a type of file system", hint)
    return name


def _tag(word: str) -> str:
    if len(word) > 100 or not re.fullmatch(_TAG, word):
        raise refusal("tag", f"{quote(word)} is not a tag", "a word without spaces, such as `T1059.004`")
    return word


def _namespace(kind: str) -> str:
    if kind not in names.NAMESPACES:
        raise unknown("kind of namespace", kind, names.NAMESPACES, _bare(kind))
    if kind not in names.NAMESPACES_WITH_HOOK:
        raise refusal(
            "unsupported",
            f"no hook sees a namespace of kind `{kind}` made",
            "who makes one needs a capability (`capability: {names: [sys_admin]}`) or makes a `user` namespace first",
        )
    return kind


def _unit(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    if not stem or kind not in UNIT_KINDS:
        kinds = ", ".join(f"`.{kind}`" for kind in UNIT_KINDS)
        raise refusal("unit", f"{quote(name)} is not a unit that has a cgroup", f"its name ends with one of {kinds}")
    if len(name) > 255 or not re.fullmatch(r"[A-Za-z0-9:_.\\@-]+", name):
        raise refusal("unit", f"{quote(name)} is not the name of a unit", "unit names have no globs")
    if stem.endswith("@"):
        hint = f"name an instance, such as `{stem}1.{kind}`"
        raise refusal("unit", f"{quote(name)} is a template of units, which has no cgroup", hint)
    return name


def _time(value: object) -> object:
    """Unix seconds of a time with its zone, or of the beginning of a day in UTC."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    try:
        text = value if isinstance(value, str) and len(value) <= 40 else ""
        found = datetime.fromisoformat(text) if "T" in text or " " in text else None
        found = found or datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError as problem:
        hint = "write `2027-01-31`, or `2027-01-31T18:00:00+01:00`"
        raise refusal("time", f"{quote(value)} is neither a date nor a time", hint) from problem
    if found.tzinfo is None:
        raise refusal("time", f"the time {quote(value)} has no zone", f"write `{quote(value)[1:-1]}Z` for UTC")
    seconds = int((found - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    if not 0 < seconds <= TIME_MAX:
        raise refusal("time", f"{quote(value)} is not between 1970 and 2106")
    return seconds


def _field(schema: dict[str, Any], description: str) -> Any:
    return Field(json_schema_extra=lambda found: found.update(schema), description=description)


def _numbers(what: str, known: Any, most: int, description: str) -> Any:
    wanted = BeforeValidator(
        patient(_numbered(what, lambda: known, most)), json_schema_input_type=Literal[tuple(known)] | int
    )
    return Annotated[int, wanted, _field({}, description)]


Name = Annotated[str, StringConstraints(pattern=NAME, max_length=63)]
Text = Annotated[str, StringConstraints(max_length=1000)]
Said = Annotated[str, StringConstraints(max_length=1000, pattern=r"\S")]
Short = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Glob = Annotated[str, AfterValidator(patient(_glob(glob.parse))), _field({"pattern": "^/"}, "A glob of a whole path.")]
SocketGlob = Annotated[
    str,
    AfterValidator(patient(_glob(glob.parse_socket))),
    _field({"pattern": "^[/@]"}, "A glob of a socket's path, or `@` and a glob of an abstract name."),
]
Cidr = Annotated[str, AfterValidator(patient(_network)), _field({}, "An address or CIDR, IPv4 or IPv6.")]
Ports = Annotated[
    tuple[int, int],
    BeforeValidator(patient(_ports), json_schema_input_type=int | str),
    _field({}, "A port, or a range `first-last`."),
]
DeviceNumber = Annotated[
    tuple[int, int | None],
    BeforeValidator(patient(_device), json_schema_input_type=str),
    _field({"pattern": r"^[0-9]+:([0-9]+|\*)$"}, "`major:minor`, or `major:*`."),
]
Account = Annotated[
    int | str,
    BeforeValidator(patient(_account), json_schema_input_type=int | str),
    _field({}, "A number, or a name that the node resolves when the policy is pushed."),
]
Id = Annotated[
    int,
    BeforeValidator(patient(_id), json_schema_input_type=int),
    _field({"minimum": 0, "maximum": ID_MAX}, "A number inside the subject's user namespace."),
]
Protocol = _numbers("protocol", PROTOCOLS, 255, "A protocol's name or IP protocol number.")
Family = _numbers("address family", names.FAMILIES, 255, "An address family's name or number.")
Signal = _numbers("signal", names.SIGNALS, names.SIGNAL_MAX, "A signal's name without `SIG`, or its number.")
Syscall = Annotated[
    str, AfterValidator(patient(_word("system call", syscalls.names))), _field({}, "A system call's name.")
]
Capability = Annotated[
    str,
    AfterValidator(patient(_word("capability", lambda: names.CAPABILITIES))),
    _field({"enum": list(names.CAPABILITIES)}, "A capability's name, lower case, without `CAP_`."),
]
Namespace = Annotated[
    str,
    AfterValidator(patient(_namespace)),
    _field({"enum": sorted(names.NAMESPACES_WITH_HOOK)}, "A kind of namespace."),
]
FileSystem = Annotated[
    str,
    AfterValidator(patient(_file_system)),
    _field({"pattern": _FILE_SYSTEM, "maxLength": 64}, "A file system type as in /proc/filesystems; no glob."),
]
TypeName = Literal[tuple(str(one) for one in FileType)]  # type: ignore[valid-type]
KindName = Literal[tuple(str(one) for one in DeviceKind)]  # type: ignore[valid-type]
ErrnoName = Literal[tuple(Errno)]  # type: ignore[valid-type]
Unit = Annotated[str, AfterValidator(patient(_unit)), _field({}, "The whole name of a systemd unit.")]
Tag = Annotated[str, AfterValidator(patient(_tag)), _field({"pattern": _TAG, "maxLength": 100}, "A word.")]
Time = Annotated[
    int,
    BeforeValidator(patient(_time), json_schema_input_type=str),
    _field({}, "A date (its beginning, in UTC), or an ISO 8601 time with its zone."),
]
ActionName = Literal["allow", "audit", "deny", "kill"]
