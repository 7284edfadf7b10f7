"""
How a model refuses: an error whose context has a `hint`, and bounds on what refusing may cost.

`policy.language.findings` turns these errors, and pydantic's own, into diagnostics.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from policy.language.diagnostic import quote


def refusal(code: str, message: str, hint: str = "") -> PydanticCustomError:
    return PydanticCustomError(code, "{message}", {"message": message, "hint": hint})


def unknown(what: str, found: object, known: Collection[str], meant: str = "") -> PydanticCustomError:
    """
    A word that is none of those known; which one is nearest is found out where it is shown.

    Args:
        meant: The word to compare with those known, if it is not the one found.
    """
    context: dict[str, Any] = {"message": f"unknown {what} {quote(found)}", "known": known, "meant": meant or found}
    return PydanticCustomError("unknown_" + what.replace(" ", "_"), "{message}", context)


@dataclass(slots=True)
class Patience:
    """
    pydantic's context: how many more costly refusals are explained.

    Once there have been that many, the text is refused anyway, and what is left is not looked at.
    """

    left: int = 1000


def patient(check: Callable[[Any], Any]) -> Callable[[Any, ValidationInfo], Any]:
    """A check of a value that explains what is wrong as long as there is patience; then anything passes it."""

    def checked(value: Any, info: ValidationInfo) -> Any:
        patience = info.context if isinstance(info.context, Patience) else Patience()
        if patience.left <= 0:
            return value
        try:
            return check(value)
        except PydanticCustomError:
            patience.left -= 1
            raise

    return checked


class Strict(BaseModel):
    """Nothing unknown, nothing converted, nothing changed."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Narrowing(Strict):
    """Fields that narrow what is meant; one that is there and empty would match nothing, and is a mistake."""

    @model_validator(mode="after")
    def _nothing_empty(self) -> "Narrowing":
        for name in sorted(self.model_fields_set):
            if getattr(self, name) == []:
                raise refusal("empty", f"`{name}` is empty, which matches nothing", "leave it out to mean any")
        return self
