"""What goes wrong with cgroups."""


class CgroupError(Exception):
    """
    The cgroup tree cannot be used.

    Attributes:
        found, required: What this machine has, and what is needed.
    """

    def __init__(self, message: str, *, found: str = "", required: str = "") -> None:
        super().__init__(message)
        self.found = found
        self.required = required
