"""Cedrus XID devices: c-pod, StimTracker, outputs of response boxes.

The lines are a binary mask of 16 (`mh`), the eight of a code being the lower ones.  The device is
told the length of a pulse once (`mp`) and ends each itself.
"""

import struct
from functools import partial

from task.rigs.triggers.serial_port import Dialect
from task.rigs.triggers.wire import Wire, refused, shown
from task.triggers import XID_BAUDS, Cedrus

_PRODUCTS = {
    b"0": "Lumina",
    b"2": "RB response box",
    b"4": "c-pod",
    b"5": "Riponda",
    b"S": "StimTracker",
}


def mask(value: int) -> bytes:
    """The command that raises these lines and lowers the others."""
    return b"mh" + struct.pack("<H", value)


def dialect(triggers: Cedrus) -> Dialect:
    """Asked who it is, told the pulse."""
    greet = partial(_greet, pulse_ms=triggers.pulse_ms, baud=triggers.baud)
    return Dialect(code=mask, rest=mask(0), greet=greet, talks=True)


def _greet(wire: Wire, pulse_ms: int, baud: int) -> dict[str, object]:
    _into_xid_mode(wire, baud)
    product, model, firmware = (wire.ask(b"_d" + number, 1) for number in (b"2", b"3", b"4"))
    if firmware < b"2" and product != b"S":
        raise refused(
            wire,
            "the Cedrus device there is of the first generation (firmware"
            f" {shown(firmware)}), which takes other commands; use one of the second generation",
        )
    _set_pulse(wire, pulse_ms)
    return {
        "product": _PRODUCTS.get(product, shown(product)),
        "model": model.decode("latin-1"),
        "firmware": firmware.decode("latin-1"),
        "pulse_ms": pulse_ms,
    }


def _into_xid_mode(wire: Wire, baud: int) -> None:
    answer = wire.ask(b"_c1", 5)
    if answer.startswith(b"_xid") and answer != b"_xid0":
        wire.send(b"c10")
        answer = wire.ask(b"_c1", 5)
    if answer != b"_xid0":
        others = ", ".join(str(other) for other in XID_BAUDS if other != baud)
        raise refused(
            wire,
            "no Cedrus XID device answers there: asked '_c1' it should say '_xid0' and said"
            f" {shown(answer)}; is it this port, and is the device set to {baud} baud"
            f" (others are {others})?",
        )


def _set_pulse(wire: Wire, pulse_ms: int) -> None:
    wire.send(b"mp" + struct.pack("<I", pulse_ms))
    answer, expected = wire.ask(b"_mp", 7), b"_mp" + struct.pack("<I", pulse_ms)
    if answer != expected:
        raise refused(
            wire,
            f"the Cedrus device there did not take pulses of {pulse_ms} ms: asked '_mp' it should"
            f" say {shown(expected)} and said {shown(answer)}",
        )
