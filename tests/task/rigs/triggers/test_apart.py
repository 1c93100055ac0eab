"""Codes and rests keep the device's pulse and gap, whenever frames come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.rigs.triggers import apart
from task.rigs.triggers.apart import Apart

PULSE_S, GAP_S = 0.008, 0.005


class Time:
    def __init__(self) -> None:
        self.now_s = 10.0

    def __call__(self) -> float:
        self.now_s += 1e-4
        return self.now_s


@given(
    steps=st.lists(
        st.tuples(st.sampled_from([0.0, 0.001, 0.006, 0.02]), st.booleans()), max_size=30
    )
)
def test_no_code_is_shorter_than_a_pulse_and_no_rest_than_a_gap(
    steps: list[tuple[float, bool]],
) -> None:
    now = Time()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(apart, "clock", now)
        lines, edges = Apart(PULSE_S, GAP_S), list[tuple[float, int]]()
        for later_s, code in steps:
            now.now_s += later_s
            asked_s = now.now_s
            lines.wait(int(code))
            lines.changed(int(code), now.now_s)
            edges.append((now.now_s, int(code)))
            assert now.now_s - asked_s <= PULSE_S + GAP_S + 3e-4
    for n, (at_s, code) in enumerate(edges):
        codes = [t for t, up in edges[:n] if up]
        rests = [t for t, up in edges[:n] if not up]
        if codes:
            assert at_s - codes[-1] >= PULSE_S + (GAP_S if code else 0.0)
        if rests and code:
            assert at_s - rests[-1] >= GAP_S


def test_what_is_far_enough_apart_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Time()
    monkeypatch.setattr(apart, "clock", now)
    lines = Apart(PULSE_S, GAP_S)
    for value, later_s in ((3, 0.0), (0, PULSE_S), (5, GAP_S)):
        now.now_s += later_s
        asked_s = now.now_s
        lines.wait(value)
        assert now.now_s - asked_s < 1.5e-4  # one look at the clock
        lines.changed(value, now.now_s)
