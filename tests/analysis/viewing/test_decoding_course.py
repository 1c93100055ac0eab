from functools import partial

import numpy as np
import pandas as pd
import pytest

from analysis.decoding import decode_categories, decoding_course
from analysis.inference import permutation_p
from analysis.viewing.identification import identify
from task.contract.errors import AnalysisError
from tests.analysis.viewing.planted import pictures, rates


@pytest.fixture(scope="module")
def windows():
    """Two windows before anything is told, and two after."""
    space, categories = pictures(60, 4, seed=2)
    models = {-0.1: "nothing", 0.0: "nothing", 0.1: "both", 0.2: "both"}
    tables = {
        start: rates(space, categories, model, 15, mean_hz=10.0, seed=n)
        for n, (start, model) in enumerate(models.items())
    }
    return tables, space, categories


@pytest.mark.parametrize("what", ["categories", "pictures"])
def test_decoding_rises_when_the_units_begin_to_tell(windows, what):
    tables, space, categories = windows
    decode = {
        "categories": partial(decode_categories, categories=categories, n_shuffles=199),
        "pictures": partial(identify, space=space, n_shuffles=99),
    }[what]
    course = decoding_course(tables, decode)
    assert course.index.tolist() == [-0.1, 0.0, 0.1, 0.2]
    assert (course["p_course"] >= course["p"]).all()
    assert (course.loc[[0.1, 0.2], "p_course"] <= 0.01).all()
    assert (course.loc[[-0.1, 0.0], "p_course"] > 0.05).all()
    assert (course.loc[[0.1, 0.2], "accuracy"] > course.loc[[0.1, 0.2], "null_most"]).all()
    assert (course["null_most"] >= course["null_mean"]).all()
    assert (course["untested"] == "").all()


def test_each_window_is_decoded_by_itself_and_corrected_for_all(windows):
    tables, _, categories = windows
    decode = partial(decode_categories, categories=categories, n_shuffles=99, seed=3)
    course = decoding_course(tables, decode)
    alone = [decode(table) for table in tables.values()]
    np.testing.assert_allclose(course["accuracy"], [found.accuracy for found in alone])
    np.testing.assert_allclose(course["low"], [found.low for found in alone])
    np.testing.assert_allclose(course["p"], [found.p for found in alone])
    most = np.max([found.null for found in alone], axis=0)
    expected = permutation_p(course["accuracy"], most[:, None], exact=False)
    np.testing.assert_allclose(course["p_course"], expected)


def test_one_window_needs_no_correction(windows):
    tables, _, categories = windows
    decode = partial(decode_categories, categories=categories, n_shuffles=99)
    course = decoding_course({0.1: tables[0.1]}, decode)
    assert course["p"].tolist() == course["p_course"].tolist()


def test_a_window_without_spikes_is_skipped_and_said(windows):
    tables, _, categories = windows
    decode = partial(decode_categories, categories=categories, n_shuffles=19)
    silent = {**tables, 0.05: tables[0.0] * 0}
    course = decoding_course(silent, decode)
    assert course.index.tolist() == [-0.1, 0.0, 0.1, 0.2, 0.05]
    assert course.loc[0.05, "untested"] == "decoding needs at least two units that vary"
    assert np.isnan(course.loc[0.05, "accuracy"])
    pd.testing.assert_frame_equal(course.drop(0.05), decoding_course(tables, decode))


def test_the_course_is_seldom_significant_anywhere_without_a_signal():
    found = []
    for seed in range(60):
        space, categories = pictures(50, 3, seed=seed)
        tables = {
            start: rates(space, categories, "nothing", 6, seed=10 * seed + start)
            for start in range(3)
        }
        decode = partial(decode_categories, categories=categories, n_shuffles=39, seed=seed)
        found.append(decoding_course(tables, decode)["p_course"].min())
    assert np.mean(np.array(found) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 60)


def test_a_course_without_windows_or_of_other_pictures_is_refused(windows):
    tables, _, categories = windows
    decode = partial(decode_categories, categories=categories, n_shuffles=9)
    needed = "the course of decoding needs windows of the same pictures; "
    with pytest.raises(AnalysisError) as refused:
        decoding_course({}, decode)
    assert str(refused.value) == needed + "there is none"
    with pytest.raises(AnalysisError) as refused:
        decoding_course({0.0: tables[0.0], 0.1: tables[0.1].iloc[1:]}, decode)
    assert str(refused.value) == needed + "these differ"
    with pytest.raises(AnalysisError) as refused:
        decoding_course({0.0: tables[0.0] * 0}, decode)
    assert str(refused.value) == (
        "no window can be decoded: decoding needs at least two units that vary"
    )
