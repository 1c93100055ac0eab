"""Ctrl-C, a closed terminal, a shutdown: heard as keys, and heeded between two frames.

An exception out of nowhere could fall into a swap, where the trigger lines are set.  Who asks a
second time gets it at once: a screen that hangs must not keep a session from ending.
"""

import signal
import time
from collections.abc import Sequence
from types import FrameType

from task.plan import Step
from task.rig import KeyPress

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")


class SignalKeys:
    """Signals as presses with the meaning `interrupt`; see `task.rig.Keys`."""

    def __init__(self) -> None:
        """Listen, also to signals that were ignored by whoever started this."""
        self.description: dict[str, object] = {}
        self._heard: list[KeyPress] = []
        self._asked = False
        for name in _NAMES:
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._hear)

    def listen(self, step: Step, onset_s: float) -> Sequence[KeyPress]:
        """What came in between."""
        return self.poll()

    def poll(self) -> Sequence[KeyPress]:
        """Signals since the last call."""
        heard, self._heard = self._heard, []
        return heard

    def typed(self) -> str:
        """Nothing is typed."""
        return ""

    def close(self) -> None:
        """Signals are heard to the end."""

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        name = signal.Signals(number).name
        self._heard.append(KeyPress("interrupt", name, time.perf_counter(), "operator"))
