"""What goes on the trigger lines at which frame.

Planned codes keep their flip.  What is not planned (answers, an operator's commands) waits in one
queue for the next free slot: never inside an announcement, and never so late that a planned code
would have to wait.  Between any two codes the lines rest.
"""

from collections import deque
from typing import NamedTuple


class Message(NamedTuple):
    """A value for the lines, its name, and the presentation it belongs to."""

    name: str
    value: int
    presentation: int | None = None


REST = Message("REST", 0)


class Lines:
    """The lines, frame by frame."""

    def __init__(self, *, spacing_frames: int, pulse_frames: int) -> None:
        self._spacing, self._pulse = spacing_frames, pulse_frames
        self._planned: deque[tuple[int, Message]] = deque()
        self._queue: deque[Message] = deque()
        self._free_from = 0  # first frame on which a code may rise
        self._falls_at = -1  # frame on which the code now standing is taken off

    def plan(self, frame: int, messages: tuple[Message, ...]) -> None:
        """Codes that must rise at `frame`, `frame` + spacing, and so on."""
        for n, message in enumerate(messages):
            self._planned.append((frame + n * self._spacing, message))

    def plan_at(self, frame: int, message: Message) -> None:
        """One code that must rise at `frame`."""
        self._planned.append((frame, message))

    def drop_planned(self) -> None:
        """What was planned will not be shown; what stands on the lines still falls in time."""
        self._planned.clear()

    def request(self, message: Message) -> None:
        """A code that rises as soon as it may."""
        self._queue.append(message)

    def at(self, frame: int, planned_until: int) -> Message | None:
        """What to put on the lines in the flip of `frame`; None to leave them as they are.

        Parameters
        ----------
        planned_until : the first frame for which planned codes are not known yet
        """
        if frame == self._falls_at:
            return REST
        if frame < self._free_from:
            return None
        if self._planned:
            due, message = self._planned[0]
            if frame >= due:
                self._planned.popleft()
                return self._rise(frame, message)
            if not self._queue or frame + self._spacing > due:
                return None
        if self._queue and frame + self._spacing <= planned_until:
            return self._rise(frame, self._queue.popleft())
        return None

    def idle(self, frame: int) -> bool:
        """Whether nothing waits and a code may rise at `frame`."""
        return not self._planned and not self._queue and frame >= self._free_from

    def _rise(self, frame: int, message: Message) -> Message:
        self._free_from = frame + self._spacing
        self._falls_at = frame + self._pulse
        return message
