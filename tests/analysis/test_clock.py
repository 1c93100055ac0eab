"""Clocks in pieces: robust lines, bends, jumps, and what lies between."""

import numpy as np
import pytest

from analysis.clock import Clock, Piece, fit_clock, robust_line


def rows(n: int) -> np.ndarray:
    return np.arange(n)


def test_a_line_is_not_moved_by_a_third_of_wild_points() -> None:
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(0, 1000, 300))
    y = 0.5 + 2e-5 * x + rng.normal(0, 1e-4, 300)
    y[rng.choice(300, 100, replace=False)] += rng.uniform(0.01, 1.0, 100)
    level, slope = robust_line(x, y)
    assert level == pytest.approx(0.5, abs=5e-5)
    assert slope == pytest.approx(2e-5, abs=1e-7)


def test_without_outliers_it_is_least_squares() -> None:
    rng = np.random.default_rng(2)
    x = np.sort(rng.uniform(0, 1000, 300))
    y = 0.5 + 2e-5 * x + rng.uniform(-5e-4, 5e-4, 300)
    level, slope = robust_line(x, y)
    expected = np.polynomial.polynomial.polyfit(x, y, 1)
    np.testing.assert_allclose([level, slope], expected, rtol=1e-9)


def test_a_single_time_has_no_slope() -> None:
    assert robust_line(np.zeros(5), np.array([1.0, 2.0, 3.0, 4.0, 99.0])) == (3.0, 0.0)


def test_a_straight_clock_is_one_piece() -> None:
    log_s = np.linspace(1e9, 1e9 + 1000, 200)
    clock = fit_clock(rows(200), log_s, 50 + (log_s - 1e9) * (1 + 3e-5), 0.001)
    assert len(clock.pieces) == 1 and clock.jumps == 0
    assert clock.drift_ppm == pytest.approx(30.0, abs=0.01)
    np.testing.assert_allclose(clock.to_recording(log_s[[0, -1]]), [50, 1050.03], atol=1e-6)


def test_a_jump_is_found_at_its_row_and_taken_out_of_the_drift() -> None:
    log_s = np.arange(200.0)
    seen_s = log_s * (1 + 3e-5) - np.where(rows(200) >= 120, 0.7, 0.0)
    clock = fit_clock(rows(200), log_s, seen_s, 0.001)
    assert [(p.first_row, p.last_row) for p in clock.pieces] == [(0, 119), (120, 199)]
    assert clock.jumps == 1
    assert clock.drift_ppm == pytest.approx(30.0, abs=0.1)


def test_pieces_of_a_bend_do_not_count_as_jumps() -> None:
    log_s = np.arange(600.0)
    clock = fit_clock(rows(600), log_s, log_s + 0.08 * np.exp(-log_s / 100), 0.001)
    assert len(clock.pieces) > 1 and clock.jumps == 0
    wrong_s = clock.to_recording(log_s) - (log_s + 0.08 * np.exp(-log_s / 100))
    assert np.abs(wrong_s).max() < 0.003


FORWARD = Clock(
    (Piece(0, 9, 0.0, 9.0, 100.0, 0.0), Piece(11, 20, 3611.0, 3620.0, -3500.0, 0.0)), 0.0
)
BACK = Clock((Piece(0, 9, 0.0, 9.0, 100.0, 0.0), Piece(11, 20, 1.0, 10.0, 110.0, 0.0)), 0.0)


def test_between_two_pieces_time_goes_on_and_outside_it_goes_straight() -> None:
    log_s = np.array([-5.0, 0.0, 9.0, 1810.0, 3611.0, 3700.0])
    np.testing.assert_allclose(FORWARD.to_recording(log_s), [95, 100, 109, 110, 111, 200])


def test_times_that_a_clock_showed_twice_are_not_told() -> None:
    times = BACK.to_recording(np.array([0.0, 0.99, 1.0, 5.0, 9.0, 9.01, 10.0]))
    assert np.isnan(times).tolist() == [False, False, True, True, True, False, False]
    np.testing.assert_allclose(times[[0, 1, 5, 6]], [100, 100.99, 119.01, 120])


def test_rows_are_known_by_their_place_even_where_times_come_twice() -> None:
    row = np.array([5.0, 10.0, 15.0])
    time_s, off_s = BACK.infer(np.array([5.0, 9.5, 5.0]), row, np.ones(3, int))
    np.testing.assert_allclose(time_s[[0, 2]], [105, 115])
    assert 109 <= time_s[1] <= 111
    assert off_s[1] == pytest.approx(1.25)  # it was between 109 and 111
    assert off_s[0] == off_s[2] == 0


def test_what_is_lost_at_the_end_of_a_run_is_on_the_clock_of_that_run() -> None:
    log_s = np.concatenate([np.arange(100.0), 150 + np.arange(100.0)])
    run = np.repeat([1, 2], 100)
    kept = np.r_[0:90, 105:200]
    seen_s = log_s + np.where(run == 1, 500.0, 508.0)
    clock = fit_clock(kept, log_s[kept], seen_s[kept], 0.001, run=run[kept])
    time_s, off_s = clock.infer(log_s, np.arange(200), run)
    np.testing.assert_allclose(time_s, seen_s, atol=1e-6)
    assert off_s.max() < 0.001
    assert [piece.run for piece in clock.pieces] == [1, 2]


def test_a_run_without_a_clock_of_its_own_is_taken_along_by_its_neighbours() -> None:
    time_s, off_s = FORWARD.infer(np.array([5.0, 3700.0]), np.array([5, 25]), np.array([1, 2]))
    np.testing.assert_allclose(time_s, [105, 200])
    assert off_s.tolist() == [0, pytest.approx(80 * 20e-6)]


def test_a_short_part_has_the_usual_slope_unless_it_clearly_has_another() -> None:
    log_s = np.arange(130.0)
    part = np.repeat([0, 1], [100, 30])
    for own_ppm, expected_ppm in ((55.0, 50.0), (500.0, 500.0)):
        rate = np.where(part == 0, 50e-6, own_ppm * 1e-6)
        seen_s = log_s + 100 + 5 * part + rate * (log_s - 100 * part)
        clock = fit_clock(rows(130), log_s, seen_s, 0.001, part)
        assert clock.pieces[-1].rate == pytest.approx(expected_ppm * 1e-6)


def test_what_lies_outside_is_less_certain_the_further_it_is() -> None:
    row, run = np.array([-0.5, -0.5, 0.0]), np.ones(3, int)
    off_s = FORWARD.infer(np.array([-1000.0, -10.0, 0.0]), row, run)[1]
    np.testing.assert_allclose(off_s, [0.02, 0.0002, 0.0])


def test_at_a_jump_both_pieces_may_claim_all_rows_of_both_and_elsewhere_none() -> None:
    pieces = (
        Piece(0, 99, 0.0, 99.0, 0.0, 0.0),
        Piece(105, 199, 105.0, 199.0, 0.5, 0.0),
        Piece(202, 299, 202.0, 299.0, 0.501, 0.0),
    )
    assert Clock(pieces, 0.0).reaches(400) == [(0, 200), (0, 202), (200, 400)]
