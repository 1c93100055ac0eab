"""Lines that fit: in any script no wider than they are taken for, and no word lost."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.bitmaps import words
from task.places import RECIPE
from task.sets.recipe import read_recipe
from task.wrapping import width_em, wrapped

PX = 60
LATIN = st.text("abcdefghijklmnopqrstuvwxyz ABCDWM,.?", min_size=1, max_size=80)


def drawn_em(text: str) -> float:
    return words(text, PX).width / PX


@pytest.fixture(scope="module")
def names() -> list[str]:
    """Every name of the set that ships, in all its languages."""
    entries = read_recipe(RECIPE).entries
    return sorted({name for entry in entries for name in entry.names.values() if name})


def test_no_name_that_ships_is_drawn_wider_than_it_is_taken_for(names: list[str]) -> None:
    assert len(names) > 3000
    assert [name for name in names[::3] if drawn_em(name) > width_em(name) + 0.02] == []


def test_names_are_not_taken_for_much_wider_than_they_are(names: list[str]) -> None:
    latin = [name for name in names[::7] if name.isascii() and len(name) > 5]
    ratios = sorted(width_em(name) / drawn_em(name) for name in latin)
    assert ratios[len(ratios) // 2] < 1.2 and ratios[-1] < 1.6


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789?!-%@&", min_size=1))
def test_no_latin_text_is_drawn_wider_than_it_is_taken_for(text: str) -> None:
    assert drawn_em(text) <= width_em(text) + 0.05


@pytest.mark.parametrize(
    ("text", "most_em", "lines"),
    [
        pytest.param("one two", 20, ["one two"], id="short"),
        pytest.param("a  b", 20, ["a  b"], id="spaces stay"),
        pytest.param("", 20, [""], id="nothing"),
        pytest.param("one\n\ntwo", 20, ["one", "", "two"], id="its own lines stay"),
        pytest.param("aaaa bbbb cccc", 6.5, ["aaaa bbbb", "cccc"], id="too long"),
        pytest.param("aaaa bbbb cccc dddd", 9, ["aaaa bbbb", "cccc dddd"], id="evenly"),
        pytest.param("a bbbbbbbbbbbbbbbbbbbb c", 6, ["a", "b" * 20, "c"], id="one wide word"),
        pytest.param("b" * 20, 6, ["b" * 20], id="nothing but a wide word"),
        pytest.param("戴着太阳镜的笑脸和帽子", 6, ["戴着太阳镜的", "笑脸和帽子"], id="Chinese"),
        pytest.param("これは何ですか。はい", 8, ["これは何で", "すか。はい"], id="Japanese"),
        pytest.param(
            "これは何ですか。", 7, ["これは何", "ですか。"], id="no line begins with a dot"
        ),
        pytest.param("눈을 가리고 훔쳐보는", 6, ["눈을 가리고", "훔쳐보는"], id="Korean"),
    ],
)
def test_long_lines_are_broken_where_words_end_and_evenly(
    text: str, most_em: float, lines: list[str]
) -> None:
    assert wrapped(text, most_em).split("\n") == lines


@given(text=LATIN, most_em=st.floats(2, 40))
def test_breaking_loses_no_word_and_no_line_is_wider_unless_it_is_one_word(
    text: str, most_em: float
) -> None:
    lines = wrapped(text, most_em).split("\n")
    assert " ".join(lines).split() == text.split()
    assert all(width_em(line) <= most_em or " " not in line for line in lines)


@given(text=LATIN, most_em=st.floats(2, 40))
def test_lines_that_fit_stay_as_they_are(text: str, most_em: float) -> None:
    lines = wrapped(text, most_em)
    assert wrapped(lines, most_em) == lines
    if width_em(text) <= most_em:
        assert lines == text


@given(parts=st.lists(st.text("abcd", min_size=1, max_size=6), min_size=2, max_size=9))
def test_no_other_breaks_make_the_widest_line_narrower(parts: list[str]) -> None:
    lines = wrapped(" ".join(parts), max(map(width_em, parts)) + 4).split("\n")
    every = combinations(range(1, len(parts)), len(lines) - 1)
    best = min(
        max(width_em(" ".join(parts[a:b])) for a, b in pairwise((0, *cuts, len(parts))))
        for cuts in every
    )
    assert max(map(width_em, lines)) == pytest.approx(best)
