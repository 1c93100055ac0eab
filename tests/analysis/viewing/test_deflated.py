import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.viewing import deflated
from analysis.viewing.deflated import leading_components


def covariance(n_dims, seed=0):
    x = np.random.default_rng(seed).normal(size=(5 * n_dims, n_dims)) * np.linspace(1, 3, n_dims)
    return x.T @ x


def removed(matrix, weights):
    along = matrix @ weights
    return along / np.sqrt((weights * along).sum(axis=0))


def assert_leads(matrix, r, found):
    for n in range(r.shape[1]):
        values, vectors = np.linalg.eigh(matrix - np.outer(r[:, n], r[:, n]))
        assert found[:, n] @ found[:, n] == pytest.approx(1)
        if values[-1] - values[-2] > 1e-6 * values[-1]:
            assert abs(found[:, n] @ vectors[:, -1]) == pytest.approx(1, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(0, 100))
def test_components_are_those_of_decomposing_each_matrix(n_dims, seed):
    matrix = covariance(n_dims, seed)
    r = removed(matrix, np.random.default_rng(seed).normal(size=(n_dims, 6)))
    assert_leads(matrix, r, leading_components(matrix, r))


def test_hardly_any_matrix_is_decomposed(monkeypatch):
    matrix = covariance(50)
    r = removed(matrix, np.random.default_rng(1).normal(size=(50, 200)))
    calls = []
    eigh = np.linalg.eigh
    monkeypatch.setattr(deflated.np.linalg, "eigh", lambda m: calls.append(0) or eigh(m))
    leading_components(matrix, r)
    assert len(calls) == 1


def test_a_direction_along_or_apart_from_the_main_ones_is_no_trouble():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    matrix = np.diag(values)
    r = removed(matrix, np.array([[0, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [1, 1, 0, 1e-9]]).T)
    found = leading_components(matrix, r)
    np.testing.assert_allclose(np.abs(found[:, :3]), np.eye(4)[:, [2, 3, 3]], atol=1e-12)
    assert_leads(matrix, r, found)


def test_a_space_alike_in_all_directions_gives_one_across():
    r = removed(np.eye(5), np.random.default_rng(2).normal(size=(5, 3)))
    found = leading_components(np.eye(5), r)
    np.testing.assert_allclose((found * r).sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), 1)
