"""Instruction counts as lines of the table."""

from collections.abc import Iterator

from tests.bench.instructions import COLD_COUNT, FILE, SMALL_COUNT, Counts, breakdown
from tests.bench.lines import Budget, Line

OPEN, STAT, CONNECT, EXEC = "open+close", "stat", "socket+connect+close", "vfork+exec+wait"
COLD_OPEN = "cold-open+close"
FORM = "+{:,.0f} instructions"

OUT = Budget("open+close, cgroup not in scope", 320, FORM)
SEEN = Budget("open+close, in scope, directory seen before", 1150, FORM)
UNSEEN = Budget("open+close, in scope, directory not seen before", 3700, FORM)
STAT_IN = Budget("stat, in scope", 0, FORM)
CONNECT_IN = Budget("connect (UDP), in scope", 500, FORM)
EXEC_IN = Budget("vfork+exec+wait, in scope", 8000, FORM)

#: Budget, run, operation.
ROWS = (
    (OUT, "out of scope", OPEN),
    (SEEN, "in scope", OPEN),
    (UNSEEN, "cold in scope", COLD_OPEN),
    (STAT_IN, "in scope", STAT),
    (CONNECT_IN, "in scope", CONNECT),
    (EXEC_IN, "in scope", EXEC),
)
METHOD = (
    f"lab guest, QEMU -icount: instructions over those without Ringfence, before and after; hookbench on a tmpfs, "
    f"{len(FILE)}-byte path of {FILE.count('/')} components, a policy of ten rules about files, programs and peers; "
    f"not seen before: {COLD_COUNT} directories, each asked about once"
)


def lines(found: Counts) -> Iterator[Line]:
    """Those of one boot."""
    for budget, run, operation in ROWS:
        yield _line(found, budget, run, operation)
    yield _flat(found)
    for problem in found.problems:
        yield Line("a run went wrong", "", problem, None, found.kernel, METHOD)


def _line(found: Counts, budget: Budget, run: str, operation: str) -> Line:
    try:
        value = found.over_base(run, operation)
    except KeyError as error:
        return budget.unmeasured(f"the run {error} failed", found.kernel, METHOD)
    if not budget.limit:
        ratio, beside = None if value > 0 else 0.0, _beside(found, operation)
        return Line(budget.what, "no hook: +0", f"+{value}", ratio, found.kernel, METHOD, beside, missed=value > 0)
    return budget.line(value, found.kernel, METHOD, _beside(found, operation))


def _beside(found: Counts, operation: str) -> str:
    """What AppArmor costs, in the same boot; what it costs without either."""
    operation = OPEN if operation == COLD_OPEN else operation
    base = found.cost("base", operation)
    if "apparmor" not in found.costs:
        return f"base {base:,}; AppArmor: {found.apparmor or 'failed'}"
    return f"base {base:,}; AppArmor {found.over_base('apparmor', operation):+,}"


def _flat(found: Counts) -> Line:
    what = f"open+close, in scope, {found.many:,} file rules of the mix against {SMALL_COUNT}"
    try:
        few, many = (found.cost(f"{one} rules", OPEN) for one in ("few", "many"))
    except KeyError:
        return Line(what, "within 2 %", "not measured: the run failed", None, found.kernel, METHOD)
    percent = abs(many - few) / few * 100
    measured = f"{many:,} against {few:,}: {percent:.2f} %"
    beside = "" if found.many >= 10_000 else "more are past a limit of the compiler"
    return Line(what, "within 2 %", measured, percent / 2, found.kernel, METHOD, beside)


def breakdown_or_nothing(found: Counts) -> dict[str, int]:
    """Where an open in scope goes, if all of the runs that tell were made."""
    try:
        return breakdown(found)
    except KeyError:
        return {}
