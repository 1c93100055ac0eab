"""Checks before a session as traffic lights, and who answers for a red one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from task.contract.errors import RigError, UserError
from task.contract.lights import Light
from task.contract.settings import did_you_mean

NAMES = (
    "protocol", "pictures", "decoding", "fonts", "layout", "textures",
    "display", "refresh", "full-screen", "primary", "mirrored", "compositor",
    "port", "port-rights", "port-users", "modem-manager", "latency-timer", "sweep",
    "sound", "tone", "response-box", "keys", "patient",
    "disk-space", "disk-write", "data-folder",
    "memory", "processors", "graphics", "power", "sleep", "screen-off", "notifications", "clock",
)  # fmt: skip
"""Every check, in the order in which they are shown; what an override names."""

_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class Check:
    """What was checked, what was found, what to do.

    Attributes
    ----------
    name : one of `NAMES`
    essential : without it nothing can be shown at all, so that nobody can answer for it
    """

    name: str
    light: Light
    found: str
    todo: str = ""
    essential: bool = False


@dataclass(frozen=True, slots=True)
class Attempt(Generic[_Thing]):
    """Something that was opened or made, or what was said instead."""

    got: _Thing | None
    said: str = ""


def attempt(make: Callable[[], _Thing]) -> Attempt[_Thing]:
    """Make something; what the user did wrong is kept, and not raised."""
    try:
        return Attempt(make())
    except UserError as error:
        return Attempt(None, str(error))


def merged(checks: Sequence[Check], later: Sequence[Check]) -> list[Check]:
    """All of them in the order of `NAMES`, the later one where a name comes twice."""
    by_name = {check.name: check for check in (*checks, *later)}
    return sorted(by_name.values(), key=lambda check: NAMES.index(check.name))


def worst(checks: Sequence[Check]) -> Light:
    """Red before yellow before green; grey says nothing."""
    lights = {check.light for check in checks}
    return next((one for one in (Light.RED, Light.YELLOW) if one in lights), Light.GREEN)


def read_overrides(given: Sequence[str]) -> dict[str, str]:
    """Overrides as they are given on the command line, `name=who`.

    Raises
    ------
    UserError
        With all that is wrong: no such check, nobody named.
    """
    wrong: list[str] = []
    overrides: dict[str, str] = {}
    for one in given:
        name, _, who = (part.strip() for part in one.partition("="))
        if name not in NAMES:
            hint = did_you_mean(name, NAMES) or f"; there are {', '.join(NAMES)}"
            wrong.append(f"--override {one}: no such check{hint}")
        elif len(who) < 2:
            wrong.append(
                f'--override {one}: say who answers for it: --override {name}="Dr. Jane Doe"'
            )
        overrides[name] = who
    if wrong:
        raise UserError("\n".join(wrong))
    return overrides


def refuse_on_red(checks: Sequence[Check], overrides: Mapping[str, str]) -> dict[str, str]:
    """Refuse a session with a red check that nobody answers for.

    Returns
    -------
    check -> who answers for it, of those that were needed: for the log

    Raises
    ------
    RigError
        With every such check at once, and how to override it.
    """
    red = [check for check in checks if check.light is Light.RED]
    refused = [check for check in red if check.essential or check.name not in overrides]
    if not refused:
        return {check.name: overrides[check.name] for check in red}
    lines = ["not ready for a patient:"]
    lines += [f"  {c.name}: {c.found}{f'; {c.todo}' if c.todo else ''}" for c in refused]
    names = dict.fromkeys(check.name for check in refused if not check.essential)
    if names:
        how = " ".join(f'--override {name}="Dr. Jane Doe"' for name in names)
        lines.append(f"mend this, or have somebody answer for it by name: {how}")
    stuck = dict.fromkeys(check.name for check in refused if check.essential)
    if stuck:
        lines.append(f"nobody can answer for: {', '.join(stuck)}")
    raise RigError("\n".join(lines))
