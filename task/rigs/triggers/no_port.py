"""A rig without a trigger device: codes stand in the log only."""

import time

from task.rig import Sent
from task.triggers import NoTriggers


class NoPort:
    """Takes every code and sends none."""

    def __init__(self, triggers: NoTriggers) -> None:
        self.pulse_s, self.gap_s = triggers.pulse_s, triggers.gap_s
        self.description: dict[str, object] = {"device": "none"}

    def set(self, value: int) -> Sent:
        """Nothing to set."""
        now_s = time.perf_counter()
        return Sent(now_s, now_s, True)

    def reopen(self) -> bool:
        """Nothing was lost."""
        return True

    def close(self) -> None:
        """Nothing to close."""
