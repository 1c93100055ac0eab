from itertools import product

import numpy as np
import pandas as pd
import pytest

from analysis.responses import count_spikes
from analysis.viewing.responsive import published_rule_responsive, responsive_units
from task.contract.errors import AnalysisError


def noise(rate_hz, duration_s, rng):
    return np.sort(rng.uniform(0, duration_s, rng.poisson(rate_hz * duration_s)))


def answering(onsets, rng, base_hz=3.0, more_hz=20.0, start_s=0.16, length_s=0.1):
    more = rng.poisson(more_hz * length_s, len(onsets))
    times = np.repeat(onsets + start_s, more) + rng.uniform(0, length_s, more.sum())
    return np.sort(np.concatenate([noise(base_hz, onsets[-1] + 2, rng), times]))


def onsets_of(n_trials, soa_s=0.5):
    return 1.0 + soa_s * np.arange(n_trials)


def test_a_response_is_found_where_it_is():
    rng = np.random.default_rng(0)
    onsets = onsets_of(100)
    spikes = {"yes": answering(onsets, rng), "no": noise(3.0, 55.0, rng)}
    found = responsive_units(spikes, onsets)
    yes = found.units.loc["yes"]
    assert yes["p"] == found.smallest_p == 1 / 5000
    assert 0.15 < yes["start_s"] < 0.19 and yes["stop_s"] == pytest.approx(yes["start_s"] + 0.08)
    assert yes["direction"] == 1
    assert yes["peak_hz"] == pytest.approx(23.0, rel=0.2)
    assert yes["baseline_hz"] == pytest.approx(3.0, abs=1.5)
    assert found.units.loc["no", "p"] > 0.05
    assert found.windows == 13


def test_a_pause_is_a_response_too():
    rng = np.random.default_rng(1)
    onsets = onsets_of(200)
    train = noise(15.0, 105.0, rng)
    since = train - onsets[np.maximum(np.searchsorted(onsets, train, side="right") - 1, 0)]
    found = responsive_units({"u": train[~((since > 0.15) & (since < 0.3))]}, onsets).units.loc["u"]
    assert found["p"] < 0.001
    assert found["direction"] == -1


def test_p_is_that_of_all_ways_in_which_window_and_baseline_could_change_places():
    rng = np.random.default_rng(4)
    onsets = onsets_of(10)
    train = answering(onsets, rng, base_hz=8.0, more_hz=15.0)
    groups = list("ab" * 5)
    with pytest.raises(AnalysisError):
        responsive_units({"u": train}, onsets, groups)  # five trials each
    starts = [0.08 + 0.02 * n for n in range(13)]
    windows = [(0.0, 0.08)] + [(round(s, 9), round(s + 0.08, 9)) for s in starts]
    base, *inside = (count_spikes([train], onsets, w)[:, 0] for w in windows)

    def statistic(signs):
        sums = [(signs * (part - base)).sum() for part in inside]
        sizes = [((part - base) ** 2).sum() for part in inside]
        return max(abs(s) / np.sqrt(q) if q else 0.0 for s, q in zip(sums, sizes, strict=True))

    null = [statistic(np.array(signs)) for signs in product((1, -1), repeat=10)]
    found = responsive_units({"u": train}, onsets)
    assert found.units.loc["u", "p"] == np.mean(np.array(null) >= null[0] - 1e-9)
    assert found.smallest_p == 2 / 2**10


def test_a_group_alone_can_make_a_unit_responsive():
    """A unit that answers one of eight pictures, too weakly for the mean over all."""
    rng = np.random.default_rng(5)
    pictures = rng.permutation(np.repeat(np.arange(8), 24))
    onsets = onsets_of(len(pictures))
    extra = answering(onsets[pictures == 3], rng, base_hz=0.0, more_hz=20.0)
    spikes = {"u": np.sort(np.concatenate([noise(6.0, onsets[-1] + 2, rng), extra]))}
    names = [f"p{n}" for n in pictures]
    found = responsive_units(spikes, onsets, names)
    assert found.groups == 9
    assert found.units.loc["u", "group"] == "p3"
    assert found.units.loc["u", "p"] < 0.01 < responsive_units(spikes, onsets).units.loc["u", "p"]


def test_windows_are_half_open_and_as_wide_as_the_baseline():
    onsets = np.arange(12.0) * 4
    window = {"baseline_s": (0.0, 0.25), "search_s": (0.25, 0.5)}

    def p_of(at):
        return responsive_units({"u": onsets + at}, onsets, **window).units.loc["u", "p"]

    assert p_of(0.25) == p_of(0.4375) == 2 / 2**12
    assert np.isnan(p_of(0.5)) and np.isnan(p_of(-0.015625))
    assert p_of(0.0) == 2 / 2**12


def test_a_silent_unit_is_not_tested_and_does_not_count_for_q():
    rng = np.random.default_rng(0)
    onsets = onsets_of(50)
    spikes = {"a": answering(onsets, rng), "silent": np.empty(0), "far": np.array([1e6])}
    found = responsive_units(spikes, onsets)
    assert found.untested == ("silent", "far")
    assert found.units.loc[["silent", "far"]].drop(columns="group").isna().all(axis=None)
    assert found.units.loc["a", "q"] == found.units.loc["a", "p"]


