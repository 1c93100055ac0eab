"""LabHackers USB2TTL8: lines of text, and a line of text in answer to some."""

import json

from task.rigs.triggers.serial_port import Dialect
from task.rigs.triggers.wire import Wire, refused, shown
from task.triggers import Usb2Ttl8

_MODEL = "USB2TTL8"
_LINES = 4  # answers to look through for the one that names the model


def write_line(value: int) -> bytes:
    """The command that puts a value on the lines."""
    return b"WRITE %d\n" % value


def dialect(triggers: Usb2Ttl8) -> Dialect:
    """Set to write, asked for its model."""
    return Dialect(code=write_line, rest=write_line(0), greet=_greet, talks=True, patience_s=1.0)


def _greet(wire: Wire) -> dict[str, object]:
    wire.forget()
    wire.send(b"SET DATA_MODE WRITE\n")
    wire.send(b"GET CONFIG\n")
    said: list[bytes] = []
    while len(said) < _LINES and (line := wire.line()):
        said.append(line)
        configuration = _table(line)
        if configuration.get("model_name") == _MODEL:
            return {"configuration": configuration}
    raise refused(
        wire,
        f"no {_MODEL} answers there: asked 'GET CONFIG' it should name its model {_MODEL!r} and"
        f" said {shown(b''.join(said)[:200])}; is it this port?",
    )


def _table(line: bytes) -> dict[str, object]:
    try:
        table = json.loads(line)
    except ValueError:
        return {}
    return table if isinstance(table, dict) else {}
