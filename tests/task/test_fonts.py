"""Which font draws which text, and what cannot be drawn."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from task import fonts
from task.bitmaps import words
from task.fonts import face, font_of, lettering, undrawable

OURS = "DejaVuSans.ttf"
SAMPLES = {
    "Chinese": "狗",
    "Japanese": "いぬ",
    "Korean": "개",
    "Hindi": "कुत्ता",
    "Thai": "ที่นี่",
    "Bengali": "কুকুর",
    "Tamil": "நாய்",
}


def installed(text: str) -> str:
    """The text, if some font here has it; the test is skipped where none has."""
    if undrawable(text):
        pytest.skip(f"no font here has {undrawable(text)}")
    return text


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with no font but the one we bring."""
    monkeypatch.setattr(fonts, "_systems", lambda: ())
    monkeypatch.setattr(fonts, "_own", lambda: ())
    lettering.cache_clear()
    yield
    lettering.cache_clear()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("dog", ""),
        ("¿Qué? Это собака, köpek", ""),
        ("two\nlines", ""),
        ("سگ", ""),
        ("می\u200cخوانم", ""),
        ("e\u0301tude", ""),
        ("a ក and a ក", "ក"),
        ("गស", "गស"),
        ("שלום", ""),
    ],
)
def test_characters_without_a_shape_are_told(
    text: str, missing: str, nothing_installed: None
) -> None:
    assert undrawable(text) == missing
    assert missing or font_of(text).name == OURS


@pytest.mark.parametrize("text", ["dog", "Собака", "كلب", "σκύλος", "\n", ""])
def test_what_our_own_font_has_is_drawn_in_it_whatever_is_installed(text: str) -> None:
    assert (font_of(text).name, undrawable(text)) == (OURS, "")


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_other_scripts_are_drawn_in_an_installed_font(text: str) -> None:
    installed(text)
    assert font_of(text).name != OURS and font_of(text).is_file()
    image = words(text, 60.0)
    low, _ = image.getextrema()
    assert isinstance(low, int) and low < 40


def test_the_fonts_of_the_installation_go_before_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(font_of("狗"), tmp_path / "b.TTF")
    monkeypatch.setattr(fonts, "_chinese_japanese_korean", fonts.ours)
    (tmp_path / "a.ttf").write_text("no font")
    (tmp_path / "readme.txt").write_text("not a font either")
    monkeypatch.setattr(fonts, "_FOLDER", tmp_path)
    lettering.cache_clear()
    try:
        assert font_of("狗") == tmp_path / "b.TTF"
        assert font_of("dog").name == OURS
    finally:
        lettering.cache_clear()


@pytest.mark.parametrize("text", ["狗", "개와 犬", "ねこ", "龜"])
def test_chinese_japanese_and_korean_are_drawn_on_every_machine(
    text: str, nothing_installed: None
) -> None:
    assert (font_of(text).name, undrawable(text)) == ("NotoSansCJK-Regular.ttc", "")


def test_of_several_fonts_that_have_a_text_it_is_the_same_upright_one_each_time() -> None:
    font = font_of(installed("ไทย"))
    lettering.cache_clear()
    assert font_of("ไทย") == font
    assert fonts._read(font).rank == min(
        fonts._read(other).rank
        for other in fonts._systems()
        if {ord(c) for c in "ไทย"} <= fonts._read(other).shapes
    )


def test_what_no_single_font_has_is_told() -> None:
    installed("狗"), installed("कु")
    assert undrawable("狗कु") != ""


@pytest.mark.parametrize("text", ["1. ที่นี่?", "A कुत्ता", "狗 (dog) ð"])
def test_what_the_other_font_lacks_is_drawn_in_ours(text: str) -> None:
    letters = lettering(installed(text))
    pieces = fonts.runs(text, letters)
    assert "".join(piece.text for piece in pieces) == text
    assert {piece.font for piece in pieces} <= {letters.font, fonts.ours()}
    for piece in pieces:
        shapes = fonts._read(piece.font).shapes
        assert all(ord(c) in shapes or c == " " for c in piece.text)
        assert piece.shaped == (letters.shaped and piece.font == letters.font)
    # All of it is there: as wide as its parts.
    parts = sum(words(piece.text.strip(), 60.0).width for piece in pieces)
    assert words(text, 60.0).width >= parts * 0.95


def test_a_text_of_one_font_is_one_run() -> None:
    for text in ("two words", "سگ", "Это (2)"):
        letters = lettering(text)
        assert fonts.runs(letters.text, letters) == [(letters.text, fonts.ours(), False)]


def test_a_file_that_is_no_font_has_no_characters(tmp_path: Path) -> None:
    (tmp_path / "x.ttf").write_bytes(b"\0" * 100)
    assert fonts._read(tmp_path / "x.ttf").shapes == frozenset()


# Scripts whose letters join ------------------------------------------------------------------


def unshaped(text: str, size_px: int) -> Image.Image:
    """The letters one after another, without regard for each other."""
    font = face(font_of(text), size_px, False)
    box = font.getbbox(text, anchor="ls")
    image = Image.new("L", (round(box[2]) + size_px, 3 * size_px), 0)
    ImageDraw.Draw(image).text((0, 2 * size_px), text, 255, font, anchor="ls")
    return image


def test_devanagari_letters_join() -> None:
    text = installed("क्षत्रिय")
    assert lettering(text).shaped
    ink = unshaped(text, 60).getbbox()
    assert ink
    assert words(text, 60.0).width < 0.8 * (ink[2] - ink[0])


def test_thai_tone_marks_stand_above_the_vowel() -> None:
    with_mark, without = words(installed("ที่"), 60.0), words("ที", 60.0)

    def top(image: Image.Image) -> int:
        box = image.point(lambda level: 255 * (level < 100)).getbbox()
        assert box
        return box[1] - image.height // 2

    assert top(with_mark) < top(without) - 3


def test_joining_scripts_are_undrawable_where_nothing_joins_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fonts, "_can_shape", lambda: False)
    lettering.cache_clear()
    try:
        assert set("कु") <= set(undrawable("a कु"))
        assert undrawable("dog") == undrawable("سگ") == ""
        assert not lettering("कु").shaped
    finally:
        lettering.cache_clear()


def test_urdu_letters_of_another_font_are_joined_too() -> None:
    text = installed("گھوڑا ٹماٹر")
    joined, apart = words(text, 60.0), words(" ".join(text), 60.0)
    assert joined.width < apart.width


@given(st.text(st.sampled_from("ab سگה狗คु\n\u200c"), max_size=8))
def test_any_text_has_a_font_and_is_drawn(text: str) -> None:
    letters = lettering(text)
    assert letters.font.is_file()
    assert set(undrawable(text)) <= set(letters.text) | set(text)
    assert words(text, 20.0).width >= 1
