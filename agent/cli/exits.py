"""Exit codes of agentctl, and the error that carries one to the top."""

from enum import IntEnum

from agent.cli.problems import Problem


class Exit(IntEnum):
    """What a script can tell from the exit status; a contract."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INVALID = 3
    NO = 4
    UNREACHABLE = 5


class CliError(Exception):
    """
    Ends a command.

    Attributes:
        code: Exit status.
        problems: What to print on stderr, in order.
    """

    def __init__(self, code: Exit, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.code = code
        self.problems = problems
