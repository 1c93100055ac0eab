from itertools import product

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from analysis.imagined.decoders import (
    axis_decoder,
    published_rule_feature_decoder,
    shrunk_noise,
    template_decoder,
)
from analysis.imagined.decoding import (
    accuracy_interval,
    decode_across_blocks,
    decode_items,
    decode_session,
    population_decoding,
)
from analysis.imagined.decoding_course import (
    decode_course,
    decode_generalisation,
    sliding_rates,
)
from analysis.imagined.trials import ImageryTrials
from analysis.prediction import PENALTIES
from analysis.space import ObjectSpace
from task.contract.errors import AnalysisError

# Sessions P80_1 and P76_1 of the study: pairs of items by block; and all items in one ring.
PAIRS = ((2, 6), (3, 7), (1, 5), (7, 4), (8, 3), (6, 4), (1, 5), (8, 2))
SIX = ((4, 5), (5, 2), (4, 3), (1, 6), (2, 3), (1, 6))
RING = ((1, 2), (3, 4), (5, 6), (7, 8), (2, 3), (4, 5), (6, 7), (8, 1))
ITEMS = pd.Index([f"i{n}" for n in range(1, 9)])


def cued(pairs=PAIRS, each=4, rng=None):
    """Items in alternation; with `rng` the first of every block is drawn."""
    turned = [pair if rng is None else pair[:: rng.choice((1, -1))] for pair in pairs]
    return np.concatenate([np.tile([f"i{n}" for n in pair], each) for pair in turned])


def table(values, items):
    return pd.DataFrame(
        values, pd.Index(items, name="image"), [f"u{n}" for n in range(values.shape[1])]
    )


def imagery(values, items, blocks=None):
    rates = table(np.asarray(values, dtype=float), items).reset_index(drop=True)
    if blocks is None:
        blocks = np.repeat(np.arange(8), len(items) // 8)
    return ImageryTrials(pd.Series(items), pd.Series(blocks), rates, rates)


def patterns(n_units, rng):
    return pd.DataFrame(rng.normal(size=(8, n_units)), ITEMS)


def planted(signal, n_units=12, seed=0, pairs=PAIRS, each=4):
    """Imagery, and 6 trials of each item seen, with the same patterns."""
    rng = np.random.default_rng(seed)
    mean, items = patterns(n_units, rng), cued(pairs, each, rng)
    seen = np.repeat(ITEMS, 6)
    viewing = table(mean.loc[seen].to_numpy() + 0.5 * rng.normal(size=(48, n_units)), seen)
    noise = rng.normal(size=(len(items), n_units))
    blocks = np.repeat(np.arange(len(pairs)), 2 * each)
    return imagery(signal * mean.loc[items].to_numpy() + noise, items, blocks), viewing


def drifting(rng, walk, memory, trend, n_units=10):
    """No signal: a walk over blocks, a trend in each, and noise that remembers, (64, n_units)."""
    levels = np.cumsum(rng.normal(0, walk, (8, 1, n_units)), axis=0)
    noise = rng.normal(size=(8, 8, n_units))
    for n in range(1, 8):
        noise[:, n] = memory * noise[:, n - 1] + np.sqrt(1 - memory**2) * noise[:, n]
    fall = trend * np.linspace(0, 1, 8)[:, None] * rng.choice((-1, 1), n_units)
    return (levels + noise - fall).reshape(64, n_units)


# --- decoders --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_units", [6, 80])
def test_noise_is_shrunk_as_ledoit_and_wolf_do(n_units):
    rng = np.random.default_rng(n_units)
    rows = rng.normal(size=(40, n_units)) @ rng.normal(size=(n_units, n_units))
    noise = shrunk_noise(rows, 32)
    expected = ledoit_wolf(rows, assume_centered=True)[0] * 40 / 32
    what = rng.normal(size=(n_units, 3))
    np.testing.assert_allclose(noise.whiten(what), np.linalg.solve(expected, what), rtol=1e-6)


def test_equal_and_independent_units_are_left_so():
    noise = shrunk_noise(np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]]), 4)
    np.testing.assert_allclose(noise.whiten(np.eye(2)), np.eye(2))
    one = shrunk_noise(np.array([[2.0], [-2.0]]), 1)
    np.testing.assert_allclose(one.whiten(np.ones((1, 1))), 1 / 8)


