"""Lengths of time as people write them: `90`, `90s`, `10m`, `2h`."""

import re

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
LONGEST = 7 * 24 * 3600


def seconds(text: str) -> int:
    """Raises ValueError: not a length of time, or longer than a week."""
    match = re.fullmatch(r"([0-9]{1,9})([smh]?)", text)
    length = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 1 <= length <= LONGEST:
        raise ValueError(f"`{text}` is not a length of time like `90s`, `10m` or `2h`, at most 7 days")
    return length
