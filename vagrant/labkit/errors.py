"""The one error the lab raises on purpose."""


class LabError(Exception):
    """
    The lab cannot do what was asked; nothing was left running.

    Attributes:
        hint: What to do about it, or an empty string.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
