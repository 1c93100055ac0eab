"""A device's own clock, seen from ours.

A device says when something happened by its clock; that news arrives late and never early.  The
line that turns its time into ours therefore lies below every reading (device time, arrival), and
the best one is the highest such line: an edge of the lower convex hull of the readings, the one
above or below whose ends their mean lies (Moon, Skelly & Towsley 1999,
doi:10.1109/INFCOM.1999.749287).
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

_KEEP_S = 120.0
_SPAN_S = 20.0  # over less, lateness would pass for drift
_LARGEST_DRIFT = 0.05


class Reading(NamedTuple):
    """The device's time, and when it was known here."""

    device_s: float
    arrival_s: float


class OtherClock:
    """Turns a device's seconds into ours; the last readings count, two minutes of them at most."""

    def __init__(self, keep: int = 256) -> None:
        self._readings: deque[Reading] = deque(maxlen=keep)

    def add(self, device_s: float, arrival_s: float) -> None:
        """One reading."""
        self._readings.append(Reading(device_s, arrival_s))
        while device_s - self._readings[0].device_s > _KEEP_S:
            self._readings.popleft()

    def restart(self) -> None:
        """The device began to count anew."""
        self._readings.clear()

    def ours(self, device_s: float) -> float | None:
        """When that was by our clock, seconds; None before the first reading."""
        readings = tuple(self._readings)
        if not readings:
            return None
        newest = readings[-1].device_s
        if newest - readings[0].device_s < _SPAN_S:
            return device_s + min(arrival - device for device, arrival in readings)
        first, last = _edge(readings)
        rate = (last.arrival_s - first.arrival_s) / (last.device_s - first.device_s)
        if abs(rate - 1) > _LARGEST_DRIFT:
            return device_s + min(arrival - device for device, arrival in readings)
        return last.arrival_s + rate * (device_s - last.device_s)


def _edge(readings: Sequence[Reading]) -> tuple[Reading, Reading]:
    """The edge of the lower hull that spans the readings' mean."""
    hull: list[Reading] = []
    for reading in sorted(readings):
        while len(hull) > 1 and not _turns_up(hull[-2], hull[-1], reading):
            hull.pop()
        if not hull or reading.device_s > hull[-1].device_s:
            hull.append(reading)
    mean_s = sum(reading.device_s for reading in readings) / len(readings)
    pairs = zip(hull, hull[1:], strict=False)
    return next((a, b) for a, b in pairs if b.device_s >= mean_s)


def _turns_up(a: Reading, b: Reading, c: Reading) -> bool:
    """Whether b lies below the line from a to c."""
    return (b.arrival_s - a.arrival_s) * (c.device_s - a.device_s) < (c.arrival_s - a.arrival_s) * (
        b.device_s - a.device_s
    )