def test_templates_are_fishers_discriminant():
    _, viewing = planted(1.0)
    decoder = template_decoder(viewing, ITEMS)
    means = viewing.groupby(level=0).mean()
    covariance = ledoit_wolf((viewing - means.loc[viewing.index]).to_numpy(), assume_centered=True)
    expected = np.linalg.inv(covariance[0] * 48 / 40) @ (means - means.mean()).to_numpy().T
    np.testing.assert_allclose(decoder.weights[means.index], expected, rtol=1e-6)
    assert decoder.source == "viewing"


def screening(seed=0, n_images=60, n_units=9, n_dims=5):
    """Two trials of every picture; rates along axes."""
    rng = np.random.default_rng(seed)
    names = pd.Index([*ITEMS, *(f"p{n}" for n in range(n_images - 8))])[rng.permutation(n_images)]
    coordinates = pd.DataFrame(rng.normal(size=(n_images, n_dims)), names)
    axes = rng.normal(size=(n_dims, n_units))
    mean = coordinates.to_numpy() @ axes
    trials = np.concatenate([mean + rng.normal(size=mean.shape) for _ in range(2)])
    space = ObjectSpace(coordinates - coordinates.mean(), pd.Series(dtype=float))
    return table(trials, [*names, *names]), space, pd.DataFrame(mean, names)


def test_axes_predict_the_patterns_of_the_items_as_scikit_learns_ridge_does():
    viewing, space, _ = screening()
    decoder = axis_decoder(viewing, space, ITEMS)
    others = viewing[~viewing.index.isin(ITEMS)]
    means = others.groupby(level=0).mean()
    x = space.at(means.index)
    penalties = PENALTIES * (np.linalg.svd(x - x.mean(), compute_uv=False) ** 2).mean()
    ridge = RidgeCV(penalties, alpha_per_target=True, gcv_mode="svd").fit(x, means)
    predicted = ridge.predict(space.at(ITEMS))
    residuals = (others - means.loc[others.index]).to_numpy()
    n = len(others)
    covariance = ledoit_wolf(residuals, assume_centered=True)[0] * n / (n - len(means))
    expected = np.linalg.solve(covariance, (predicted - predicted.mean(axis=0)).T)
    np.testing.assert_allclose(decoder.weights[ITEMS], expected, rtol=1e-6)


@pytest.mark.parametrize("make", [axis_decoder, published_rule_feature_decoder])
def test_a_decoder_by_the_space_never_meets_the_items(make):
    viewing, space, _ = screening()
    other = viewing.copy()
    other[other.index.isin(ITEMS)] = 99.0
    pd.testing.assert_frame_equal(
        make(viewing, space, ITEMS).weights, make(other, space, ITEMS).weights
    )


@pytest.mark.parametrize("make", [axis_decoder, published_rule_feature_decoder])
def test_a_decoder_by_the_space_reads_items_that_were_never_seen(make):
    viewing, space, mean = screening(n_images=200)
    never = viewing[~viewing.index.isin(ITEMS)]
    items = cued()
    found = decode_items(imagery(3 * mean.loc[items], items), make(never, space, ITEMS))
    assert found.block.accuracy == 1.0
    assert found.session.accuracy > 0.5


# --- known answers ---------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [PAIRS, SIX, RING])
def test_strong_imagery_is_read_every_time(pairs):
    trials, viewing = planted(8.0, n_units=60, pairs=pairs)
    for found in (
        decode_items(trials, template_decoder(viewing, ITEMS)),
        decode_across_blocks(trials),
    ):
        assert found.block.accuracy == 1.0
        assert (found.block.trials["read"] == found.block.trials["item"]).all()
        assert found.block.p == found.block.smallest_p
        assert found.block.p_accuracy == found.block.smallest_p
        assert found.session.accuracy > 0.9
    assert decode_items(trials, template_decoder(viewing, ITEMS)).units == 60


def test_imagery_that_is_viewing_turned_round_is_read_wrong_every_time():
    trials, viewing = planted(-8.0, n_units=60)
    found = decode_items(trials, template_decoder(viewing, ITEMS)).block
    assert (found.accuracy, found.p) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("pairs", "fixed", "across"),
    [(PAIRS, 1 / 256, 4 / 256), (RING, 1 / 256, 2 / 256), (SIX, 1 / 64, 4 / 64)],
)
def test_the_smallest_p_is_what_the_design_can_give(pairs, fixed, across):
    trials, viewing = planted(0.0, pairs=pairs)
    decoded = decode_items(trials, template_decoder(viewing, ITEMS))
    assert decoded.block.smallest_p == decoded.session.smallest_p == fixed
    assert decode_across_blocks(trials).block.smallest_p == across


