"""Words and pictures as pixels."""

from math import atan, degrees
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops

from task.bitmaps import DARK, LIGHT, THEMES, Theme, bitmap, extent, words
from task.contract.errors import StimulusError
from task.plan import PictureItem, TextItem
from task.room import px_per_deg

GROUND, INK = LIGHT.ground, LIGHT.ink


def darkest(image: Image.Image) -> int:
    low, _ = image.getextrema()
    assert isinstance(low, int)
    return low


def ink_box(image: Image.Image) -> tuple[int, int, int, int]:
    box = image.point(lambda level: 255 * (level < GROUND)).getbbox()
    assert box
    return box


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
    ("stored", "shown"),
    [("L", "L"), ("RGB", "RGB"), ("P", "RGB"), ("RGBA", "RGB"), ("1", "L"), ("LA", "L")],
)
def test_a_picture_is_grey_or_colour(stored: str, shown: str, tmp_path: Path) -> None:
    Image.new(stored, (10, 10)).save(tmp_path / "dog.png")
    files = {"dog": tmp_path / "dog.png"}
    image = bitmap(PictureItem("dog", 1.0), 20.0, files)
    assert image.mode == shown
    assert extent(PictureItem("dog", 1.0), 20.0, files) == (*image.size, shown == "L")


def test_a_picture_of_sixteen_bits_keeps_its_greys(tmp_path: Path) -> None:
    Image.new("I;16", (10, 10), 100 * 256).save(tmp_path / "dog.png")
    image = bitmap(PictureItem("dog", 1.0), 10.0, {"dog": tmp_path / "dog.png"})
    assert (image.mode, image.getextrema()) == ("L", (100, 100))


def test_a_picture_of_the_right_size_is_not_touched(tmp_path: Path) -> None:
    noise = Image.effect_noise((37, 21), 80)
    noise.save(tmp_path / "dog.png")
    image = bitmap(PictureItem("dog", 3.7), 10.0, {"dog": tmp_path / "dog.png"})
    assert image.tobytes() == noise.tobytes()


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("mode", ["LA", "RGBA", "P"])
def test_where_a_picture_is_transparent_the_ground_shows(
    mode: str, theme: Theme, tmp_path: Path
) -> None:
    image = Image.new("RGBA", (30, 10), (200, 200, 200, 255))
    image.paste((0, 0, 0, 0), (0, 0, 10, 10))
    if mode == "P":
        image.quantize().save(tmp_path / "dog.png")
    else:
        image.paste((200, 200, 200, 128), (10, 0, 20, 10))
        image.convert(mode).save(tmp_path / "dog.png")
    shown = bitmap(PictureItem("dog", 3.0), 10.0, {"dog": tmp_path / "dog.png"}, theme)
    grey = shown.convert("L")
    assert (grey.getpixel((5, 5)), grey.getpixel((25, 5))) == (theme.ground, 200)
    if mode != "P":
        half = grey.crop((15, 5, 16, 6)).tobytes()[0]
        assert abs(half - (theme.ground + 200) / 2) <= 1


