"""Words and pictures as pixels."""

from math import atan, degrees
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from task.bitmaps import GROUND, INK, bitmap, px_per_deg, undrawable, words
from task.plan import PictureItem, TextItem


def darkest(image: Image.Image) -> int:
    low, _ = image.getextrema()
    assert isinstance(low, int)
    return low


@given(st.integers(640, 8000), st.floats(10, 300), st.floats(20, 300))
def test_a_degree_is_as_wide_as_the_eye_sees_it(
    width_px: int, width_cm: float, distance_cm: float
) -> None:
    degree_cm = px_per_deg(width_px, width_cm, distance_cm) * width_cm / width_px
    assert degrees(atan(degree_cm / distance_cm)) == pytest.approx(1)


def test_a_picture_is_as_wide_as_asked_and_keeps_its_shape(tmp_path: Path) -> None:
    Image.new("L", (100, 50), 77).save(tmp_path / "dog.png")
    image = bitmap(PictureItem("dog", 6.5), 40.0, {"dog": tmp_path / "dog.png"})
    assert (image.mode, image.size) == ("L", (260, 130))
    assert image.getextrema() == (77, 77)


@pytest.mark.parametrize(
    ("stored", "shown"), [("L", "L"), ("RGB", "RGB"), ("P", "RGB"), ("RGBA", "RGB"), ("1", "RGB")]
)
def test_a_picture_is_grey_or_colour(stored: str, shown: str, tmp_path: Path) -> None:
    Image.new(stored, (10, 10)).save(tmp_path / "dog.png")
    image = bitmap(PictureItem("dog", 1.0), 20.0, {"dog": tmp_path / "dog.png"})
    assert image.mode == shown


@pytest.mark.parametrize("text", ["dog", "+", "Gj|\nsecond line, longer", "¿Qué tan vívido?", "T"])
@pytest.mark.parametrize("turn_deg", [0.0, 90.0, 180.0, 270.0])
def test_words_fill_their_bitmap_and_nothing_is_cut_off(text: str, turn_deg: float) -> None:
    image = words(text, 40.0, turn_deg)
    ink = image.point(lambda level: 255 * (level < GROUND - 20))
    box = ink.getbbox()
    assert box is not None and darkest(image) <= INK + 10
    left, top, right, bottom = box
    slack = 6  # a font's box is a little larger than what it inks
    assert left <= slack and top <= slack
    assert right >= image.width - slack and bottom >= image.height - slack
    # Drawn with room to spare there is not more ink than in the tight bitmap.
    roomy = words(f"\n{text}\n", 40.0, turn_deg).point(lambda level: 255 * (level < GROUND - 20))
    assert sum(roomy.histogram()[128:]) == sum(ink.histogram()[128:])


def test_words_are_turned_clockwise() -> None:
    upright, turned = words("L", 40.0), words("L", 40.0, 90.0)
    assert turned.size == (upright.height, upright.width)
    expected = upright.transpose(Image.Transpose.ROTATE_270)
    assert max(ImageChops.difference(turned, expected).getextrema()) <= 1


def test_lines_of_a_text_are_centred_on_each_other() -> None:
    image = words("WWWWWWWW\nW", 40.0)
    lower = image.crop((0, image.height // 2, image.width, image.height))
    left, _, right, _ = lower.point(lambda level: 255 * (level < 100)).getbbox() or (0, 0, 0, 0)
    assert abs((left + right) / 2 - image.width / 2) < 3


def test_turned_text_stands_on_the_ground_of_the_screen() -> None:
    image = words("L", 40.0, 30.0)
    assert image.getpixel((0, 0)) == GROUND


def test_letters_of_arabic_are_joined_and_run_from_right_to_left() -> None:
    def ink(image: Image.Image) -> int:
        return sum(image.point(lambda level: 255 * (level < 100)).histogram()[128:])

    joined, apart = words("سگ", 60.0), words("س گ", 60.0)
    assert joined.width < apart.width and ink(joined) > 0
    # The first letter read is the one furthest to the right.
    first = words("ا" + "ب" * 6, 60.0)
    right_end = first.crop((first.width - 12, 0, first.width, first.height))
    alef = right_end.point(lambda level: 255 * (level < 100)).getbbox()
    assert alef and alef[3] - alef[1] > first.height / 2


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("dog", ""),
        ("¿Qué? Это собака, köpek", ""),
        ("two\nlines", ""),
        ("سگ", ""),
        ("a 狗 and a 狗", "狗"),
        ("개와 犬", "개와犬"),
    ],
)
def test_characters_without_a_shape_are_told(text: str, missing: str) -> None:
    assert undrawable(text) == missing


def test_text_item_and_picture_item_are_drawn_by_size_in_degrees(tmp_path: Path) -> None:
    assert bitmap(TextItem("Tall", 2.0), 30.0, {}).tobytes() == words("Tall", 60.0).tobytes()


@given(text=st.text(st.sampled_from("ab \n\tçж.+"), max_size=12))
def test_any_text_of_known_characters_can_be_drawn(text: str) -> None:
    image = words(text, 20.0)
    assert image.width >= 1 and image.height >= 1
