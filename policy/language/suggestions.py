"""
What somebody may have meant.
"""

from collections.abc import Sequence
from difflib import get_close_matches

_NAMED_MAX = 16


def suggestion(word: object, known: Sequence[str]) -> str:
    """`did you mean …?`, or what is known if that is little, or nothing."""
    if isinstance(word, str) and (close := nearest(word, known)):
        return f"did you mean `{close}`?"
    return "known: " + ", ".join(f"`{name}`" for name in known) if 0 < len(known) <= _NAMED_MAX else ""


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word that is most like another, whatever their case; empty: none is."""
    lowered = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), lowered, 1, 0.6) if len(word) <= 64 else []
    return lowered[close[0]] if close else ""
