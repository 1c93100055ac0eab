"""Devices for which a code is its byte and nothing else."""

import time
from functools import partial

from task.rigs.triggers.serial_port import Dialect
from task.rigs.triggers.wire import Wire
from task.triggers import BioSemi, Blackrock, RawByte


def latched(triggers: RawByte) -> Dialect:
    """Each byte is the state of the lines: Arduino, Teensy, many home-made boxes."""
    return Dialect(greet=partial(_wait_for_start, settle_s=triggers.settle_s))


def biosemi(triggers: BioSemi) -> Dialect:
    """Each byte is a pulse; the first one, of no lines, is thrown away."""
    return Dialect()


def blackrock(triggers: Blackrock) -> Dialect:
    """Each byte is an event, zero as well: nothing is sent but codes."""
    return Dialect(rest=b"")


def _wait_for_start(wire: Wire, settle_s: float) -> dict[str, object]:
    time.sleep(settle_s)
    return {}
