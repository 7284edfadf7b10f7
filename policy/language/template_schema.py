"""
The shape of templates, as pydantic models. What is filled in later is not looked at here.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, WithJsonSchema

from policy.language.fields import Name, Said, Tag, Text, listed
from policy.language.parameters import KINDS
from policy.language.refusals import Strict
from policy.language.vocabulary import API_VERSION

PARAMETERS_MAX = 64
Version = Literal[API_VERSION]  # type: ignore[valid-type]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-z][A-Za-z0-9]*$", max_length=63)]


class TemplateMetadata(Strict):
    """Who the template is."""

    name: Name = Field(description="What policies call it; none of the library's.")
    description: Text = Field(default="", description="What a policy that uses it is for, in a sentence.")
    owner: Text = Field(default="", description="Who answers for it.")
    tags: list[Tag] = listed(64, "Words to find it by; MITRE ATT&CK's are written `T1059.004`.")


class ParameterEntry(Strict):
    """What a policy that uses the template may, or has to, say."""

    name: ParameterName = Field(description="What stands in `${…}`.")
    type: Literal[tuple(KINDS)] = Field(description="What it takes.")  # type: ignore[valid-type]
    default: Annotated[Any, WithJsonSchema({})] = Field(
        default=None, description="Left out: every policy has to give a value."
    )
    description: Said = Field(description="What it is, for those who give it.")


class TemplateSpec(Strict):
    """Parameters, and the defaults and rules in which `${name}` stands for their values."""

    stops: Text = Field(default="", description="The attack that it is made against.")
    limits: list[Said] = listed(64, "What it does not stop, a sentence each.")
    parameters: list[ParameterEntry] = listed(PARAMETERS_MAX, "What policies that use it may say.")
    defaults: Annotated[Any, WithJsonSchema({"type": "object"})] = Field(
        default=None, description="As in a policy; those of the policy win."
    )
    rules: Annotated[Any, WithJsonSchema({"type": "array"})] = Field(
        default=None, description="As in a policy; they come after those of the policy."
    )


class TemplateDocument(Strict):
    """A template: rules with parameters, for policies to use by name."""

    apiVersion: Version = Field(description="The version of the language.")
    kind: Literal["Template"] = Field(description="What the document is.")
    metadata: TemplateMetadata = Field(description="Who the template is.")
    spec: TemplateSpec = Field(description="What the template says.")
