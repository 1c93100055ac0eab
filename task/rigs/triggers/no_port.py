"""A rig without a trigger device, or with one that is not there: codes stand in the log only."""

import time

from task.rig import Sent
from task.triggers import NoTriggers, Simulated


class NoPort:
    """Takes every code and sends none."""

    def __init__(self, triggers: NoTriggers | Simulated) -> None:
        self.pulse_s, self.gap_s = triggers.pulse_s, triggers.gap_s
        self.description: dict[str, object] = {"device": triggers.device}

    def set(self, value: int) -> Sent:
        """Nothing to set."""
        now_s = time.perf_counter()
        return Sent(now_s, now_s, True)

    def there(self) -> bool:
        """Nothing can be lost."""
        return True

    def reopen(self) -> bool:
        """Nothing was lost."""
        return True

    def close(self) -> None:
        """Nothing to close."""
