"""Which scopes are part of which."""

import pytest

from policy.answers.scopes import covers
from policy.model.types import CgroupScope, HostScope, Scope, UnitScope


@pytest.mark.parametrize(
    ("outer", "inner", "part"),
    [
        (CgroupScope("/a/**"), CgroupScope("/a/b"), True),
        (CgroupScope("/a"), CgroupScope("/a/b/*"), True),
        (CgroupScope("/a/b"), CgroupScope("/a"), False),
        (CgroupScope("/a{,/b}"), CgroupScope("/a/b/c"), True),
        (CgroupScope("/ab"), CgroupScope("/a*"), False),
        (CgroupScope("/**"), UnitScope("x.service"), True),
        (HostScope(), CgroupScope("/a"), True),
        (CgroupScope("/a"), HostScope(), False),
    ],
)
def test_a_scope_is_part_of_another_if_all_its_cgroups_are(outer: Scope, inner: Scope, part: bool) -> None:
    """What is below a cgroup is in its scope, too."""
    assert covers(outer, inner) is part
