import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeCV
from sklearn.metrics import pairwise_distances

from analysis.viewing.coordinates import PENALTIES, CoordinateDecoder, decode_coordinates
from analysis.viewing.identification import identification_curve, identify
from task.contract.errors import AnalysisError
from tests.analysis.viewing.planted import pictures, rates


@pytest.fixture(scope="module")
def viewed():
    space, categories = pictures(60, 5, seed=2)
    return rates(space, categories, "axis", 12, mean_hz=8.0), space


# Decoding coordinates -----------------------------------------------------------------------------


def naive_coordinates(table, space):
    """A regression for every picture, its penalty found among the others."""
    z = ((table - table.mean()) / table.std(ddof=0)).to_numpy()
    x = space.loc[table.index].to_numpy()
    grid = PENALTIES * (np.linalg.svd(z, compute_uv=False) ** 2).mean()
    decoded = np.empty_like(x)
    for out in range(len(x)):
        rest = np.arange(len(x)) != out
        model = RidgeCV(grid, scoring="neg_mean_squared_error").fit(z[rest], x[rest])
        slope_part = model.predict(z[[out]])[0] - x[rest].mean(axis=0)
        decoded[out] = x.mean(axis=0) + slope_part
    return decoded


@pytest.mark.parametrize("n_units", [4, 12, 90])
def test_coordinates_are_those_of_a_regression_for_every_picture(n_units):
    space, categories = pictures(40, 4, seed=5)
    table = rates(space, categories, "axis", n_units, mean_hz=4.0)
    found = decode_coordinates(table, space)
    np.testing.assert_allclose(found, naive_coordinates(table, space), rtol=1e-6, atol=1e-9)
    assert (found.index == table.index).all()


def test_where_a_picture_lies_has_no_say_in_what_is_decoded_of_it(viewed):
    table, space = viewed
    image = table.index[7]
    moved = space.copy()
    moved.loc[image] += 100.0
    shift = 100.0 / len(space)  # of the mean of all, the same for every picture
    before, after = decode_coordinates(table, space), decode_coordinates(table, moved)
    np.testing.assert_allclose(after.loc[image] - shift, before.loc[image])
    assert not np.allclose(after.drop(image), before.drop(image))


def test_a_decoder_that_knows_nothing_is_at_chance_and_would_not_be_with_the_mean_of_others():
    rng = np.random.default_rng(0)
    with_all, with_others = [], []
    for _ in range(20):
        x = rng.normal(size=(40, 3))
        x -= x.mean(axis=0)
        decoded = CoordinateDecoder(rng.normal(size=(40, 5))).leave_one_out(x[None])[0]
        others = decoded - x / (len(x) - 1)
        for found, read in ((with_all, decoded), (with_others, others)):
            curve = identification_curve(pd.DataFrame(read), pd.DataFrame(x))
            found.append(curve.loc[1, "accuracy"])
    assert np.mean(with_all) == pytest.approx(0.5, abs=0.03)
    assert np.mean(with_others) < 0.42


# Identification -----------------------------------------------------------------------------------


@pytest.mark.parametrize("measure", ["cosine", "euclid"])
def test_a_perfect_decoder_is_always_right(viewed, measure):
    _, space = viewed
    curve = identification_curve(space, space, measure=measure)
    assert (curve["accuracy"] == 1).all()
    assert (curve["low"] == 1).all()
    assert curve.index.tolist() == list(range(1, 50))


def test_one_point_decoded_for_all_pictures_is_right_by_chance(viewed):
    _, space = viewed
    constant = space * 0 + [3.0, -1.0, 0.2, 0.0, 5.0]
    for measure in ("cosine", "euclid"):
        curve = identification_curve(constant, space, measure=measure)
        np.testing.assert_allclose(curve["accuracy"], curve["chance"])


def test_the_mean_picture_decoded_for_all_is_right_by_lot(viewed):
    _, space = viewed
    curve = identification_curve(space * 0 + space.mean(), space, measure="cosine")
    np.testing.assert_allclose(curve["accuracy"], 1 / (1 + np.arange(1, 50)))


@pytest.mark.parametrize("measure", ["cosine", "euclid"])
def test_accuracies_are_those_of_drawing_distractors(viewed, measure):
    table, space = viewed
    decoded = decode_coordinates(table, space)
    found = identification_curve(decoded, space, measure=measure)
    middle = space.mean()
    apart = pairwise_distances(
        decoded - middle,
        space.loc[decoded.index] - middle,
        metric={"euclid": "euclidean"}.get(measure, measure),
    )
    rng = np.random.default_rng(0)
    for n_distractors in (1, 6, 49):
        right = []
        for image in range(len(space)):
            others = np.delete(apart[image], image)
            drawn = rng.permuted(np.tile(others, (300, 1)), axis=1)[:, :n_distractors]
            right.append((apart[image, image] < drawn.min(axis=1)).mean())
        assert found.loc[n_distractors, "accuracy"] == pytest.approx(np.mean(right), abs=0.01)


