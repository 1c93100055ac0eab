"""Trigger devices: how a value gets from here to the lines of the recording system.

`task.triggers` says what a rig file may say of each; here each is opened and spoken to.
"""

from collections.abc import Callable, Mapping
from typing import Any

from task.rig import TriggerPort
from task.rigs.triggers import bbtk, brain_products, cedrus, mmbts, raw, usb2ttl8
from task.rigs.triggers.no_port import NoPort
from task.rigs.triggers.one_line import open_single_pulse, open_train
from task.rigs.triggers.parallel_port import open_parallel
from task.rigs.triggers.serial_port import Dialect, SerialPort
from task.triggers import Triggers

# How the devices are spoken to that have eight lines and a serial port.
_DIALECTS: Mapping[str, Callable[[Any], Dialect]] = {
    "serial": raw.latched,
    "biosemi": raw.biosemi,
    "blackrock": raw.blackrock,
    "brain_products_triggerbox": brain_products.triggerbox,
    "brain_products_triggerbox_plus": brain_products.triggerbox_plus,
    "mmbts": mmbts.dialect,
    "cedrus": cedrus.dialect,
    "usb2ttl8": usb2ttl8.dialect,
    "bbtk": bbtk.dialect,
}
_OTHERS: Mapping[str, Callable[[Any], TriggerPort]] = {
    "pulse_train": open_train,
    "single_pulse": open_single_pulse,
    "parallel": open_parallel,
    "none": NoPort,
    "simulated": NoPort,
}


def open_port(triggers: Triggers) -> TriggerPort:
    """The trigger device that a rig file names: open, identified where it can be, at rest.

    Raises
    ------
    RigError
        If it cannot be opened or something else answers.
    """
    if triggers.device in _DIALECTS:
        return SerialPort(triggers, _DIALECTS[triggers.device](triggers))
    return _OTHERS[triggers.device](triggers)
