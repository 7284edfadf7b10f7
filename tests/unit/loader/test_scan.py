"""What sources mention."""

from agent.loader.scan import mentions, strip

SOURCE = """
/* struct commented { .member } */
// struct also_commented
struct mine { int x; } __attribute__((packed));
static int helper(struct dentry *d) { return d->d_parent->d_flags; }
int lsm_file_open(unsigned long long *ctx)
{
        struct mine m = {.x = 1};
        const char *text = "struct in_text { ->nothing }";
        return offsetof(struct mount, mnt_ns) + m.x;
}
#ifdef RF_HAS_file__f_inode
#endif
"""


def test_mentions_kernel_types_and_members() -> None:
    """Tags but the sources' own; members after dots, arrows, in offsetof and RF_HAS; nothing from comments."""
    found = mentions(SOURCE)

    assert found.tags == {"dentry", "mount", "file"}
    assert {"d_parent", "d_flags", "mnt_ns", "f_inode"} <= found.members
    assert not {"commented", "also_commented", "in_text", "nothing"} & (found.identifiers | found.members)
    assert found.tests == {"file__f_inode"}


def test_lines_stay_where_they_were() -> None:
    """What replaces a comment keeps its line breaks: messages name the right line."""
    assert strip("a /* b\n c */ d\n").count("\n") == 2
