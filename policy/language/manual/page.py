"""
The parts of the manual: what each class and each of its operations means, by which hook, and what that cannot see.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """
    A request, and what a rule makes of it.

    Attributes:
        request: What is attempted, as it stands below the class in a `PolicyTest`, operations left out.
        expect: Effect of the decision.
        exe: Who acts; empty: it does not matter.
    """

    request: str
    expect: str
    exe: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """
    Attributes:
        meaning: What is asked about: a sentence or two.
        hooks: Where the kernel asks, by the names of its hooks.
        unseen: What these hooks cannot see, a sentence each.
        rule: An example, as it stands in a policy below the rule's id.
        cases: What the example makes of requests.
    """

    meaning: str
    hooks: tuple[str, ...]
    unseen: tuple[str, ...]
    rule: str
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """
    A class.

    Attributes:
        about: What it is about, and what its parts mean: paragraphs.
        operations: In the order of the model.
    """

    about: tuple[str, ...]
    operations: Mapping[str, Operation]
