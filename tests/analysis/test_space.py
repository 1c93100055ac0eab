import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import zscore
from sklearn.decomposition import PCA

from analysis.space import default_dims, object_space, places_of
from task.contract.errors import AnalysisError


def features(n_images=30, n_features=12, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_images, n_features)) * rng.lognormal(0, 1, n_features) + 3
    order = rng.permutation(n_images)
    return pd.DataFrame(values, index=[f"image{k:03d}" for k in order])


@pytest.mark.parametrize("standardise", [True, False])
def test_coordinates_are_principal_component_scores(standardise):
    table = features()
    space = object_space(table, 4, standardise=standardise)
    pca = PCA(4).fit(zscore(table) if standardise else table)
    scores = pca.transform(zscore(table) if standardise else table)
    np.testing.assert_allclose(np.abs(space.coordinates), np.abs(scores), atol=1e-9)
    np.testing.assert_allclose(space.explained, pca.explained_variance_ratio_)


@pytest.mark.parametrize("standardise", [True, False])
def test_pictures_that_had_no_part_in_a_space_have_a_place_in_it(standardise):
    table = features()
    made, others = table[:20], table[20:]
    scale = made.std(ddof=0) if standardise else 1.0
    pca = PCA(4).fit((made - made.mean()) / scale)
    space = object_space(made, 4, standardise=standardise)
    placed = places_of(others, space, made, standardise=standardise)
    expected = pca.transform((others - made.mean()) / scale)
    np.testing.assert_allclose(np.abs(placed), np.abs(expected), atol=1e-9)
    again = places_of(made, space, made, standardise=standardise)
    np.testing.assert_allclose(again, space.at(made.index), atol=1e-9)


def test_pictures_with_other_features_have_no_place():
    table = features()
    space = object_space(table, 4)
    with pytest.raises(AnalysisError, match="other features than those it is of"):
        places_of(table.iloc[:3, 1:], space, table)


def test_the_largest_loading_of_every_component_is_positive():
    table = features()
    space = object_space(table, 4)
    loadings = zscore(table.to_numpy()).T @ space.coordinates.to_numpy()
    assert (loadings[np.abs(loadings).argmax(axis=0), range(4)] > 0).all()


def test_features_in_other_units_give_the_same_space():
    table = features()
    pd.testing.assert_frame_equal(
        object_space(table, 4).coordinates, object_space(table * 7 + 5, 4).coordinates
    )


@given(st.permutations(range(12)))
def test_pictures_keep_their_place_whatever_the_order_of_rows(order):
    table = features(12, 8)
    whole, shuffled = object_space(table, 3), object_space(table.iloc[order], 3)
    np.testing.assert_allclose(
        shuffled.at(table.index), whole.at(table.index), rtol=1e-7, atol=1e-9
    )


def test_a_feature_that_never_varies_says_nothing():
    table = features()
    with_flat = table.assign(flat=4.0, rounding=1e-6 * table[0])
    np.testing.assert_allclose(
        object_space(with_flat, 4).coordinates, object_space(table, 4).coordinates, atol=1e-9
    )


@pytest.mark.parametrize(("images", "dims"), [(500, 50), (150, 50), (149, 49), (30, 10), (3, 1)])
def test_dims_are_chosen_by_the_number_of_pictures(images, dims):
    assert default_dims(images) == dims


def test_a_space_has_no_more_dimensions_than_the_features():
    assert object_space(features(30, 4)).coordinates.shape == (30, 4)
    assert object_space(features(30, 12)).coordinates.shape == (30, 10)


def test_pictures_are_asked_by_name():
    space = object_space(features(), 3)
    asked = space.at(["image007", "image001", "image007"])
    assert asked.index.tolist() == ["image007", "image001", "image007"]
    assert (asked.iloc[0] == space.coordinates.loc["image007"]).all()


def test_pictures_outside_the_space_are_named():
    space = object_space(features(), 3)
    with pytest.raises(AnalysisError) as refused:
        space.at(["image001", *(f"other{k}" for k in range(7))])
    assert str(refused.value) == (
        "object space: no row for 'other0', 'other1', 'other2', 'other3', 'other4' and 2 more"
    )


def test_faulty_features_are_refused():
    table = features()
    with pytest.raises(AnalysisError, match="features: missing or infinite values in 'x'"):
        object_space(table.assign(x=np.nan))
    with pytest.raises(AnalysisError, match="features: more than one row for 'image000'"):
        object_space(pd.concat([table, table.loc[["image000"]]]))
    with pytest.raises(AnalysisError) as refused:
        object_space(table, 13)
    assert str(refused.value) == (
        "object space: 30 pictures with these features differ in 12 ways, too few for 13 dimensions"
    )
    with pytest.raises(AnalysisError, match="differ in 0 ways, too few for any dimensions"):
        object_space(table * 0)