def test_a_unit_has_the_same_answer_whatever_the_units_beside_it(monkeypatch):
    rng = np.random.default_rng(6)
    onsets = onsets_of(60)
    spikes = {n: answering(onsets, rng, more_hz=1.0) for n in range(7)}
    together = responsive_units(spikes, onsets).units.drop(columns="q")
    monkeypatch.setattr("analysis.viewing.responsive._BLOCK_NUMBERS", 150_000)
    pd.testing.assert_frame_equal(
        responsive_units(spikes, onsets).units.drop(columns="q"), together
    )
    alone = responsive_units({3: spikes[3]}, onsets).units.drop(columns="q")
    pd.testing.assert_frame_equal(alone, together.loc[[3]])


@pytest.mark.parametrize("rate_hz", [0.3, 2.4])
def test_units_that_do_not_respond_get_small_p_no_more_often_than_said(rate_hz):
    """Their rates differ from block to block by a factor of e."""
    rng = np.random.default_rng(7)
    onsets = onsets_of(64, 0.6)
    pictures = np.tile(np.arange(4), 16).tolist()
    rates = rate_hz * np.exp(rng.standard_normal((400, 8)))
    blocks = 5.0 * np.arange(8)
    spikes = {
        n: np.sort(
            np.concatenate(
                [
                    rng.uniform(a, a + 5, rng.poisson(5 * r))
                    for a, r in zip(blocks, row, strict=True)
                ]
            )
        )
        for n, row in enumerate(rates)
    }
    p = responsive_units(spikes, onsets, pictures).units["p"].dropna()
    for level in (0.001, 0.01, 0.05, 0.1):
        assert (p <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / len(p))


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: responsive_units({}, np.arange(9.0)), "responses need at least 10 trials, not 9"),
        (
            lambda: responsive_units({}, np.arange(20.0), list("ab") * 9 + ["c", "c"]),
            "responses by group need at least 10 trials each: 'a', 'b', 'c'",
        ),
        (
            lambda: responsive_units({}, np.arange(20.0), ["a"] * 19 + [None]),
            "responses by group need at least 10 trials each: trials without a group",
        ),
        (
            lambda: responsive_units({}, np.arange(20.0), ["a"] * 19),
            "20 onsets, but 19 groups for them",
        ),
        (
            lambda: responsive_units({}, np.arange(20.0), search_s=(0.08, 0.15)),
            "no window as wide as the baseline 0 to 0.08 s fits between 0.08 and 0.15 s",
        ),
        (
            lambda: responsive_units({}, np.arange(20.0), search_s=(0.05, 0.4)),
            "responses are looked for from 0.05 s on, before the baseline ends at 0.08 s",
        ),
    ],
)
def test_what_cannot_be_tested_is_refused(ask, said):
    with pytest.raises(AnalysisError) as refused:
        ask()
    assert str(refused.value) == said


# The study's rule --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged():
    rng = np.random.default_rng(8)
    pictures = np.concatenate([rng.permutation(40) for _ in range(6)])
    categories = pd.Series(np.repeat(["face", "tool"], 20), [f"p{n}" for n in range(40)])
    onsets = onsets_of(len(pictures), 0.9)
    end_s = onsets[-1] + 2
    face = answering(onsets[pictures < 20], rng, base_hz=2.0, more_hz=60.0, length_s=0.2)
    one = answering(onsets[pictures == 30], rng, base_hz=0.0, more_hz=150.0, length_s=0.1)
    spikes = {
        "faces": np.sort(np.concatenate([noise(2.0, end_s, rng), face])),
        "one picture": np.sort(np.concatenate([noise(1.0, end_s, rng), one])),
        "seldom": noise(0.05, end_s, rng),
        "silent": np.empty(0),
    }
    names = [f"p{n}" for n in pictures]
    return published_rule_responsive(spikes, onsets, names, categories, 0.267)


def test_the_rule_of_the_study_accepts_what_answers(judged):
    faces = judged.loc["faces"]
    assert faces[["responsive", "burst", "rises", "fires"]].all()
    assert 0.15 < faces["latency_s"] < 0.25
    assert judged.loc["one picture", ["responsive", "picture"]].all()


def test_the_rule_of_the_study_refuses_what_has_no_burst(judged):
    assert not judged.loc[["seldom", "silent"]].drop(columns="latency_s").any(axis=None)
    assert judged.loc[["seldom", "silent"], "latency_s"].isna().all()


def test_the_rule_of_the_study_needs_a_category_for_every_picture():
    categories = pd.Series(["a"], ["p"])
    with pytest.raises(AnalysisError) as refused:
        published_rule_responsive({}, [0.0, 1.0], ["p", "q"], categories, 0.267)
    assert str(refused.value) == "categories: none for 'q'"
    with pytest.raises(AnalysisError) as refused:
        published_rule_responsive({}, [0.0, 1.0], ["p"], categories, 0.267)
    assert str(refused.value) == "2 onsets, but 1 pictures for them"
