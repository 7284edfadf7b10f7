"""A ruleset as the bytes of its maps."""

from dataclasses import replace

import numpy as np
import pytest

from agent import abi
from agent.kernel.tables import RulesetLimitError, scope_table, tables_of
from policy.compiler.comb import OWNED
from policy.compiler.ruleset import Ruleset
from tests.support.handmade import network_ruleset


def test_every_member_of_a_profile_arrives() -> None:
    """What the compiler puts into a profile is what the programs read, member by member."""
    ruleset = network_ruleset()
    row = np.frombuffer(tables_of(ruleset, 2)["profiles"].values, abi.PROFILE)[0]
    profile = ruleset.profiles[0]

    given = {name: getattr(profile, name) for name in abi.PROFILE.names or ()}
    assert bytes(row["byte_classes"]) == given.pop("byte_classes")
    for one, table in zip(row["classes"], given.pop("classes"), strict=True):
        assert [np.array(one[name]).tolist() for name in abi.CLASS.names or ()] == [
            *(table.cells, table.labels, table.table, list(table.sizes), table.asked)
        ]
    assert {name: int(row[name]) for name in given} == given | {"unix_base": 0}  # no rule asks for names of sockets


def test_automata_are_written_as_offsets() -> None:
    """States count bytes, and a header's check is odd: no state is, so none is taken for an entry's owner."""
    header, entry = (7, 5), (1, 9 | OWNED)
    ruleset = replace(network_ruleset(), automaton=np.array([header, entry], np.uint32))

    written = np.frombuffer(tables_of(ruleset, 2)["automatons"].values, "<u4").tolist()
    assert written == [7 * 8, 5 << abi.LABEL_SHIFT | 1, 1 * 8, 9 * 8]


def test_unix_sockets_are_peers_where_a_rule_asks_for_their_names() -> None:
    """Where some name means more than none does to rules about unix sockets, the programs are told their classes."""
    plain = network_ruleset()
    words = plain.words.copy()
    words[5 + abi.PATH_COLUMNS + abi.Column.UNIX] = 2
    asking = replace(plain, words=words, profiles=(replace(plain.profiles[0], path_labels=5, path_label_count=2),))

    bases = [
        int(np.frombuffer(tables_of(ruleset, 2)["profiles"].values, abi.PROFILE)[0]["unix_base"])
        for ruleset in (plain, asking)
    ]
    assert bases == [0, plain.profiles[0].unix_base]


def test_addresses_carry_their_profile_in_the_prefix() -> None:
    """A prefix of an address is 32 bits longer in the trie: the profile's come first."""
    keys = np.frombuffer(tables_of(network_ruleset(), 2)["addresses"].keys, abi.ADDRESS_KEY)

    assert list(keys["prefix_length"]) == [32, 128]
    assert bytes(keys["address"][1]) == bytes(10) + b"\xff\xff" + bytes(4)


def test_counters_are_one_per_rule_and_processor() -> None:
    """Nothing else can be counted there, and nothing is ever full."""
    assert tables_of(network_ruleset(rules=7), 4)["counters"].entries == 28


def test_empty_tables_still_have_a_map() -> None:
    """The kernel makes no map without room; empty ones have room for one element and hold none."""
    empty = Ruleset(np.zeros((1, 2), np.uint32), np.zeros(1, np.uint32), (), (), (), ())
    tables = tables_of(empty, 2)

    assert {name: (table.entries, table.count) for name, table in tables.items() if name != "automatons"} == {
        **{"words": (1, 1), "profiles": (1, 0), "addresses": (1, 0), "numbers": (1, 0), "counters": (1, 0)}
    }


@pytest.mark.parametrize(
    ("automaton", "words", "what"),
    [(abi.AUTOMATON_ENTRIES + 1, 1, "automaton entries"), (1, abi.WORDS + 1, "words")],
)
def test_what_does_not_fit_is_refused(automaton: int, words: int, what: str) -> None:
    """With what there is too much of, how much, and how much may be."""
    ruleset = Ruleset(np.zeros((automaton, 2), np.uint32), np.zeros(words, np.uint32), (), (), (), ())
    with pytest.raises(RulesetLimitError, match=f"too many {what}: found .*, at most "):
        tables_of(ruleset, 2)


def test_scopes_keep_since_when_they_are_scopes() -> None:
    """Cgroups known before keep their epoch, new ones get the present one; in rising order."""
    table = scope_table({9: 1, 4: 0}, {9: 33}, 77, 2, 100)

    assert list(np.frombuffer(table.keys, "<u8")) == [4, 9]
    values = np.frombuffer(table.values, abi.SCOPE)
    assert [(int(v["since"]), int(v["profile"])) for v in values] == [(77, 0), (33, 1)]
    with pytest.raises(RulesetLimitError, match="scopes"):
        scope_table({1: 0, 2: 0}, {}, 1, 1, 1)
