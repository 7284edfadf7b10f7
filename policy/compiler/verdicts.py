"""
What a profile decides, given what is known of each rule: the heart of the compiler, free of names and tables.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from policy.compiler.limits import ALSO_MAX, CompileError
from policy.compiler.truth import MAYBE
from policy.model.types import Action, Class, Effect, Errno, FailMode, Mode, Policy, Rule

_ENFORCED = {Action.ALLOW: Effect.ALLOW, Action.AUDIT: Effect.AUDIT, Action.DENY: Effect.DENY, Action.KILL: Effect.KILL}


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    One decision of a profile.

    Attributes:
        rule: Number of the rule that decided.
        also: Numbers of other policies' rules that would have denied.
        errno: What a refusal answers.
    """

    effect: Effect
    error: bool
    rule: int
    also: tuple[int, ...]
    errno: Errno


def rank(effect: Effect, error: bool) -> int:
    """
    Strictness: the greatest wins, of a profile's policies and of a request's operations; the first of equals.

    That something could not be decided is a violation, so it comes before a decision of the same effect and before
    those that make no violation.
    """
    return 2 * max(effect, Effect.AUDIT) + 1 if error else 2 * effect


@dataclass(frozen=True, slots=True)
class Said:
    """What one policy says: its place in the profile, effect, error, rule and errno."""

    policy: int
    effect: Effect
    error: bool
    rule: int
    errno: Errno = Errno.EPERM

    @property
    def order(self) -> tuple[int, int]:
        return (-rank(self.effect, self.error), self.policy)


class Judge:
    """
    Decides for one class of one profile.

    Args:
        rules: (place of the policy, rule) of every rule of the class, policies in order, rules as written.
        numbers: Number of each (policy, rule id).
        defaults: Of each policy.
    """

    def __init__(
        self,
        policies: Sequence[Policy],
        class_: Class,
        rules: Sequence[tuple[int, Rule]],
        numbers: Mapping[tuple[str, str], int],
        defaults: Sequence[Action],
    ) -> None:
        self._policies = policies
        self._rules = rules
        self._rule_numbers = [numbers[policies[at].name, rule.id] for at, rule in rules]
        self._default_actions = defaults
        self._defaults = [
            Said(at, effect_of(policy, defaults[at]), False, numbers[policy.name, f"default:{class_}"])
            for at, policy in enumerate(policies)
        ]
        self._by_strictness = sorted(self._defaults, key=lambda said: said.order)
        self._would_deny = [said for said in self._defaults if said.effect is Effect.WOULD_DENY]

    def decide(self, truths: Sequence[tuple[int, int]]) -> Verdict:
        """
        The verdict, given (index of the rule, MAYBE or YES) of the rules that may match, in order.

        Raises:
            CompileError: More would-denies come together than a decision can count.
        """
        return self.joined(list(self._speak(truths)))

    def joined(self, said: Sequence[Said]) -> Verdict:
        """
        The verdict, given what those policies say that do not say their defaults.

        Raises:
            CompileError: As `decide`.
        """
        spoken = {one.policy for one in said}
        silent = next((one for one in self._by_strictness if one.policy not in spoken), None)
        contenders = said if silent is None else [*said, silent]
        winner = min(contenders, key=lambda one: one.order)
        would = [one for one in said if one.effect is Effect.WOULD_DENY]
        would += [one for one in self._would_deny if one.policy not in spoken]
        also = sorted((one for one in would if one.policy != winner.policy), key=lambda one: one.policy)
        if len(also) > ALSO_MAX:
            raise self._too_many(also)
        return Verdict(winner.effect, winner.error, winner.rule, tuple(one.rule for one in also), winner.errno)

    def _speak(self, truths: Sequence[tuple[int, int]]) -> Iterator[Said]:
        """What each policy says that has a rule which may match."""
        at = 0
        while at < len(truths):
            place = self._rules[truths[at][0]][0]
            end = at
            while end < len(truths) and self._rules[truths[end][0]][0] == place:
                end += 1
            yield self.said(place, truths[at:end])
            at = end

    def said(self, place: int, truths: Sequence[tuple[int, int]]) -> Said:
        """
        What one policy says, given (index of the rule, MAYBE or YES) of its rules that may match, in order.

        The first rule that certainly matches decides, or the default, unless an earlier one may match and asks for
        something else: then the policy cannot decide.
        """
        policy = self._policies[place]
        certain = next((index for index, truth in truths if truth != MAYBE), None)
        action = self._default_actions[place] if certain is None else self._rules[certain][1].action
        number = self._defaults[place].rule if certain is None else self._rule_numbers[certain]
        for index, truth in truths:
            if truth != MAYBE:
                break
            if self._rules[index][1].action is not action:
                return Said(place, _error_effect(policy), True, self._rule_numbers[truths[0][0]])
        effect = effect_of(policy, action)
        decided = certain is not None and effect is Effect.DENY
        errno = self._rules[certain][1].errno if certain is not None and decided else Errno.EPERM
        return Said(place, effect, False, number, errno)

    def _too_many(self, also: Sequence[Said]) -> CompileError:
        names = ", ".join(f"`{self._policies[one.policy].name}`" for one in also[: ALSO_MAX + 1])
        return CompileError(
            f"{len(also)} permissive policies would deny one request beside the policy that decides; "
            f"the limit is {ALSO_MAX} (among them {names})",
            hint="enforce some of them, or apply fewer permissive policies to one cgroup",
            limit=ALSO_MAX,
            found=len(also),
            policy=self._policies[also[0].policy].name,
        )


def effect_of(policy: Policy, action: Action) -> Effect:
    effect = _ENFORCED[action]
    return Effect.WOULD_DENY if policy.mode is Mode.PERMISSIVE and effect >= Effect.DENY else effect


def _error_effect(policy: Policy) -> Effect:
    return effect_of(policy, Action.DENY) if policy.fail_mode is FailMode.CLOSED else Effect.ALLOW
