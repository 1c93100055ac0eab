import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

import analysis.viewing.shuffled_axes as engine
from analysis.viewing.shuffled_axes import (
    axis_correlations,
    count_as_good,
    shuffled_orders,
)


def naive(x, y, orders):
    """Correlations observed and shuffled, one unit and one order at a time: fit, project."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)

    def one(coordinates, rate):
        projected = coordinates @ (rate @ coordinates)
        return projected @ rate / np.sqrt((projected @ projected) * (rate @ rate))

    observed = np.array([one(x, rate) for rate in y.T])
    null = np.array([[one(x[order], rate) for rate in y.T] for order in orders])
    return observed, null


def naive_counts(x, y, orders):
    observed, null = naive(x, y, orders)
    return (null >= observed * (1 - 1e-10)).sum(axis=0)


def components(n_images, n_dims, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_images, n_dims))
    return np.linalg.svd(features - features.mean(axis=0), full_matrices=False)[0]


def oblique(n_images, n_dims, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(1, 1, (n_images, n_dims)) @ rng.normal(size=(n_dims, n_dims))


def spikes(x, n_units, gain=0.4, seed=1):
    """Counts of units with axes from none to a strong one."""
    rng = np.random.default_rng(seed)
    drive = (x / x.std(axis=0)) @ rng.normal(size=(x.shape[1], n_units)) / np.sqrt(x.shape[1])
    return rng.poisson(np.exp(1 + drive * gain * rng.random(n_units))).astype(float)


@pytest.mark.parametrize("space", [components, oblique])
@pytest.mark.parametrize(("n_images", "n_dims"), [(500, 50), (60, 7), (30, 1)])
def test_counts_are_those_of_fitting_projecting_and_correlating(space, n_images, n_dims):
    x = space(n_images, n_dims)
    y, orders = spikes(x, 60), shuffled_orders(n_images, 60, 3)
    np.testing.assert_allclose(axis_correlations(x, y), naive(x, y, orders[:0])[0], atol=1e-12)
    np.testing.assert_array_equal(count_as_good(x, y, orders), naive_counts(x, y, orders))


def test_p_of_hundreds_of_units_is_that_of_double_precision():
    x = components(200, 20)
    y, orders = spikes(x, 300), shuffled_orders(200, 200, 4)
    np.testing.assert_array_equal(count_as_good(x, y, orders), naive_counts(x, y, orders))


def test_ties_count():
    x = components(12, 3)
    y = np.zeros((12, 1))
    y[4] = 1.0  # many orders put the same picture where it was
    orders = shuffled_orders(12, 300, 0)
    alike = orders[:, 4] == 4
    assert alike.sum() > 10
    found = count_as_good(x, y, orders)
    assert found[0] == naive_counts(x, y, orders)[0] >= alike.sum()


def test_the_observed_order_always_counts():
    x = oblique(40, 5)
    y = spikes(x, 30)
    assert (count_as_good(x, y, np.arange(40)[None]) == 1).all()


@pytest.mark.parametrize("space", [components, oblique])
def test_what_single_precision_cannot_tell_is_decided_in_double(space, monkeypatch):
    x = space(50, 5)
    y = spikes(x, 20)
    orders = np.concatenate([np.tile(np.arange(50), (30, 1)), shuffled_orders(50, 30, 0)])
    asked = []
    decide = engine._as_good

    def watched(work, block, order, unit):
        asked.append(len(order))
        return decide(work, block, order, unit)

    monkeypatch.setattr(engine, "_as_good", watched)
    counts = count_as_good(x, y, orders)
    assert 30 * 20 <= sum(asked) < 40 * 20
    np.testing.assert_array_equal(counts, naive_counts(x, y, orders))


def test_the_bound_on_rounding_holds_with_room():
    x, y = components(500, 50), spikes(components(500, 50), 200)
    work = engine._prepared(x - x.mean(axis=0), y - y.mean(axis=0))
    single = np.linalg.norm(work.turned @ work.rates[0], axis=0)
    double = np.linalg.norm(work.x @ work.y.T, axis=0)
    assert np.abs(single - double).max() < work.length_error / 100


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 3), st.integers(1, 700), st.integers(0, 5))
def test_neither_threads_nor_units_beside_change_a_count(threads, n_beside, seed):
    x = oblique(30, 3, seed)
    y, orders = spikes(x, 4, seed=seed), shuffled_orders(30, 40, seed)
    alone = count_as_good(x, y, orders, threads=1)
    beside = np.random.default_rng(seed).normal(size=(30, n_beside))
    among = count_as_good(x, np.hstack([beside, y]), orders, threads=threads)
    np.testing.assert_array_equal(among[n_beside:], alone)


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(-100, 100), st.integers(0, 20))
def test_scale_and_offset_of_rates_do_not_matter(scale, offset, seed):
    x = oblique(25, 3, seed)
    y, orders = spikes(x, 5, seed=seed) + np.arange(25)[:, None] / 7, shuffled_orders(25, 50, seed)
    np.testing.assert_array_equal(
        count_as_good(x, y * scale + offset * scale, orders), count_as_good(x, y, orders)
    )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 50))
def test_turning_the_space_changes_nothing(seed):
    x = oblique(40, 4, seed)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))[0]
    y, orders = spikes(x, 5, seed=seed), shuffled_orders(40, 50, seed)
    np.testing.assert_array_equal(count_as_good(x @ turn, y, orders), count_as_good(x, y, orders))


def test_dimensions_that_repeat_others_are_no_harm():
    x = oblique(40, 3)
    x = np.column_stack([x, x[:, 0] + x[:, 1]])
    y, orders = spikes(x, 20), shuffled_orders(40, 100, 0)
    np.testing.assert_array_equal(count_as_good(x, y, orders), naive_counts(x, y, orders))


def test_progress_reaches_the_number_of_shuffles():
    x = components(60, 30)
    said = []
    count_as_good(x, spikes(x, 3), shuffled_orders(60, 100, 0), progress=lambda *n: said.append(n))
    assert len(said) > 2
    assert said == sorted(said)
    assert said[-1] == (100, 100)


def test_an_interruption_ends_it_and_frees_the_matrix_library():
    x = components(60, 30)
    before = [library["num_threads"] for library in threadpool_info()]
    blocks = []

    def interrupt(done, total):
        blocks.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        count_as_good(x, spikes(x, 3), shuffled_orders(60, 5000, 0), progress=interrupt)
    assert len(blocks) == 1
    assert not [t for t in threading.enumerate() if "ThreadPool" in t.name]
    assert [library["num_threads"] for library in threadpool_info()] == before


def test_shuffles_are_permutations_and_the_same_for_the_same_seed():
    orders = shuffled_orders(20, 50, 7)
    assert (np.sort(orders, axis=1) == np.arange(20)).all()
    np.testing.assert_array_equal(orders, shuffled_orders(20, 50, 7))
    assert (orders != shuffled_orders(20, 50, 8)).any()
