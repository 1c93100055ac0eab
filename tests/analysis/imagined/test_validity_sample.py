"""A fixed sample of the campaign whose result is `docs/validation.md`."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import validity

PAGE = Path(__file__).resolve().parents[3] / "docs/validation.md"


@pytest.mark.parametrize("name", validity.DESIGN_NAMES)
@pytest.mark.parametrize(
    "world", [validity.World(1.0, "falling"), validity.World(0.5, "saturating")]
)
def test_declared_tests_of_units_err_no_more_often_than_they_say(name, world):
    job = validity.Job(name, world, validity.UNIT_TESTS, 600, 600, 0.0, seed=3)
    found = validity.run(job)
    assert validity.failures(job, found) == []
    assert all(np.isfinite(p).mean() > 0.9 for p in found.values())


def test_declared_tests_of_ratings_err_no_more_often_than_they_say():
    job = validity.Job(
        "P76_1", validity.World(0.5, "saturating"), validity.RATED_TESTS, 600, 6, 0.0, seed=3
    )
    assert validity.failures(job, validity.run(job)) == []


def test_declared_tests_of_sessions_err_no_more_often_than_they_say():
    job = validity.Job(
        "P80_1", validity.World(0.5, "wandering"), validity.SESSION_TESTS, 120, 10, 0.5, seed=5
    )
    assert validity.failures(job, validity.run(job)) == []


def test_a_test_that_errs_too_often_is_named():
    job = validity.Job("ours", validity.World(0.5), (), 100, 100, 0.0, 0)
    found = {"careless": np.r_[np.full(30, 0.04), np.ones(70)]}
    assert validity.failures(job, found) == [
        "careless, ours, drift 0.5 SD, steady: 0.3000 at 0.05",
        "careless, ours, drift 0.5 SD, steady: 0.3000 at 0.1",
    ]


def test_the_page_lists_every_declared_test_and_none_that_errs_too_often():
    page = PAGE.read_text(encoding="utf-8")
    null = validity.null_session("ours", validity.World(0.0), 10, np.random.default_rng(0))
    for test in (*validity.UNIT_TESTS, *validity.RATED_TESTS, *validity.SESSION_TESTS):
        for name in test(null, 0):
            assert f"### {name[0].upper()}{name[1:]}" in page
    assert "too often**" not in page