def test_trials_without_spikes_are_half_right():
    _, viewing = planted(1.0)
    items = cued()
    trials = imagery(np.zeros((64, 12)), items)
    found = decode_items(trials, template_decoder(viewing, ITEMS))
    assert found.block.accuracy == 0.5
    assert found.block.p == 1.0
    assert found.session.accuracy == 1 / 8
    assert found.units == 0
    assert len(found.silent) == 12


# --- independent implementations -------------------------------------------------------------


def straightened(trials):
    """Residuals of a line in every block."""
    values = trials.during.to_numpy(dtype=float).copy()
    for block in trials.block.unique():
        rows = (trials.block == block).to_numpy()
        line = np.column_stack([np.ones(rows.sum()), np.arange(rows.sum())])
        values[rows] -= line @ np.linalg.lstsq(line, values[rows], rcond=None)[0]
    return values


def one_by_one(trials, labels):
    """Trial by trial: training on the other blocks under these labels, evidence and answer."""
    x, blocks = straightened(trials), trials.block.to_numpy()
    rows = []
    for n, block in enumerate(blocks):
        others = blocks != block
        cells = pd.Series([f"{b} {i}" for b, i in zip(blocks[others], labels[others], strict=True)])
        inside = pd.DataFrame(x[others]).groupby(cells)
        residuals = pd.DataFrame(x[others]) - inside.transform("mean")
        covariance = ledoit_wolf(residuals.to_numpy(), assume_centered=True)[0]
        covariance = covariance * others.sum() / (others.sum() - inside.ngroups)
        means = pd.DataFrame(x[others]).groupby(labels[others]).mean()
        score = pd.Series(np.linalg.solve(covariance, x[n]) @ means.to_numpy().T, means.index)
        score_2 = score[np.unique(labels[blocks == block])]
        rows.append(
            [
                said
                for s in (score_2, score)
                for said in (s.idxmax() == labels[n], s[labels[n]] - s.drop(labels[n]).mean())
            ]
        )
    return np.array(rows, dtype=float).mean(axis=0)


def test_reading_across_blocks_is_training_anew_for_every_block_and_relabelling():
    trials, _ = planted(0.7, n_units=7)
    found = decode_across_blocks(trials)
    labels = trials.item.to_numpy()
    for row, turned in ((0, []), (1, [7]), (2, [6]), (255, range(8))):
        other = labels.copy()
        for block in turned:
            here = (trials.block == block).to_numpy()
            other[here] = np.where(labels[here] == labels[here][0], *labels[here][[1, 0]])
        accuracy, evidence, wide_accuracy, wide_evidence = one_by_one(trials, other)
        np.testing.assert_allclose(found.block.null.iloc[row], [accuracy, evidence])
        np.testing.assert_allclose(found.session.null.iloc[row], [wide_accuracy, wide_evidence])


def test_unequal_numbers_of_trials_and_three_items_in_a_block_are_trained_the_same_way():
    trials, _ = planted(0.7, n_units=7)
    three = ["i2", "i6", "i3"] * 3
    kept = np.r_[0:5, 8:64]
    rng = np.random.default_rng(5)
    items = np.concatenate([trials.item.to_numpy()[kept], three])
    blocks = np.concatenate([trials.block.to_numpy()[kept], [99] * 9])
    values = np.concatenate([trials.during.to_numpy()[kept], rng.normal(size=(9, 7))])
    odd = imagery(values, items, blocks)
    found = decode_across_blocks(odd)
    expected = one_by_one(odd, items)
    assert len(found.block.null) == 2**8 * 6
    np.testing.assert_allclose([found.block.accuracy, found.block.evidence], expected[:2])
    np.testing.assert_allclose([found.session.accuracy, found.session.evidence], expected[2:])