def test_accuracies_are_counted_from_ranks():
    """With k of the others closer, N distractors miss them all in C(n-1-k, N) of C(n-1, N) ways."""
    space = pd.DataFrame({"PC1": [0.0, 1.0, 3.0, 7.0, 20.0]}, list("abcde"))
    decoded = pd.DataFrame({"PC1": [2.9, 1.0, 3.0, 7.0, 20.0]}, list("abcde"))
    curve = identification_curve(decoded, space, measure="euclid")
    assert curve.index.tolist() == [1, 2, 3, 4]
    for n in curve.index:
        first = math.comb(4 - 2, n) / math.comb(4, n)
        assert curve.loc[n, "accuracy"] == pytest.approx((first + 4) / 5)


def test_pictures_in_one_place_are_told_apart_by_lot():
    space = pd.DataFrame({"PC1": [0.0, 0.0, 0.0, 7.0]}, list("abcd"))
    curve = identification_curve(space, space, measure="euclid")
    # Each of the three lies as close as two others: with one distractor (0.5 + 0.5 + 1) / 3.
    assert curve.loc[1, "accuracy"] == pytest.approx((3 * (2 / 3) + 1) / 4)
    assert curve.loc[3, "accuracy"] == pytest.approx((3 * (1 / 3) + 1) / 4)


def test_a_population_with_axes_tells_pictures_apart(viewed):
    found = identify(*viewed, n_shuffles=99)
    assert found.accuracy > 0.9
    assert found.p == found.smallest_p == 0.01
    assert (found.curve["accuracy"] > found.curve["null_high"]).all()
    assert (found.curve["low"] < found.curve["accuracy"]).all()
    assert found.accuracy == found.curve.loc[1, "accuracy"]
    assert found.pictures["accuracy"].mean() == pytest.approx(found.accuracy)
    n = len(viewed[0])
    np.testing.assert_allclose(found.pictures["accuracy"], 1 - found.pictures["closer"] / (n - 1))
    pd.testing.assert_frame_equal(found.decoded, decode_coordinates(*viewed))


def test_shuffles_lie_around_chance(viewed):
    found = identify(*viewed, n_shuffles=199).curve
    np.testing.assert_allclose(found["null_mean"], found["chance"], rtol=0.15)
    assert (found["null_low"] <= found["chance"]).all()


@pytest.mark.parametrize("measure", ["cosine", "euclid"])
def test_p_is_no_smaller_than_it_may_be_where_there_is_nothing_to_decode(measure):
    p = []
    for seed in range(100):
        space, categories = pictures(30, 3, seed=seed)
        table = rates(space, categories, "nothing", 6, seed=seed)
        p.append(identify(table, space, measure=measure, n_shuffles=19, seed=seed).p)
    for level in (0.05, 0.1, 0.5):
        most = level + 3 * np.sqrt(level * (1 - level) / len(p))
        assert np.mean(np.array(p) <= level) <= most
    assert np.mean(np.array(p) <= 0.5) > 0.3


@settings(max_examples=10)
@given(st.permutations(range(60)), st.permutations(range(12)), st.floats(0.01, 100))
def test_order_and_scale_do_not_matter(viewed, images, units, scale):
    table, space = viewed
    expected = identify(table, space, n_shuffles=9)
    found = identify(table.iloc[images, units] * scale, space * scale, n_shuffles=9)
    pd.testing.assert_frame_equal(found.curve, expected.curve)
    np.testing.assert_allclose(found.null, expected.null)
    assert (found.pictures.index == table.index[images]).all()


def test_units_that_do_not_vary_take_no_part(viewed):
    table, space = viewed
    found = identify(table.assign(silent=0.0), space, n_shuffles=9)
    assert found.units == 12
    assert found.untested == {"silent": "the same rate for every picture"}
    pd.testing.assert_frame_equal(found.curve, identify(table, space, n_shuffles=9).curve)


def test_what_cannot_be_decoded_is_refused(viewed):
    table, space = viewed
    with pytest.raises(AnalysisError, match="^decoding needs at least one unit that varies$"):
        identify(table * 0, space)
    with pytest.raises(AnalysisError, match=f"^object space: no row for '{table.index[0]}'$"):
        identify(table, space.drop(table.index[0]))
    with pytest.raises(AnalysisError, match="^object space: no row for 'nowhere'$"):
        identification_curve(space.rename({space.index[0]: "nowhere"}), space)


def test_pictures_are_told_from_the_rates_of_real_neurons(shared_data):
    from analysis.space import object_space

    folder = shared_data("object_sessions_v4")
    stored = np.load(folder / "features_210325.npz")
    ids = pd.Index(stored["image_file"].astype(str), name="image")
    table = pd.DataFrame(np.load(folder / "responses_210325.npy").T, ids)
    space = object_space(pd.DataFrame(stored["features"], ids), 50)
    cosine, euclid = (
        identify(table, space, measure=m, n_shuffles=19) for m in ("cosine", "euclid")
    )
    assert cosine.curve.loc[[1, 9, 49], "accuracy"].tolist() == pytest.approx(
        [0.905, 0.608, 0.335], abs=0.01
    )
    # A regression draws what it decodes towards the mean picture, where distances mislead.
    assert (cosine.curve["accuracy"] > euclid.curve["accuracy"]).all()
