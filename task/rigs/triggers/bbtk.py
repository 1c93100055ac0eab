"""Black Box ToolKit USB TTL Module: two upper-case hexadecimal digits a code, and nothing else.

It counts digits: a line end would shift every code that follows.
"""

import time

from task.rigs.triggers.serial_port import Dialect
from task.rigs.triggers.wire import Wire
from task.triggers import Bbtk

_RESET = b"RR"
_RESET_S = 1.0  # its red light shows a reset; whether it listens meanwhile is not known


def digits(value: int) -> bytes:
    """A value as the module reads it."""
    return b"%02X" % value


def dialect(triggers: Bbtk) -> Dialect:
    """Reset at both ends, so that its count of digits begins anew."""
    return Dialect(code=digits, rest=digits(0), greet=_reset, leave=_RESET)


def _reset(wire: Wire) -> dict[str, object]:
    wire.send(_RESET)
    time.sleep(_RESET_S)
    return {}
