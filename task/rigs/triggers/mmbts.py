"""Neurospec MMBT-S.  Lines are driven only while a computer holds the port with DTR on.

Its mode cannot be asked for: the rig file says how the switch stands.
"""

from task.rigs.triggers.serial_port import Dialect
from task.triggers import Mmbts


def dialect(triggers: Mmbts) -> Dialect:
    """One byte a code; in the mode `pulse` the box takes it off again."""
    return Dialect(dtr=True, rts=False)
