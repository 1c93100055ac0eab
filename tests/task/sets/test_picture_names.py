"""Names, ids and groups read off files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.catalog import ID_FORM
from task.sets.naming import groups_of, ids_of, name_of, plain


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("animals/grey_cat-02.jpg", "grey cat"),
        ("images/aardvark/aardvark_01b.jpg", "aardvark"),
        ("dog.png", "dog"),
        ("dog12.png", "dog"),
        ("red car (3).png", "red car"),
        ("Eiffel Tower.tif", "Eiffel Tower"),
        ("a/árbol_1.png", "árbol"),
        ("a\u0301rbol.png", "árbol"),
        ("собака.png", "собака"),
        ("7up.png", "7up"),
        ("t-shirt.png", "t shirt"),
        ("0001.tif", ""),
        ("12b.tif", ""),
        ("IMG_1234.jpg", ""),
        ("DSC00017.JPG", ""),
        ("Screenshot 2024-01-02.png", ""),
    ],
)
def test_names_are_what_the_file_calls_the_picture_without_numbers(file: str, name: str) -> None:
    assert name_of(file) == name


def test_numbers_of_a_study_stay_ids() -> None:
    assert ids_of(["0001.tif", "0500.tif"], ["a", "a"], ["", ""]) == ["0001", "0500"]


def test_ids_are_plain() -> None:
    files = ["Grey Cat-02.jpg", "Ärger & Co.png", "straße.png", "собака.png", "con.png"]
    assert ids_of(files, ["g"] * 5, [""] * 5) == [
        "grey_cat_02", "arger_co", "strasse", "picture", "con_1",
    ]  # fmt: skip


def test_files_of_one_name_are_told_apart_by_group_and_then_by_number() -> None:
    files = ["a/cat.png", "b/cat.png", "b/CAT.jpg", "b/dog.png"]
    groups = ["Big", "small", "small", "small"]
    assert ids_of(files, groups, [""] * 4) == ["big_cat", "small_cat", "small_cat_2", "dog"]


def test_ids_that_are_given_stay_and_nobody_else_gets_them() -> None:
    assert ids_of(["x.png", "cat.png"], ["g", "g"], ["Cat", ""]) == ["Cat", "g_cat"]


@given(st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(max_size=4)), max_size=12))
def test_ids_are_always_plain_and_unique_whatever_the_case(files: list[tuple[str, str]]) -> None:
    names = [f"{stem.replace('/', '_')}.png" for stem, _ in files]
    ids = ids_of(names, [group for _, group in files], [""] * len(files))
    assert all(ID_FORM.fullmatch(id_) for id_ in ids)
    assert len({id_.lower() for id_ in ids}) == len(files)


@pytest.mark.parametrize(
    ("files", "groups"),
    [
        (["cats/a.png", "dogs/b.png"], ["cats", "dogs"]),
        (["set/images/cats/a.png", "set/images/dogs/b.png"], ["cats", "dogs"]),
        (
            ["animals/cats/a.png", "animals/dogs/b.png", "food/c.png"],
            ["animals", "animals", "food"],
        ),
        (["a.png", "b.png"], ["photos", "photos"]),
        (["images/a.png", "images/b.png"], ["images", "images"]),
        (["cats/a.png", "b.png"], ["cats", "photos"]),
    ],
)
def test_groups_are_the_folders_below_the_one_that_all_share(
    files: list[str], groups: list[str]
) -> None:
    assert groups_of(files, "photos") == groups


@given(st.text())
def test_what_is_plain_stays_as_it_is(text: str) -> None:
    assert plain(plain(text)) == plain(text)
