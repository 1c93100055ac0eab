"""The rig that a rig file describes, opened: window, trigger box, keys."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from task.plan import Step
from task.rig import KeyPress, Keys, Rig
from task.rigfile import RigFile
from task.rigs.signals import SignalKeys
from task.rigs.simulated import Robot
from task.rigs.triggers import open_port
from task.rigs.window import WindowDisplay, WindowKeys


def open_rig(rig: RigFile, files: Mapping[str, Path], banner: str, seed: int) -> Rig:
    """Open everything; the port first, since it is the more likely to be missing.

    Raises
    ------
    RigError
        With what cannot be opened and what to do.
    """
    port = open_port(rig.triggers)
    try:
        display = WindowDisplay(rig, files, banner)
    except BaseException:
        port.close()
        raise
    keys: list[Keys] = [SignalKeys(), WindowKeys(display, rig)]
    if rig.robot:
        keys.append(Robot(time.perf_counter, seed))
    return Rig(rig.name, display, port, _Together(*keys), operator=rig.operator.keys)


class _Together:
    """Whoever can press something: the patient, the operator, a robot, the system."""

    def __init__(self, *all_keys: Keys) -> None:
        self._all = all_keys

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        """Everybody listens."""
        return [press for keys in self._all for press in keys.listen(step, onset_s)]

    def poll(self) -> Sequence[KeyPress]:
        """What anybody pressed."""
        return [press for keys in self._all for press in keys.poll()]

    def typed(self) -> str:
        """What anybody typed."""
        return "".join(keys.typed() for keys in self._all)
