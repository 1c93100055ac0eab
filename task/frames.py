"""Times as whole frames of one display, long enough for the codes that are sent in them."""

from copy import copy

from task.contract.codes import announce_presentation
from task.contract.settings import KeyPath
from task.protocol import Faults

_TOLERANCE_S = 0.0005


class Frames:
    """Turns seconds into frames; collects the times that cannot be shown.

    `first` says that a time is that of the first step of a trial, which sends the number of its
    presentation too.
    """

    def __init__(
        self,
        refresh_hz: float,
        round_to_frames: bool,
        spacing_frames: int,
        announced: bool,
        faults: Faults,
    ) -> None:
        self._hz, self._round, self._faults = refresh_hz, round_to_frames, faults
        self.one_code = spacing_frames
        self._first_codes = 1 + len(announce_presentation(0, 0)) if announced else 1
        self._asked: dict[KeyPath, int] = {}
        self._own_path: KeyPath = ()
        self._own_keys: frozenset[str] = frozenset()

    def under(self, path: KeyPath, keys: frozenset[str]) -> "Frames":
        """The same display, where some settings of the task stand under a path of their own."""
        own = copy(self)
        own._own_path, own._own_keys = path, keys
        return own

    def __call__(
        self,
        path: KeyPath,
        seconds: float,
        *,
        first: bool = False,
        rounded: bool = False,
    ) -> int:
        """Frames of a time that the protocol gives under `path`; `rounded` where nobody minds."""
        if len(path) == 2 and path[1] in self._own_keys:
            path = (*self._own_path, path[1])
        if path not in self._asked:
            frames = self._whole(path, seconds, rounded or self._round)
            self._check_codes_fit(path, frames, first)
            self._asked[path] = frames
        return self._asked[path]

    def about(self, seconds: float, *, first: bool = False) -> int:
        """Frames of a time that is the program's own: longer where its codes need it."""
        return max(round(seconds * self._hz), self._codes(first) * self.one_code)

    def at_most(self, seconds: float) -> int:
        """Longest wait for an answer: nobody minds half a frame."""
        return max(1, round(seconds * self._hz))

    def _codes(self, first: bool) -> int:
        return self._first_codes if first else 1

    def _check_codes_fit(self, path: KeyPath, frames: int, first: bool) -> None:
        codes = self._codes(first)
        needed = codes * self.one_code
        if frames < needed:
            self._faults.append(
                (
                    path,
                    f"{count(frames, 'frame')} cannot hold {count(codes, 'trigger code')}, each of"
                    f" {self.one_code} frames; at least {needed} frames are needed",
                )
            )

    def _whole(self, path: KeyPath, seconds: float, rounded: bool) -> int:
        exact = seconds * self._hz
        frames = round(exact)
        if rounded:
            return max(frames, 1)
        if frames and abs(exact - frames) <= _TOLERANCE_S * self._hz:
            return frames
        below, above = int(exact), int(exact) + 1
        near = " or ".join(
            f"{n / self._hz:.4f} s ({count(n, 'frame')})" for n in (below, above) if n
        )
        self._faults.append(
            (
                path,
                f"{seconds:g} s is {exact:.2f} frames at {self._hz:g} Hz; use {near},"
                " or round_to_frames = true",
            )
        )
        return max(frames, 1)


def count(number: int, what: str) -> str:
    """`1 frame`, `2 frames`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