def test_a_trained_decoder_is_read_trial_by_trial_and_only_test_labels_are_exchanged():
    trials, viewing = planted(0.5)
    decoder = template_decoder(viewing, ITEMS)
    found = decode_items(trials, decoder)
    x, labels = straightened(trials), trials.item.to_numpy()
    partner = np.array([
        next(i for i in trials.item[trials.block == b] if i != item)
        for b, item in zip(trials.block, labels, strict=True)
    ])  # fmt: skip
    evidence = ((decoder.weights[labels] - decoder.weights[partner].to_numpy()).T * x).sum(axis=1)
    np.testing.assert_allclose(found.block.trials["evidence"], evidence)
    assert found.block.trials["correct"].tolist() == (evidence > 0).astype(float).tolist()
    by_block = evidence.to_numpy().reshape(8, 8).mean(axis=1)
    null = [np.mean(by_block * signs) for signs in product((1, -1), repeat=8)]
    np.testing.assert_allclose(found.block.null["evidence"], null, atol=1e-12)
    assert found.block.p == np.mean(np.array(null) >= null[0] - 1e-12)
    assert found.block.chance == pytest.approx(0.5)


# --- laws ------------------------------------------------------------------------------------


def decoded(trials, viewing):
    return decode_items(trials, template_decoder(viewing, ITEMS)), decode_across_blocks(trials)


@settings(max_examples=15)
@given(st.integers(0, 255), st.integers(0, 5))
def test_a_session_cued_otherwise_is_one_row_of_the_null(row, seed):
    trials, viewing = planted(0.6, seed=seed)
    labels = trials.item.to_numpy().copy()
    turned = [b for b in range(8) if row >> (7 - b) & 1]
    for block in turned:
        here = (trials.block == block).to_numpy()
        labels[here] = np.where(labels[here] == labels[here][0], *labels[here][[1, 0]])
    other = ImageryTrials(pd.Series(labels), trials.block, trials.before, trials.during)
    for found, again in zip(decoded(trials, viewing), decoded(other, viewing), strict=True):
        for question in ("block", "session"):
            one, two = getattr(found, question), getattr(again, question)
            np.testing.assert_allclose([two.accuracy, two.evidence], one.null.iloc[row], atol=1e-9)
            np.testing.assert_allclose(
                np.sort(two.null["evidence"]), np.sort(one.null["evidence"]), atol=1e-9
            )


@settings(max_examples=10)
@given(st.lists(st.floats(-50, 50), min_size=16, max_size=16))
def test_levels_and_trends_of_blocks_change_no_answer(numbers):
    trials, viewing = planted(0.6)
    levels, slopes = np.repeat(numbers[:8], 8), np.repeat(numbers[8:], 8)
    moved = trials.during.add(levels + slopes * np.tile(np.arange(8), 8), axis=0)
    other = ImageryTrials(trials.item, trials.block, moved, moved)
    for found, again in zip(decoded(trials, viewing), decoded(other, viewing), strict=True):
        assert again.block.p == found.block.p
        assert again.session.accuracy == found.session.accuracy
        np.testing.assert_allclose(
            again.block.trials["evidence"], found.block.trials["evidence"], atol=1e-8
        )


@settings(max_examples=10)
@given(st.permutations(range(8)), st.permutations(range(12)), st.floats(0.01, 100))
def test_order_of_blocks_and_units_and_the_unit_of_rates_do_not_matter(blocks, units, scale):
    trials, viewing = planted(0.6)
    rows = np.concatenate([np.arange(8) + 8 * b for b in blocks])
    rates = scale * trials.during.iloc[rows, units].reset_index(drop=True)
    item, block = (s.iloc[rows].reset_index(drop=True) for s in (trials.item, trials.block))
    other = ImageryTrials(item, block, rates, rates)
    for found, again in zip(
        decoded(trials, viewing), decoded(other, scale * viewing.iloc[:, units]), strict=True
    ):
        assert again.block.accuracy == found.block.accuracy
        assert again.block.p == pytest.approx(found.block.p)
        assert again.session.p == pytest.approx(found.session.p)
        np.testing.assert_allclose(
            again.block.trials["evidence"].sort_values(),
            found.block.trials["evidence"].sort_values(),
            rtol=1e-6,
        )


# --- drift alone -----------------------------------------------------------------------------


SESSIONS = 80


