"""The manifest: what it says is read, what it gets wrong is named."""

from pathlib import Path

import pytest

from agent.loader.manifest import ManifestError, read_manifest

MAP = 'name = "m"\ntype = "array"\nvalue = 8\nentries = 1\nfull = "never"\n'
PROGRAM = 'name = "p"\nkind = "lsm"\nhook = "file_open"\nmodes = ["lsm"]\n'


def test_the_projects_own_is_read() -> None:
    """Every map says what happens when it is full, every program where it belongs."""
    manifest = read_manifest((Path(__file__).parents[3] / "bpf" / "manifest.toml").read_text())

    assert {"control", "slots", "violations"} <= {entry.name for entry in manifest.maps}
    assert {"lsm", "cgroup"} == {mode for program in manifest.programs for mode in program.modes}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=", "TOML"),
        (f"[[map]]\n{MAP}".replace("array", "lru_hash"), "`type` = `lru_hash`"),
        (f"[[map]]\n{MAP}".replace('full = "never"', ""), "`full` = None"),
        (f"[[map]]\n{MAP}[[map]]\n{MAP}", "map `m`: found the name twice"),
        (f"[[map]]\n{MAP}".replace("array", "array_of_maps"), "no inner map"),
        (f'[[map]]\n{MAP}flags = ["lru"]', "flags"),
        (f"[[program]]\n{PROGRAM}".replace('"lsm"]', '"all"]'), "modes"),
        (f'[[program]]\n{PROGRAM}when = "sometimes"', "`when` = 'sometimes'"),
        ("[[constant]]\n", "constant 0"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    """Which entry, what it says, and what it may say. A map that forgets entries cannot be declared at all."""
    with pytest.raises(ManifestError, match="required ") as caught:
        read_manifest(text)

    assert message in str(caught.value)
