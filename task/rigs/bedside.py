"""The rig that a rig file describes, part by part: window, trigger box, keys, loudspeaker."""

import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from task.bitmaps import THEMES
from task.plan import Step
from task.rig import KeyPress, Keys, Rig, Sound
from task.rigfile import RigFile
from task.rigs.keyboard import WindowKeys
from task.rigs.signals import SignalKeys
from task.rigs.simulated import Robot
from task.rigs.triggers import open_port
from task.rigs.window import WindowDisplay


def open_rig(
    rig: RigFile,
    files: Mapping[str, Path],
    banner: str,
    seed: int,
    *,
    theme: str = "light",
    sounds: Mapping[str, Path] | None = None,
) -> Rig:
    """Open everything; the port first, since it is the more likely to be missing.

    Raises
    ------
    RigError
        With what cannot be opened and what to do.
    """
    port = open_port(rig.triggers)
    try:
        display = open_display(rig, files, banner, theme)
    except BaseException:
        port.close()
        raise
    keys = open_keys(rig, display, seed)
    sound = open_loudspeaker(rig, sounds or {})
    return Rig(rig.name, display, port, keys, sound, rig.operator.keys)


def open_display(rig: RigFile, files: Mapping[str, Path], banner: str, theme: str) -> WindowDisplay:
    """The patient's screen.

    Parameters
    ----------
    files : file of every picture that will be shown
    banner : small print at the foot of every screen
    theme : "light" or "dark"

    Raises
    ------
    RigError
        If there is none, or its rate is not what it should be.
    """
    return WindowDisplay(rig, files, banner, THEMES[theme])


def open_keys(rig: RigFile, display: WindowDisplay, seed: int) -> Keys:
    """Whoever can press something; `seed` is the robot's.

    Raises
    ------
    RigError
        If the response box is not there.
    """
    keys: list[Keys] = [SignalKeys(), WindowKeys(display, rig)]
    if rig.response_box:
        from task.rigs.response_box import CedrusKeys

        keys.append(CedrusKeys(rig.response_box))
    if rig.robot:
        keys.append(Robot(time.perf_counter, seed))
    return Together(*keys)


def open_loudspeaker(rig: RigFile, sounds: Mapping[str, Path]) -> Sound | None:
    """The loudspeaker, if the rig file has one; `sounds` are files of cues by their names.

    Raises
    ------
    RigError
        If it cannot be opened.
    """
    if not rig.sound:
        return None
    from task.rigs.sound import open_sound

    return open_sound(rig.sound, sounds)


class Together:
    """The patient, the operator, a robot, the system: all their keys at once."""

    def __init__(self, *all_keys: Keys) -> None:
        self._all = all_keys
        self.description = dict(chain.from_iterable(k.description.items() for k in all_keys))

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        """Everybody listens."""
        return [press for keys in self._all for press in keys.listen(step, onset_s)]

    def poll(self) -> Sequence[KeyPress]:
        """What anybody pressed."""
        return [press for keys in self._all for press in keys.poll()]

    def typed(self) -> str:
        """What anybody typed."""
        return "".join(keys.typed() for keys in self._all)

    def close(self) -> None:
        """Give devices back."""
        for keys in self._all:
            keys.close()
