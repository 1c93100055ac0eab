"""The trigger lines, frame by frame: planned codes keep their flip, the others find a free slot."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from task.lines import REST, Lines, Message
from task.rig import pulse_frames, spacing_frames

AN_ANSWER = Message("ANSWER_1", 65, 1)


@dataclass
class Step:
    """Planned codes so many frames apart, one after another if not said; how long it lasts."""

    codes: int
    frames: int
    apart: int | None = None


@dataclass
class Seen:
    """What was on the lines, and when each planned code was due."""

    messages: list[tuple[int, Message]] = field(default_factory=list)
    due: dict[Message, int] = field(default_factory=dict)
    announcements: list[range] = field(default_factory=list)
    frames: int = 0

    @property
    def rises(self) -> list[tuple[int, Message]]:
        return [(frame, m) for frame, m in self.messages if m is not REST]


def play(steps: Sequence[Step], requests: Sequence[int], *, spacing: int, pulse: int) -> Seen:
    """Show steps as the presenter does: the codes of a step are known from its first frame on."""
    lines = Lines(spacing_frames=spacing, pulse_frames=pulse)
    seen = Seen()
    for number, step in enumerate(steps):
        planned = tuple(Message(f"{number}.{n}", 128 + n, number) for n in range(step.codes))
        due = {m: seen.frames + n * (step.apart or spacing) for n, m in enumerate(planned)}
        if step.apart is None:
            lines.plan(seen.frames, planned)
            seen.announcements.append(range(seen.frames, seen.frames + step.codes * spacing))
        else:
            for message, frame in due.items():
                lines.plan_at(frame, message)
        seen.due |= due
        last = seen.frames + step.frames
        while seen.frames < last:
            for _ in range(requests.count(seen.frames)):
                lines.request(AN_ANSWER)
            message = lines.at(seen.frames, last)
            if message:
                seen.messages.append((seen.frames, message))
            seen.frames += 1
    while not lines.idle(seen.frames):
        message = lines.at(seen.frames, seen.frames + spacing)
        if message:
            seen.messages.append((seen.frames, message))
        seen.frames += 1
    return seen


@st.composite
def sessions(draw: st.DrawFn) -> tuple[Seen, int, int, int]:
    """A session on a display and a device as they come; spacing, pulse, answers given."""
    refresh_hz = draw(st.floats(60, 240))
    pulse_s, gap_s = draw(st.floats(0.0005, 0.05)), draw(st.floats(0.0005, 0.05))
    spacing = spacing_frames(pulse_s, gap_s, refresh_hz)
    pulse = pulse_frames(pulse_s, refresh_hz)
    steps = [
        Step(codes, codes * (apart or spacing) + more, apart)
        for codes, more, apart in draw(
            st.lists(
                st.tuples(
                    st.sampled_from((0, 1, 5)),
                    st.integers(0, 4 * spacing),
                    st.none() | st.integers(spacing, 3 * spacing),
                ),
                max_size=12,
            )
        )
    ]
    total = sum(step.frames for step in steps)
    requests = draw(st.lists(st.integers(0, max(0, total - 1)), max_size=8)) if total else []
    return play(steps, requests, spacing=spacing, pulse=pulse), spacing, pulse, len(requests)


@given(sessions())
def test_planned_codes_rise_on_their_own_frame_whatever_else_is_asked(
    session: tuple[Seen, int, int, int],
) -> None:
    seen, *_ = session
    risen = {m: frame for frame, m in seen.rises if m != AN_ANSWER}
    assert risen == seen.due


@given(sessions())
def test_every_request_is_sent_once(session: tuple[Seen, int, int, int]) -> None:
    seen, _, _, requests = session
    assert sum(m == AN_ANSWER for _, m in seen.rises) == requests


@given(sessions())
def test_no_request_comes_inside_an_announcement(session: tuple[Seen, int, int, int]) -> None:
    seen, *_ = session
    answers = [frame for frame, m in seen.rises if m == AN_ANSWER]
    assert not any(frame in inside for frame in answers for inside in seen.announcements)


@given(sessions())
def test_codes_keep_their_spacing_and_the_lines_rest_between_them(
    session: tuple[Seen, int, int, int],
) -> None:
    seen, spacing, pulse, _ = session
    assert all(b - a >= spacing for (a, _), (b, _) in pairwise(seen.rises))
    alternating = [m is REST for _, m in seen.messages]
    assert alternating == [bool(n % 2) for n in range(len(alternating))]
    rests = [frame for frame, m in seen.messages if m is REST]
    assert rests == [frame + pulse for frame, _ in seen.rises]


def test_a_request_rises_on_the_next_frame_of_an_empty_screen() -> None:
    seen = play([Step(0, 20)], [7], spacing=2, pulse=1)
    assert seen.messages == [(7, AN_ANSWER), (8, REST)]


def test_a_request_waits_for_the_announcement_under_way() -> None:
    seen = play([Step(5, 20)], [3], spacing=2, pulse=1)
    assert [frame for frame, m in seen.rises if m == AN_ANSWER] == [10]


def test_a_request_that_a_planned_code_would_have_to_wait_for_comes_after_it() -> None:
    assert [f for f, m in play([Step(0, 8), Step(1, 8)], [6], spacing=2, pulse=1).rises] == [6, 8]
    assert [f for f, m in play([Step(0, 8), Step(1, 8)], [7], spacing=2, pulse=1).rises] == [8, 10]


def test_lines_are_idle_once_a_code_may_rise_again() -> None:
    lines = Lines(spacing_frames=3, pulse_frames=1)
    lines.plan_at(0, AN_ANSWER)
    assert not lines.idle(0)
    assert lines.at(0, 10) == AN_ANSWER
    assert [lines.idle(frame) for frame in range(4)] == [False, False, False, True]
