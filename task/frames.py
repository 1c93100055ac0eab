"""Times as whole frames of one display."""

from task.contract.settings import KeyPath

_TOLERANCE_S = 0.0005


class Frames:
    """Turns seconds into frames; collects the times that are no whole number of them."""

    def __init__(
        self,
        refresh_hz: float,
        round_to_frames: bool,
        spacing_frames: int,
        faults: list[tuple[KeyPath, str]],
    ) -> None:
        self._hz, self._round, self._faults = refresh_hz, round_to_frames, faults
        self.one_code = spacing_frames
        self._asked: dict[KeyPath, int] = {}

    def __call__(self, path: KeyPath, seconds: float) -> int:
        """Frames of a time that the protocol gives under `path`."""
        if path not in self._asked:
            self._asked[path] = self._whole(path, seconds)
        return self._asked[path]

    def at_most(self, seconds: float) -> int:
        """Longest wait for an answer: nobody minds half a frame."""
        return max(1, round(seconds * self._hz))

    def _whole(self, path: KeyPath, seconds: float) -> int:
        exact = seconds * self._hz
        frames = round(exact)
        if self._round:
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
