"""
What one ruleset may hold, as `bpf/include/abi.h` fixes it (a test compares the two), and what compiling may cost.
"""

#: Entries of the automaton, of all profiles together.
AUTOMATON_ENTRIES = 1 << 19
#: Words, of all profiles together.
WORDS = 1 << 20
#: Would-denies beside the winner in one decision.
ALSO_MAX = 8
#: System call numbers that can be told apart.
SYSCALLS = 512
#: States before minimising.
STATES = 400_000
#: Of them, those past the first wildcard of a pattern; past it the patterns multiply each other.
CORE_STATES = 1 << 18
#: Steps of building them (nodes of a set × classes they tell apart), so that few but large sets end in time too.
CORE_STEPS = 8_000_000
#: Pairs of an anchored and a floating signature that neither decides alone.
PAIRS = 1 << 16
#: Comparisons of pairs (anchored × floating signatures × places that tell rules apart).
PAIR_STEPS = 1 << 31
#: Kinds of objects of one class before merging: classes of one part × classes of the next …
COMBINATIONS = 1 << 19
#: Kinds of subjects before merging (executables × parents, users × groups, and both) × different subjects.
KINDS = 1 << 26
#: Different lists of ancestors in one profile.
ANCESTORS = 64
#: Tests and operations of one request together.
DECISION_STEPS = 128
#: Operations that one request asks for at most.
OPERATIONS_AT_ONCE = 4
#: End of a waiver, in Unix seconds; the kernel holds 32 bits.
UNTIL_MAX = (1 << 32) - 1
#: Steps of making the decisions of one class that have tests (parts of diagrams × rules still to be told in them).
DIAGRAM_STEPS = 1 << 19


class CompileError(Exception):
    """
    The policies cannot become a ruleset.

    Attributes:
        message: What was found, and the limit if one was passed.
        hint: What to do about it; may be empty.
        limit, found: The limit that was passed, 0 if none was, and what had been counted by then.
        policy, rule: Who is concerned, empty if that cannot be told.
    """

    def __init__(
        self, message: str, *, hint: str = "", limit: int = 0, found: int = 0, policy: str = "", rule: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.limit = limit
        self.found = found
        self.policy = policy
        self.rule = rule
