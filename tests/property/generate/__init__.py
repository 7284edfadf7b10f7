"""
Random policies and requests that meet often, of every class, hostile ones included. Everything comes from one seed.
"""

import random
from pathlib import Path

from policy.model.types import Policy, Request, Waiver
from tests.property.generate.requests import Requests
from tests.property.generate.rules import CLASSES, Rules

ROOT = Path(__file__).parents[3]


class Generator:
    def __init__(self, seed: int | str) -> None:
        self._chance = random.Random(seed)
        self._rules = Rules(self._chance)

    def profiles(self) -> list[tuple[Policy, ...]]:
        """A few profiles of one to four policies, in any order; the last may share one with the first."""
        found = [self._rules.profile([f"{letter}{at}" for letter in "dbca"]) for at in range(self._count())]
        if len(found) > 1 and self._chance.random() < 0.3:
            found[-1] = (*found[-1], found[0][0])
        return found

    def _count(self) -> int:
        return self._chance.choice([1, 2, 2, 2, 3, 4, 12])

    def requests(self, profile: tuple[Policy, ...], count: int) -> list[Request]:
        asked = Requests(self._chance, profile)
        return [asked.request() for _ in range(count)]

    def written(self, name: str) -> tuple[Policy, Waiver]:
        """A policy and a waiver of it, to be printed. Some rules make no sense, which the language refuses."""
        subjects = self._rules.subjects()
        policy = self._rules.policy(name, self._chance.sample(CLASSES, 3), subjects)
        return policy, self._rules.waiver(f"{name}-waiver", policy, subjects)


__all__ = ["ROOT", "Generator"]
