"""Lengths of time as people write them: `90`, `90s`, `10m`, `2h`; and as they read them: `3d 4h`."""

import re

from agent.cli.exits import CliError, Exit
from agent.cli.problems import Problem

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
LONGEST = 7 * 24 * 3600


def seconds(text: str, option: str) -> int:
    """
    Seconds of a length of time; 0 for "".

    Raises:
        CliError: Not a length of time, or longer than a week; exit 2.
    """
    if not text:
        return 0
    match = re.fullmatch(r"([0-9]{1,9})([smh]?)", text)
    length = int(match[1]) * SECONDS[match[2]] if match else 0
    if not 1 <= length <= LONGEST:
        hint = "write `90s`, `10m` or `2h`; at most 7 days"
        raise CliError(Exit.USAGE, Problem(f"option `{option}`: `{text}` is not a length of time", hint=hint))
    return length


def left(length: float) -> str:
    """Seconds in the two largest units that matter: `3d 4h`, `2h 5m`, `12m`, `40s`; never more than there are."""
    rest = max(int(length), 0)
    days, hours, minutes = rest // 86400, rest % 86400 // 3600, rest % 3600 // 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m" if minutes else f"{rest}s"
