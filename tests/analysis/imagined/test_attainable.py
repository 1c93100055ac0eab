import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.imagined.attainable import least_p
from analysis.inference import permutation_p


def test_the_least_p_is_the_share_of_relabellings_as_good_as_the_best():
    null = np.array([[1.0, 5.0], [3.0, 5.0], [3.0, 5.0], [2.0, 5.0]])
    assert least_p(null, exact=True) == 2 / 4
    assert least_p(null, exact=False) == 3 / 5


@given(st.integers(0, 10_000), st.booleans())
def test_no_relabelling_has_a_smaller_p_than_the_least(seed, exact):
    null = np.random.default_rng(seed).integers(0, 5, (12, 3)).astype(float)
    p = [permutation_p(row, null, exact=exact) for row in null]
    assert least_p(null, exact=exact) == pytest.approx(np.min(p))
