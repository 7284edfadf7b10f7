"""
The shape of waivers, as pydantic models.
"""

import re
from typing import Literal

from pydantic import Field, model_validator

from policy.language.classes import CLASSES, OfOneClass
from policy.language.fields import NAME, Name, Said, Text, Time, optional
from policy.language.refusals import Strict, refusal
from policy.language.schema import Subject, one_class
from policy.language.vocabulary import API_VERSION

Version = Literal[API_VERSION]  # type: ignore[valid-type]


class WaiverMetadata(Strict):
    """Who the waiver is."""

    name: Name = Field(description="Unique on a node; what it allows is decided by rule `waiver:NAME`.")


class WaiverSpec(OfOneClass):
    """What is allowed, to whom, why, and until when."""

    policy: Name = Field(description="The policy that it is an exception to.")
    rule: str = Field(max_length=80, description="The rule's id there, or `default:CLASS`.")
    subject: Subject = optional("Who; left out: anyone in scope.")
    reason: Said = Field(description="Why.")
    owner: Said = Field(description="Who answers for it.")
    ticket: Text = Field(default="", description="Where it was agreed.")
    expires: Time = Field(description="When it ends. A date ends it when that day begins, in UTC.")

    @model_validator(mode="after")
    def _sense(self) -> "WaiverSpec":
        found = self.classes()
        if len(found) > 1:
            one_class(self, "the waiver")
        default = re.fullmatch(rf"default:({'|'.join(CLASSES)})", self.rule)
        if default and found != [default[1]]:
            message = f"a waiver of `{self.rule}` says what it allows with a `{default[1]}` of its own"
            raise refusal(
                "no-class", message, "a class default is about everything: name the part that is to be allowed"
            )
        if not default and not re.fullmatch(NAME, self.rule):
            known = "it is a rule's id, or `default:` and a class"
            raise refusal("name", f"`rule`: there can be no rule `{self.rule}`", known)
        return self


class WaiverDocument(Strict):
    """An exception with an end: what a rule would decide is allowed for some subjects and objects."""

    apiVersion: Version = Field(description="The version of the language.")
    kind: Literal["Waiver"] = Field(description="What the document is.")
    metadata: WaiverMetadata = Field(description="Who the waiver is.")
    spec: WaiverSpec = Field(description="What is allowed, to whom, why, and until when.")
