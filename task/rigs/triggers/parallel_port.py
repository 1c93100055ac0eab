"""A parallel port, through PsychoPy: pyparallel on Linux, the InpOut drivers on Windows."""

import importlib.util
import sys
import time
from typing import Any

from task.contract.errors import RigError
from task.rig import Sent
from task.rigs.triggers.apart import Apart
from task.triggers import ParallelPort

clock = time.perf_counter


class OpenParallelPort:
    """Eight lines of a parallel port."""

    def __init__(self, triggers: ParallelPort) -> None:
        """Open the port and bring the lines to rest.

        Raises
        ------
        RigError
            If there is no driver, no such port, or it cannot be opened.
        """
        self.pulse_s, self.gap_s = triggers.pulse_s, triggers.gap_s
        self._apart = Apart(self.pulse_s, self.gap_s)
        self._address = triggers.address
        self.description: dict[str, object] = {"device": "parallel", "address": triggers.address}
        self._port: Any = _opened(triggers.address)
        self.set(0)

    def set(self, value: int) -> Sent:
        """The data register.  A failure is told, never raised: we are in a flip."""
        self._apart.wait(value)
        before_s = clock()
        try:
            self._port.setData(value)
            done = True
        except (OSError, AttributeError):  # gone, or not open since it was lost
            done = False
        sent = Sent(before_s, clock(), done)
        self._apart.changed(value, sent.after_s)
        return sent

    def there(self) -> bool:
        """A parallel port does not tell."""
        return True

    def reopen(self) -> bool:
        """Close, open, rest."""
        self._port = None
        try:
            self._port = _opened(self._address)
        except RigError:
            return False
        return self.set(0).done

    def close(self) -> None:
        """Lines to rest."""
        self.set(0)
        self._port = None


def open_parallel(triggers: ParallelPort) -> OpenParallelPort:
    """The port that a rig file names, at rest."""
    return OpenParallelPort(triggers)


def _opened(address: str) -> Any:
    if sys.platform == "darwin":
        raise RigError("a Mac has no parallel port; use a trigger device with a serial port")
    if sys.platform.startswith("linux") and importlib.util.find_spec("parallel") is None:
        raise RigError("a parallel port needs the library pyparallel: pip install pyparallel")
    from psychopy import parallel

    if parallel.ParallelPort is None:
        raise RigError(
            "a parallel port needs a driver: put inpoutx64.dll beside python.exe"
            " (highrez.co.uk/downloads/inpout32)"
        )
    try:
        return parallel.ParallelPort(address)
    except (OSError, AttributeError) as error:
        raise RigError(
            f"the parallel port {address!r} cannot be opened:"
            f" {getattr(error, 'strerror', None) or error}; on Linux: sudo modprobe -r lp,"
            " sudo modprobe ppdev, and join the group 'lp'"
        ) from None
