"""What an alignment must reach: each check at its border."""

from dataclasses import replace

import pytest

from analysis.evidence import AlignmentRefused, Evidence, judge

SOUND = Evidence(
    rows=1000,
    heard=1000,
    matched=990,
    rival=10,
    numbered=900,
    agreeing=890,
    jumps=0,
    span_s=600.0,
    drift_ppm=12.0,
    tolerance_s=0.003,
)


@pytest.mark.parametrize(
    ("changed", "check"),
    [
        ({"matched": 499}, "share"),
        ({"agreeing": 8}, "numbers"),
        ({"agreeing": 400, "contradicting": 401}, "numbers"),
        ({"rival": 793}, "rival"),
        ({"drift_ppm": -550.1}, "drift"),
        ({"jumps": 7}, "jumps"),
        ({"jumps": 3, "span_s": 179.9}, "jumps"),
    ],
)
def test_beyond_its_border_a_check_fails_and_can_be_overridden(
    changed: dict[str, float], check: str
) -> None:
    evidence = replace(SOUND, **changed)  # type: ignore[arg-type]
    with pytest.raises(AlignmentRefused) as refused:
        judge(evidence)
    assert refused.value.check == check
    assert judge(evidence, [check]) == (check,)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"matched": 500},
        {"agreeing": 9},
        {"agreeing": 400, "contradicting": 400},
        {"rival": 792},
        {"drift_ppm": 550.0},
        {"jumps": 6},
        {"jumps": 3, "span_s": 180.0},
        {"jumps": 2, "span_s": 60.0},
    ],
)
def test_up_to_its_border_a_check_holds(changed: dict[str, float]) -> None:
    assert judge(replace(SOUND, **changed)) == ()  # type: ignore[arg-type]


def test_a_clock_that_is_set_all_the_time_is_none() -> None:
    with pytest.raises(AlignmentRefused) as refused:
        judge(replace(SOUND, jumps=4, span_s=113.2))
    assert str(refused.value) == (
        "log and recording cannot be aligned: log and recording agree only in 5 pieces, each on a"
        " clock of its own, within 113 s; check that this is the recording of this log, and the"
        " port that carried the codes; to go on all the same: --accept jumps"
    )