@pytest.mark.parametrize("walk", [0.2, 0.5, 1.0])
def test_drift_alone_gives_the_null_and_betrays_a_naive_decoder(walk):
    """10 units, 8 items, no signal; a walk over blocks, trends and memory within them."""
    naive, found = [], {"viewing": [], "other blocks": []}
    for seed in range(SESSIONS):
        rng = np.random.default_rng([seed, int(10 * walk)])
        items, values = cued(rng=rng), drifting(rng, walk, memory=0.5, trend=1.0)
        trials = imagery(values, items)
        seen = np.repeat(ITEMS, 4)
        viewing = table(patterns(10, rng).loc[seen].to_numpy() + rng.normal(size=(32, 10)), seen)
        viewed, across = decoded(trials, viewing)
        found["viewing"].append(viewed)
        found["other blocks"].append(across)
        if seed < 20:
            folds = StratifiedKFold(8, shuffle=True, random_state=seed)
            naive.append(cross_val_score(SVC(kernel="linear"), values, items, cv=folds).mean())
    for sessions in found.values():
        for question in ("block", "session"):
            readings = [getattr(one, question) for one in sessions]
            for level in (0.01, 0.05, 0.1):
                most = level + 3 * np.sqrt(level * (1 - level) / SESSIONS)
                assert np.mean([r.p <= level for r in readings]) <= most
                assert np.mean([r.p_accuracy <= level for r in readings]) <= most
            # The accuracies are draws from their nulls.
            rng = np.random.default_rng(0)
            by_chance = [rng.choice(r.null["accuracy"]) for r in readings]
            seen = [r.accuracy for r in readings]
            assert scipy.stats.ks_2samp(seen, by_chance).pvalue > 0.01
    if walk >= 0.5:
        assert np.mean(naive) > 1 / 8 + 0.02


def test_chance_among_all_items_is_the_designs_and_not_one_in_eight():
    found = [decode_across_blocks(planted(0.0, seed=s)[0]).session.chance for s in range(10)]
    assert np.mean(found) > 1 / 8 + 0.02


# --- intervals and populations ---------------------------------------------------------------


def test_an_interval_of_even_blocks_is_clopper_pearsons():
    correct = pd.Series([1.0, 0.0, 1.0, 1.0] * 4)
    blocks = pd.Series(np.repeat(range(4), 4))
    expected = scipy.stats.binomtest(12, 16).proportion_ci(method="exact")
    assert accuracy_interval(correct, blocks) == pytest.approx((expected.low, expected.high))


def test_blocks_that_answer_alike_are_fewer_answers():
    correct = pd.Series(np.repeat([1.0, 0.0, 1.0, 1.0], 16))
    low, high = accuracy_interval(correct, pd.Series(np.repeat(range(4), 16)))
    assert high - low > 0.7
    alone = accuracy_interval(correct[:16], pd.Series(np.zeros(16)))
    assert np.isnan(alone).all()


def test_all_right_and_all_wrong_have_one_sided_intervals():
    blocks = pd.Series(np.repeat(range(8), 8))
    low, high = accuracy_interval(pd.Series(np.ones(64)), blocks)
    assert (low, high) == (pytest.approx(0.025 ** (1 / 64)), 1.0)
    low, high = accuracy_interval(pd.Series(np.zeros(64)), blocks)
    assert (low, high) == (0.0, pytest.approx(1 - 0.025 ** (1 / 64)))


def test_several_sessions_find_what_one_cannot():
    sessions = [decoded(*planted(0.1, seed=s))[0] for s in range(10)]
    alone = [one.block.p for one in sessions]
    together = population_decoding(sessions)
    assert together["p"] <= 0.001
    assert np.median(alone) > 0.02
    assert (together["sessions"], together["trials"]) == (10, 640)
    assert together["accuracy"] == pytest.approx(np.mean([s.block.accuracy for s in sessions]))
    assert together["chance"] == pytest.approx(0.5, abs=0.005)
    assert population_decoding(sessions[:1])["p"] == alone[0]
    assert population_decoding(sessions[:1])["smallest_p"] == 1 / 256
    assert together["smallest_p"] == 1 / 5000
    with pytest.raises(AnalysisError, match="^decoding of imagined items: no session$"):
        population_decoding([])


def test_sessions_without_signal_find_nothing_together():
    p = []
    for start in range(0, 60, 3):
        sessions = [decoded(*planted(0.0, seed=start + s))[1] for s in range(3)]
        p.append(population_decoding(sessions, "session", seed=start)["p"])
    assert np.mean(np.array(p) <= 0.1) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 20)


