"""Codes and rests far enough apart for the device, however close two frames come.

Plans keep this by counting frames.  Frames come closer than planned on a display that is faster
than the plan (somebody answered for that), or that catches up after a late one.
"""

import time

clock = time.perf_counter


class Apart:
    """When the lines may change again."""

    def __init__(self, pulse_s: float, gap_s: float) -> None:
        self._pulse_s, self._gap_s = pulse_s, gap_s
        self._rest_from_s = self._code_from_s = -float("inf")

    def wait(self, value: int) -> None:
        """Until a value may be put on the lines: not at all, but for frames that come too close.

        Never longer than a pulse and a gap.
        """
        from_s = self._code_from_s if value else self._rest_from_s
        while clock() < from_s:
            pass

    def changed(self, value: int, now_s: float) -> None:
        """A value was put on the lines."""
        if value:
            self._rest_from_s = now_s + self._pulse_s
            self._code_from_s = self._rest_from_s + self._gap_s
        else:
            self._code_from_s = now_s + self._gap_s
