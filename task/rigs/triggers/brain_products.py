"""Brain Products TriggerBox and TriggerBox Plus: each byte is the state of the lines."""

from task.rigs.triggers.serial_port import Dialect
from task.triggers import TriggerBox, TriggerBoxPlus

_POWER_ON = b"\xff"  # the state in which the box was found


def triggerbox(triggers: TriggerBox) -> Dialect:
    """The box shows nothing where the same value comes twice: it rests after every code."""
    return Dialect(leave=_POWER_ON)


def triggerbox_plus(triggers: TriggerBoxPlus) -> Dialect:
    """The same bytes at another speed."""
    return Dialect(leave=_POWER_ON)