# --- over time -------------------------------------------------------------------------------


def test_windows_slide_half_open():
    spikes = {"u": np.array([9.5, 10.0, 10.25, 10.5])}
    windows = sliding_rates(spikes, [10.0], (-0.5, 0.75), 0.5, 0.25)
    assert list(windows) == [(-0.5, 0.0), (-0.25, 0.25), (0.0, 0.5), (0.25, 0.75)]
    assert [rates.loc[0, "u"] for rates in windows.values()] == [2.0, 2.0, 4.0, 4.0]
    assert len(sliding_rates(spikes, [10.0], (0.0, 1.1), 0.3, 0.1)) == 9


@pytest.mark.parametrize(
    ("span", "width", "said"),
    [
        ((0.0, 0.4), 0.5, "no window of 0.5 s fits between 0 and 0.4 s"),
        ((0.0, 1.0), 0.0, "windows of 0 s every 0.25 s: both must be above 0"),
    ],
)
def test_windows_that_do_not_fit_are_refused(span, width, said):
    with pytest.raises(AnalysisError) as refused:
        sliding_rates({"u": np.array([1.0])}, [0.0], span, width)
    assert str(refused.value) == said


def course_of(signals, seed=0, n_units=12):
    """Windows with so much signal each, and a decoder trained on viewing."""
    sessions = [planted(signal, n_units, seed) for signal in signals]
    windows = {}
    for n, (trials, _) in enumerate(sessions):
        noise = np.random.default_rng([n, seed]).normal(size=trials.during.shape)
        windows[(n / 4, n / 4 + 0.5)] = trials.during + noise
    return sessions[0][0], windows, template_decoder(sessions[0][1], ITEMS)


@pytest.mark.parametrize("trained", [True, False])
def test_every_window_is_decoded_as_the_whole_of_imagery_is(trained):
    trials, windows, decoder = course_of([0.0, 1.0, 0.3])
    course = decode_course(trials, windows, decoder if trained else None)
    null = []
    for window, rates in windows.items():
        alone = ImageryTrials(trials.item, trials.block, rates, rates)
        one = (decode_items(alone, decoder) if trained else decode_across_blocks(alone)).block
        row = course.windows.loc[window]
        said = row[["accuracy", "chance", "chance_low", "chance_high", "p"]]
        expected = [one.accuracy, one.chance, one.chance_low, one.chance_high, one.p]
        assert said.tolist() == pytest.approx(expected)
        evidence = one.null["evidence"]
        null.append((evidence - evidence.mean()) / evidence.std(ddof=0))
        assert row["z"] == pytest.approx(null[-1].iloc[0])
    largest = np.max(null, axis=0)
    familywise = [(largest >= z - 1e-9).mean() for z in course.windows["z"]]
    assert course.windows["p_familywise"].tolist() == pytest.approx(familywise)
    assert course.windows["accuracy"].idxmax() == (0.25, 0.75)
    assert (course.band >= course.windows["chance"]).all()


def test_windows_without_spikes_have_no_p_and_do_not_weigh_on_the_others():
    trials, windows, decoder = course_of([1.0, 0.0])
    silent = {**windows, (9.0, 9.5): windows[(0.0, 0.5)] * 0.0}
    whole, more = (decode_course(trials, w, decoder).windows for w in (windows, silent))
    assert more.loc[(9.0, 9.5), ["z", "p", "p_familywise"]].isna().all()
    assert more["accuracy"].iloc[-1] == 0.5
    pd.testing.assert_frame_equal(more.iloc[:2], whole)
    only = decode_course(trials, {(9.0, 9.5): windows[(0.0, 0.5)] * 0.0})
    assert only.windows["p_familywise"].isna().all()


def test_the_best_of_many_windows_without_signal_is_rarely_significant():
    best = [
        decode_course(*course_of([0.0] * 12, seed=s)).windows["p_familywise"].min()
        for s in range(40)
    ]
    assert np.mean(np.array(best) <= 0.1) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 40)


