"""What the table of measurements says: ratios, misses, and where instructions go."""

from tests.bench.instructions import FILE, LONG, SHALLOW, breakdown, counts
from tests.bench.lines import Budget, Line, markdown, text

LATENCY = Budget("latency", 100, "{:.0f} ms")
RATE = Budget("rate", 1_000, "{:,.0f}/s", least=True)


def cost(by_component: int, by_byte: int, fixed: int, path: str) -> int:
    return fixed + by_component * path.count("/") + by_byte * len(path)


def run(name: str, opened: int, refused: int = 0) -> dict[str, object]:
    return {"name": name, "costs": {"open+close": opened}, "refused": refused}


def test_a_budget_says_how_much_of_it_is_used_up():
    """At most so much, or at least so much: more than 1 is a miss, and by how much."""
    assert LATENCY.line(50, "k", "m").outcome == "met"
    assert LATENCY.line(250, "k", "m").outcome == "misses by ×2.50"
    assert RATE.line(4_000, "k", "m").ratio == 0.25
    assert RATE.line(500, "k", "m").outcome == "misses by ×2.00"


def test_what_is_not_measured_is_neither_met_nor_missed():
    """A line without a number makes no claim."""
    line = LATENCY.unmeasured("no lab")

    assert (line.measured, line.outcome) == ("not measured: no lab", "")


def test_a_refusal_is_a_miss_without_a_ratio():
    """What was refused has no number to divide, and still misses."""
    assert Line("compile", "2 s", "refused", None, "k", "m", missed=True).outcome == "misses"


def test_a_method_is_said_once_for_the_lines_that_share_it():
    """In a terminal; and in Markdown a `|` in a cell does not end it."""
    lines = [LATENCY.line(1, "k", "so"), RATE.line(1, "k", "so"), LATENCY.line(1, "k", "other|wise")]

    assert text(lines).count("(so)") == 1
    assert "other\\|wise" in markdown(lines)


def test_the_least_of_runs_that_are_alike_counts():
    """What a guest does beside the work only ever adds; and what was refused is told, not counted."""
    found = counts(
        [{"kernel": "k", "apparmor": ""}, run("base", 100), run("in scope", 170), run("in scope again", 150)], 1, ""
    )
    wrong = counts([{"kernel": "k", "apparmor": ""}, run("base", 100, refused=3)], 1, "ended with 124")

    assert found.over_base("in scope", "open+close") == 50
    assert wrong.problems == ("base: 3 refused", "ended with 124")


def test_where_instructions_go_adds_up():
    """Components, bytes and the rest are found again, and all steps together are the whole."""
    lines = [{"kernel": "k", "apparmor": ""}, run("base", 1_000), run("installed", 1_100), run("out of scope", 1_250)]
    for name, path in (("", FILE), (", shallow", SHALLOW), (", long", LONG)):
        lines += [run(f"network rules only{name}", 1_300), run(f"few rules{name}", 1_300 + cost(200, 40, 700, path))]
    whole = 1_300 + cost(200, 40, 700, FILE) + 90
    steps = breakdown(counts([*lines, run("in scope", whole)], 1, ""))

    assert list(steps.values()) == [100, 150, 50, 700, 200 * 8, 40 * 42, 90]
    assert sum(steps.values()) == whole - 1_000