def test_pictures_stand_on_a_dark_ground_as_they_are(tmp_path: Path) -> None:
    Image.linear_gradient("L").save(tmp_path / "dog.png")
    files = {"dog": tmp_path / "dog.png"}
    item = PictureItem("dog", 5.0)
    assert bitmap(item, 20.0, files, DARK).tobytes() == bitmap(item, 20.0, files).tobytes()


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    Image.effect_noise((90, 90), 80).save(tmp_path / "dog.png")
    whole = (tmp_path / "dog.png").read_bytes()
    (tmp_path / "dog.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StimulusError, match="dog.png: is damaged: "):
        bitmap(PictureItem("dog", 1.0), 20.0, {"dog": tmp_path / "dog.png"})
    with pytest.raises(StimulusError, match="owl.png: cannot be read as a picture: "):
        bitmap(PictureItem("owl", 1.0), 20.0, {"owl": tmp_path / "owl.png"})


@pytest.mark.parametrize("text", ["dog", "+", "Gj|\nsecond line, longer", "¿Qué tan vívido?", "T"])
@pytest.mark.parametrize("turn_deg", [0.0, 90.0, 180.0, 270.0])
def test_words_are_as_wide_as_their_ink_and_nothing_is_cut_off(text: str, turn_deg: float) -> None:
    image = words(text, 40.0, turn_deg)
    ink = image.point(lambda level: 255 * (level < GROUND - 20))
    upright = ink.rotate(turn_deg, expand=True)
    box = upright.getbbox()
    assert box is not None and darkest(image) <= INK + 10
    slack = 6  # a font's box is a little larger than what it inks
    assert box[0] <= slack and box[2] >= upright.width - slack
    # Drawn with room to spare there is not more ink than in the tight bitmap.
    roomy = words(f"\n{text}\n", 40.0, turn_deg).point(lambda level: 255 * (level < GROUND - 20))
    assert sum(roomy.histogram()[128:]) == sum(ink.histogram()[128:])


def lowest_ink(image: Image.Image) -> int:
    box = image.point(lambda level: 255 * (level < 100)).getbbox()
    assert box
    return box[3]


@pytest.mark.parametrize("size", [17.0, 24.0, 40.0, 91.0])
def test_words_of_one_size_stand_on_one_baseline(size: float) -> None:
    same = [words(text, size) for text in ("no", "as", "É", "T", "x", "1", "نا")]
    assert {image.height for image in same} == {words("jgÅ|(", size).height}
    bottoms = [lowest_ink(image) for image in same]
    assert max(bottoms) - min(bottoms) <= 1 + size / 40  # round letters reach a little below
    assert lowest_ink(words("g", size)) > max(bottoms) + size / 8


def test_a_mark_beyond_the_line_is_not_cut_off_and_moves_no_baseline() -> None:
    tall, plain = words("A" + "\u0301" * 4, 60.0), words("A", 60.0)
    assert tall.height >= plain.height
    middle = [lowest_ink(image) - image.height / 2 for image in (tall, plain)]
    assert abs(middle[0] - middle[1]) <= 1


def test_a_cross_stands_in_the_middle_of_its_bitmap() -> None:
    image = words("+", 60.0)
    box = image.point(lambda level: 255 * (level < 100)).getbbox()
    assert box
    assert abs(box[0] + box[2] - image.width) <= 3
    assert abs(box[1] + box[3] - image.height) <= 0.08 * 60  # within 0.04 of its height


# Themes --------------------------------------------------------------------------------------


def luminance(colour: int | tuple[int, int, int]) -> float:
    """Relative luminance as WCAG 2 has it."""
    levels = (colour,) * 3 if isinstance(colour, int) else colour
    linear = [
        level / 255 / 12.92 if level / 255 <= 0.04045 else ((level / 255 + 0.055) / 1.055) ** 2.4
        for level in levels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: int | tuple[int, int, int], b: int | tuple[int, int, int]) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_words_of_the_night_and_alerts_are_legible() -> None:
    assert contrast(255, 0) == pytest.approx(21)
    assert contrast(DARK.ground, DARK.ink) >= 7
    assert contrast(LIGHT.ground, LIGHT.ink) >= 4.5
    for theme in THEMES.values():
        assert contrast(theme.alert_ground, theme.alert_ink) >= 7


def test_the_night_is_dark() -> None:
    assert luminance(DARK.ground) < 0.01 < luminance(DARK.ink) < 0.5
    assert luminance(DARK.alert_ground) < 0.05


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_words_have_the_colours_of_the_theme(theme: Theme) -> None:
    image = words("HHHH", 60.0, theme=theme)
    assert image.mode == "L"
    assert set(image.getextrema()) == {theme.ground, theme.ink}


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_an_alert_stands_on_a_panel_with_room_around_the_words(theme: Theme) -> None:
    calm = words("LOST", 60.0, theme=theme)
    image = bitmap(TextItem("LOST", 2.0, alert=True), 30.0, {}, theme)
    assert image.mode == "RGB"
    assert image.size == (calm.width + 2 * 36, calm.height + 2 * 36)
    colours = {colour for _, colour in image.getcolors(100_000) or ()}
    assert {theme.alert_ground, theme.alert_ink} <= colours
    assert image.crop((0, 0, image.width, 30)).getcolors() == [
        (30 * image.width, theme.alert_ground)
    ]


# Turned, centred, joined ---------------------------------------------------------------------


def test_words_are_turned_clockwise() -> None:
    upright, turned = words("L", 40.0), words("L", 40.0, 90.0)
    assert turned.size == (upright.height, upright.width)
    expected = upright.transpose(Image.Transpose.ROTATE_270)
    assert max(ImageChops.difference(turned, expected).getextrema()) <= 1  # type: ignore[operator]


def test_lines_of_a_text_are_centred_on_each_other() -> None:
    image = words("WWWWWWWW\nW", 40.0)
    lower = image.crop((0, image.height // 2, image.width, image.height))
    left, _, right, _ = lower.point(lambda level: 255 * (level < 100)).getbbox() or (0, 0, 0, 0)
    assert abs((left + right) / 2 - image.width / 2) < 3


def test_cells_between_tabs_begin_below_each_other() -> None:
    table = words("F1\tno\nQ\tmeanwhile", 40)
    half, key = table.height // 2, words("F1", 40).width
    rows = [table.crop((0, top, table.width, top + half)) for top in (0, half)]
    for row, cells in zip(rows, (("F1", "no"), ("Q", "meanwhile")), strict=True):
        first, second = (ink_box(words(cell, 40)) for cell in cells)
        assert ink_box(row.crop((0, 0, key, half)))[::2] == first[::2]
        begins = key + 48  # 1.2 letter heights beside the widest key
        left, _, right, _ = ink_box(row.crop((begins, 0, table.width, half)))
        assert (left, right) == second[::2]
    assert table.width == begins + words("meanwhile", 40).width


def test_a_line_without_tabs_is_centred_above_a_table() -> None:
    both = words("Keys\nQ\tmeanwhile", 40)
    left, _, right, _ = ink_box(both.crop((0, 0, both.width, both.height // 2)))
    assert left + right == pytest.approx(both.width, abs=1)


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


def test_text_item_and_picture_item_are_drawn_by_size_in_degrees(tmp_path: Path) -> None:
    assert bitmap(TextItem("Tall", 2.0), 30.0, {}).tobytes() == words("Tall", 60.0).tobytes()


@given(text=st.text(st.sampled_from("ab \n\tçж.+"), max_size=12))
def test_any_text_of_known_characters_can_be_drawn(text: str) -> None:
    image = words(text, 20.0)
    assert image.width >= 1 and image.height >= 1