def test_a_code_that_stays_is_read_in_other_windows_and_one_that_moves_is_not():
    trials, windows, _ = course_of([1.0, 1.0], n_units=80)
    moved = windows[(0.25, 0.75)][windows[(0.25, 0.75)].columns[::-1]]
    windows[(0.5, 1.0)] = moved.set_axis(trials.during.columns, axis=1)
    found = decode_generalisation(trials, windows).windows
    diagonal = decode_course(trials, windows).windows
    for window in windows:
        assert found.loc[(*window, *window), "accuracy"] == diagonal.loc[window, "accuracy"]
        assert found.loc[(*window, *window), "p"] == diagonal.loc[window, "p"]
    assert found.loc[(0.0, 0.5, 0.25, 0.75), "accuracy"] > 0.75
    assert abs(found.loc[(0.0, 0.5, 0.5, 1.0), "accuracy"] - 0.5) < 0.2
    assert len(found) == 9


def test_rates_of_another_number_of_trials_are_refused():
    trials, windows, decoder = course_of([0.0])
    with pytest.raises(AnalysisError) as refused:
        decode_course(trials, {(0.0, 0.5): windows[(0.0, 0.5)][:60]}, decoder)
    assert str(refused.value) == (
        "the window from 0 to 0.5 s has rates of 60 trials, the imagery 64"
    )
    with pytest.raises(AnalysisError, match="^decoding over time needs at least one window$"):
        decode_course(trials, {}, decoder)


# --- what cannot be decoded ------------------------------------------------------------------


def test_more_blocks_than_can_be_listed_are_drawn():
    pairs = [(n % 8 + 1, (n + 1) % 8 + 1) for n in range(13)]
    trials, viewing = planted(8.0, pairs=pairs)
    found = decode_items(trials, template_decoder(viewing, ITEMS)).block
    assert not found.exact
    assert 1 / 5000 <= found.smallest_p <= 4 / 5000  # some draws are the session as it was
    assert found.p == found.smallest_p


def test_a_block_of_one_item_is_not_asked_and_said_so():
    trials, viewing = planted(1.0)
    item = trials.item.where(trials.block != 3, "i7")
    one = ImageryTrials(item, trials.block, trials.before, trials.during)
    for found in decoded(one, viewing):
        assert found.skipped[3] == "only item 'i7': nothing to choose between"
        assert 3 not in found.block.trials["block"].tolist()
        assert len(found.session.trials) == 56 if found.source == "viewing" else True
    # Without block 3 items 4 and 7 live in one block only, and cannot be trained elsewhere.
    across = decode_across_blocks(one)
    assert across.skipped[1] == "'i7' is in no other block"
    assert across.skipped[5] == "'i4' is in no other block"


def test_items_that_the_decoder_does_not_know_are_not_asked():
    trials, viewing = planted(1.0)
    found = decode_items(trials, template_decoder(viewing.drop(index="i1"), ITEMS))
    assert found.skipped.to_dict() == dict.fromkeys((2, 6), "the decoder does not know 'i1'")
    assert len(found.block.trials) == 48
    assert found.block.smallest_p == 1 / 64


def test_units_that_never_vary_take_no_part():
    trials, viewing = planted(1.0)
    expected = decoded(trials, viewing)
    during = trials.during.assign(still=3.0, unseen=np.arange(64.0) % 5, silent=0.0)
    more = ImageryTrials(trials.item, trials.block, during, during)
    seen = viewing.assign(still=viewing["u0"].to_numpy(), unseen=2.0, silent=0.0)
    found = decode_items(more, template_decoder(seen, ITEMS))
    assert found.silent == ("still", "unseen", "silent")
    assert found.units == expected[0].units == 12
    assert decode_across_blocks(more).silent == ("still", "silent")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda v: v.rename(columns={"u0": "u1"}),
            "viewing: more than one unit named 'u1'",
        ),
        (lambda v: v.assign(u3=np.nan), "viewing: missing or infinite values in 'u3'"),
        (lambda v: v[[]], "viewing: decoding needs at least one unit"),
        (lambda v: v * 0.0, "viewing: no unit varies from trial to trial"),
        (
            lambda v: v.groupby(level=0).mean(),
            "viewing: no picture has two trials, which are needed to know the noise",
        ),
        (
            lambda v: v.set_axis([f"p{n % 9}" for n in range(48)]),
            "viewing: none of the items was seen: 'i1', 'i2', 'i3', 'i4', 'i5' and 3 more",
        ),
    ],
)
def test_training_that_tells_nothing_is_refused(change, said):
    _, viewing = planted(1.0)
    with pytest.raises(AnalysisError) as refused:
        template_decoder(change(viewing), ITEMS)
    assert str(refused.value) == said


def test_too_few_pictures_and_items_outside_the_space_are_refused():
    viewing, space, _ = screening()
    few = viewing[viewing.index.isin([*ITEMS, "p1", "p2"])]
    with pytest.raises(AnalysisError) as refused:
        axis_decoder(few, space, ITEMS)
    assert str(refused.value) == (
        "viewing: axes in 5 dimensions need 7 pictures that were not imagined, not 2"
    )
    with pytest.raises(AnalysisError) as refused:
        axis_decoder(viewing, space, pd.Index(["q1", "q2"]))
    assert str(refused.value) == "object space: none of the items lies in it: 'q1', 'q2'"


def test_imagery_that_cannot_be_read_is_refused():
    trials, viewing = planted(1.0)
    decoder = template_decoder(viewing, ITEMS)

    def said(rows, item=None, during=None, known=True):
        chosen = ImageryTrials(
            (trials.item if item is None else item)[rows],
            trials.block[rows],
            trials.before[rows],
            (trials.during if during is None else during)[rows],
        )
        with pytest.raises(AnalysisError) as refused:
            decode_items(chosen, decoder) if known else decode_across_blocks(chosen)
        return str(refused.value)

    everything = trials.block >= 0
    other = trials.during.rename(columns={"u0": "other"})
    assert said(everything, during=other) == (
        "viewing: the decoder and the imagery must have the same units; only one of them has"
        " 'other', 'u0'"
    )
    twice = trials.during.rename(columns={"u0": "u1"})
    assert said(everything, during=twice) == "imagery: more than one unit named 'u1'"
    assert said(everything, during=trials.during.assign(u2=np.inf)) == (
        "imagery: missing or infinite values in 'u2'"
    )
    assert said(trials.block < 2, item=trials.item.where(trials.block < 0, "i1")) == (
        "imagery: none of 2 blocks can be read: block 0: only item 'i1': nothing to choose"
        " between; block 1: only item 'i1': nothing to choose between"
    )
    assert said(trials.block == 0, known=False) == (
        "imagery: training on other blocks needs two blocks of two items, not 1"
    )
    assert said(trials.block < 2, known=False) == (
        "imagery: no block has all its items in another block, on which to train; alone are"
        " 'i2', 'i3', 'i6', 'i7'"
    )
    assert said(everything, during=trials.during * 0.0, known=False) == ("imagery: no unit varies")
    single = trials.block.groupby(trials.block).cumcount() < 2
    assert said(single, known=False) == (
        "imagery: no item has two trials in one block, to know the noise"
    )


def test_a_session_is_decoded_in_all_ways_on_the_units_that_all_have():
    viewing, space, mean = screening(n_images=200)
    rng = np.random.default_rng(3)
    items = cued(rng=rng)
    during = table(mean.loc[items].to_numpy() + rng.normal(size=(64, 9)), items)
    encoding = during + rng.normal(size=during.shape)
    rates = during.reset_index(drop=True).assign(new=rng.normal(size=64))
    trials = ImageryTrials(pd.Series(items), pd.Series(np.repeat(range(8), 8)), rates, rates)
    found = decode_session(trials, viewing, encoding.drop(columns="u8"), space)
    assert list(found.decoded) == [
        "viewing", "object space", "encoding", "imagery of other blocks"
    ]  # fmt: skip
    assert found.not_shared == ("u8", "new")
    assert not found.refused
    for source, one in found.decoded.items():
        assert one.source == source
        assert one.units == 8
        assert one.block.accuracy > 0.8
        assert one.block.p <= 4 / 256


def test_what_cannot_be_decoded_is_listed_and_the_rest_done():
    viewing, space, _ = screening()
    rng = np.random.default_rng(3)
    trials = imagery(rng.normal(size=(64, 9)), cued())
    once = viewing.groupby(level=0).mean()
    found = decode_session(trials, viewing, once, space)
    assert found.refused == {
        "encoding": "encoding: no picture has two trials, which are needed to know the noise"
    }
    assert list(found.decoded) == ["viewing", "object space", "imagery of other blocks"]
    alone = decode_session(trials, None, None, None)
    assert list(alone.decoded) == ["imagery of other blocks"]
    assert alone.not_shared == ()
