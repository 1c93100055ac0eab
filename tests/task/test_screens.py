"""Where everything stands: apart from everything else, and on the smallest of screens."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task import screens
from task.bitmaps import BANNER_DEG, words
from task.contract.catalog import Catalog
from task.plan import BLANK, CountdownItem, PictureItem, Screen, SoundItem, TextItem, ToneItem
from task.protocol import Protocol, Texts

ProtocolOf = Callable[[str], Protocol]

SIX = '[imagery]\nitems = ["dog", "cat", "cow", "owl", "cup", "hat"]\n'
TONE = ToneItem(440.0, 0.3)
WIDTH_DEG, HEIGHT_DEG = 20.0, 15.0
PX_PER_DEG = 40.0
GAP_DEG = 0.1
LANGUAGES = ("en", "ar", "de", "es", "fa", "fr", "id", "it", "ja", "ko", "pt", "ru", "tr", "zh")
LONGEST = 20  # letters: "schweizer taschenmesser" and the like need words of their own


@dataclass(frozen=True)
class Box:
    """What an item covers, degrees from the centre of the screen."""

    left: float
    bottom: float
    right: float
    top: float

    def apart(self, other: "Box") -> bool:
        beside = self.left > other.right + GAP_DEG or self.right < other.left - GAP_DEG
        above = self.bottom > other.top + GAP_DEG or self.top < other.bottom - GAP_DEG
        return beside or above


def boxes(screen: Screen) -> list[Box]:
    """The drawn items, pictures square."""
    found = []
    for item in screen:
        if isinstance(item, ToneItem | SoundItem):
            continue
        if isinstance(item, PictureItem):
            width = height = item.width_deg
        else:
            counts = isinstance(item, CountdownItem)
            text, turn = ("10:00", 0.0) if counts else (item.text, item.turn_deg)  # type: ignore[union-attr]
            drawn = words(text, item.height_deg * PX_PER_DEG, turn)
            width, height = (n / PX_PER_DEG for n in drawn.size)
        found.append(
            Box(
                item.x_deg - width / 2,
                item.y_deg - height / 2,
                item.x_deg + width / 2,
                item.y_deg + height / 2,
            )
        )
    return found


def assert_laid_out(screen: Screen, *, foot_deg: float = 0.3 + 2 * BANNER_DEG) -> None:
    """Nothing overlaps; all is on the screen and above its small print."""
    placed = boxes(screen)
    for n, box in enumerate(placed):
        assert box.left >= -WIDTH_DEG / 2 and box.right <= WIDTH_DEG / 2, (screen, box)
        assert -HEIGHT_DEG / 2 + foot_deg <= box.bottom and box.top <= HEIGHT_DEG / 2, (screen, box)
        assert all(box.apart(other) for other in placed[:n]), screen


@pytest.fixture(scope="module")
def longest(objects: Catalog) -> Mapping[str, Sequence[str]]:
    """The pictures with the widest names that can be cues at all, for every language."""
    found = {}
    for language in LANGUAGES:
        named = {i: p.names[language] for i, p in objects.pictures.items() if language in p.names}
        short = [i for i, name in named.items() if len(name) <= LONGEST]
        found[language] = sorted(short, key=lambda i: -words(named[i], PX_PER_DEG).width)[:12]
    return found


def in_language(protocol: ProtocolOf, language: str, cue: str = '["word"]') -> Protocol:
    return protocol(f'language = "{language}"\n{SIX}cue = {cue}\n')


# Screens of pictures and words ---------------------------------------------------------------


def test_an_empty_screen_has_a_cross_unless_the_protocol_says_no(protocol: ProtocolOf) -> None:
    assert screens.fixation(protocol(SIX)) == (TextItem("+", 0.6),)
    assert screens.fixation(protocol(f"{SIX}[look]\nfixation = false\n")) == BLANK


@pytest.mark.parametrize(
    ("screen", "only"),
    [
        (BLANK, True),
        ((TextItem("+", 0.6),), True),
        ((TONE, SoundItem("a")), True),
        ((TextItem("+", 0.6), TextItem("a", 0.6)), False),
        ((PictureItem("dog", 3.0),), False),
        ((CountdownItem(0.9),), False),
    ],
)
def test_what_shows_nothing_but_a_cross_is_known(screen: Screen, only: bool) -> None:
    assert screens.only_fixation(screen) == only


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("cue", ['["word"]', '["word", "picture"]', '["word", "picture", "tone"]'])
def test_a_cue_in_any_language_fits(
    language: str, cue: str, objects: Catalog, longest: Mapping[str, Sequence[str]],
    protocol: ProtocolOf,
) -> None:  # fmt: skip
    asked = in_language(protocol, language, cue)
    assert len(longest[language]) == 12
    for item in longest[language]:
        shown = screens.cue(asked, objects, item, TONE)
        (word,) = [i.text for i in shown if isinstance(i, TextItem)]
        assert " ".join(word.split()) == objects.pictures[item].names[language]
        assert_laid_out(shown)


def test_every_name_of_the_set_that_ships_fits_as_a_cue(
    objects: Catalog, protocol: ProtocolOf
) -> None:
    for language in LANGUAGES:
        asked = in_language(protocol, language)
        for item, picture in objects.pictures.items():
            if language in picture.names:
                (box,) = boxes(screens.cue(asked, objects, item, TONE))
                assert box.right - box.left <= WIDTH_DEG, picture.names[language]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_lesson_of_a_tone_in_any_language_fits(
    language: str, objects: Catalog, longest: Mapping[str, Sequence[str]], protocol: ProtocolOf
) -> None:
    asked = in_language(protocol, language, '"tone"')
    for item in longest[language]:
        shown = screens.lesson(asked, objects, item, TONE)
        assert shown[-1] == TONE
        assert_laid_out(shown)


@given(picture_deg=st.floats(2.0, 9.0), text_deg=st.floats(0.4, 1.2))
def test_a_lesson_fits_with_pictures_and_words_of_any_sensible_size(
    picture_deg: float, text_deg: float, objects: Catalog, protocol: ProtocolOf
) -> None:
    asked = protocol(f"{SIX}[look]\npicture_deg = {picture_deg}\ntext_deg = {text_deg}\n")
    assert_laid_out(screens.lesson(asked, objects, "dog", TONE))


def test_the_cue_of_an_item_without_a_picture_here_is_its_id(
    objects: Catalog, protocol: ProtocolOf
) -> None:
    assert screens.cue_word(protocol(SIX), objects, "no_such_thing") == "no_such_thing"


@given(lines=st.integers(1, 6), height=st.floats(0.4, 2.0))
def test_a_block_of_lines_is_as_high_as_it_is_drawn(lines: int, height: float) -> None:
    text = "\n".join(["Äpfel jagen"] * lines)
    drawn = words(text, height * PX_PER_DEG).height / PX_PER_DEG
    assert screens.block_deg(text, height) == pytest.approx(drawn, rel=0.2)
    assert screens.block_deg(text, height) >= drawn - 0.1 * height


@pytest.mark.parametrize("lines", [1, 2, 4, 5])
def test_a_countdown_stands_below_the_words_and_apart(lines: int, protocol: ProtocolOf) -> None:
    shown = screens.text(protocol(SIX), "\n".join(["A short break."] * lines), countdown=True)
    assert [type(item) for item in shown] == [TextItem, CountdownItem]
    assert_laid_out(shown)


@pytest.mark.parametrize(
    "name",
    [name for name, field in Texts.model_fields.items() if field.annotation is str],
)
def test_every_text_that_ships_fits(name: str, protocol: ProtocolOf) -> None:
    asked = protocol(SIX)
    said = str(getattr(asked.texts, name))
    assert_laid_out(screens.text(asked, said, countdown=name == "pause"))


# Questions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("yes", "no"),
    [("yes", "no"), ("نعم", "لا"), ("ja, genau", "nein"), ("はい", "いいえ"), ("evet", "hayır"),
     ("sim", "não")],
)  # fmt: skip
@pytest.mark.parametrize("question", ["Was it an animal?", "Two\nlines?", "Now\nthere\nare\nfour?"])
def test_a_yes_or_no_question_fits(question: str, yes: str, no: str, protocol: ProtocolOf) -> None:
    asked = protocol(f'{SIX}[texts]\nyes = "{yes}"\nno = "{no}"\n')
    shown = screens.yes_or_no(asked, question)
    said = {i.text: i.x_deg for i in shown if isinstance(i, TextItem)}
    assert said[yes] < 0 < said[no]
    assert_laid_out(shown)


@pytest.mark.parametrize("numbers", ["12345", "1234567", "0123456789"])
@pytest.mark.parametrize("question", ["How vivid was it?", "How vivid was\nwhat you saw?"])
def test_a_scale_fits(numbers: str, question: str, protocol: ProtocolOf) -> None:
    shown = screens.scale(protocol(SIX), question, numbers, "no", "yes")
    row = [i for i in shown if isinstance(i, TextItem) and i.text in numbers]
    assert "".join(i.text for i in sorted(row, key=lambda i: i.x_deg)) == numbers
    assert_laid_out(shown)


def test_the_ends_of_a_scale_stand_under_its_first_and_last_number(protocol: ProtocolOf) -> None:
    shown = screens.scale(protocol(SIX), "?", "1234567", "low", "high")
    places = {i.text: (i.x_deg, i.y_deg) for i in shown if isinstance(i, TextItem)}
    assert places["low"][0] == places["1"][0] and places["high"][0] == places["7"][0]
    assert places["low"][1] == places["high"][1] < places["1"][1]
    assert len(screens.scale(protocol(SIX), "?", "12345", "", "")) == 6


def test_the_ratings_that_ship_fit(protocol: ProtocolOf) -> None:
    texts = protocol(SIX).texts
    for said in (
        (texts.rating, "12345", texts.rating_low, texts.rating_high),
        (texts.confidence, "12345", texts.confidence_low, texts.confidence_high),
    ):
        assert_laid_out(screens.scale(protocol(SIX), *said))


@pytest.mark.parametrize("numbers", ["1234567", "0123456789"])
def test_words_under_a_longer_scale_fit(numbers: str, protocol: ProtocolOf) -> None:
    texts = protocol(SIX).texts
    assert_laid_out(
        screens.scale(protocol(SIX), "?", numbers, "no pain at all", "the worst ever felt")
    )
    assert_laid_out(screens.scale(protocol(SIX), "?", numbers, texts.rating_low, texts.rating_high))


@given(picture_deg=st.floats(2.0, 9.0))
def test_a_choice_fits_and_numbers_stand_under_their_pictures(
    picture_deg: float, protocol: ProtocolOf
) -> None:
    asked = protocol(f"{SIX}[look]\npicture_deg = {picture_deg}\n")
    shown = screens.choice(asked, asked.texts.practice_check, ("dog", "cat"))
    pictures = {i.x_deg: i.picture for i in shown if isinstance(i, PictureItem)}
    numbers = {i.x_deg: i.text for i in shown if isinstance(i, TextItem) and i.text in "12"}
    assert [pictures[x] for x in sorted(pictures)] == ["dog", "cat"]
    assert [numbers[x] for x in sorted(pictures)] == ["1", "2"]
    assert_laid_out(shown)


@given(seed=st.integers(0, 2**32), target=st.booleans())
def test_a_search_fits_whatever_its_letters(seed: int, target: bool, protocol: ProtocolOf) -> None:
    assert_laid_out(screens.search(protocol(SIX), target, random.Random(seed)), foot_deg=0.0)


def test_letters_of_a_search_stand_where_there_is_nothing_to_learn(protocol: ProtocolOf) -> None:
    rng = random.Random(1)
    places = []
    for _ in range(400):
        (found,) = [
            i for i in screens.search(protocol(SIX), True, rng)
            if isinstance(i, TextItem) and i.text == "T"
        ]  # fmt: skip
        places.append((round(found.x_deg / 1.7), round((found.y_deg + 0.6) / 1.6), found.turn_deg))
    assert len({place[:2] for place in places}) == 35
    assert {turn for *_, turn in places} == {0.0, 90.0, 180.0, 270.0}


def test_a_long_question_is_broken_into_lines(protocol: ProtocolOf) -> None:
    asked = "Was there a person or a part of a person in the picture just now?"
    assert_laid_out(screens.yes_or_no(protocol(SIX), asked))


# Too long, too large ---------------------------------------------------------------------------

LONG = "Was there a person, or a part of a person, in the picture that you have just seen here?"
LONGEST_WORDS = {
    "German": "Donaudampfschifffahrtsgesellschaftskapitän",
    "Finnish": "epäjärjestelmällistyttämättömyydellänsä",
    "Arabic": "هل كان هناك شخص أو جزء من شخص في الصورة التي رأيتها للتو قبل قليل؟",
    "Chinese": "刚才的图片里有没有人或者人的一部分或者其他任何像人一样的东西",
}


@pytest.mark.parametrize("said", LONGEST_WORDS.values(), ids=LONGEST_WORDS.keys())
def test_words_of_any_length_fit_wherever_they_stand(
    said: str, objects: Catalog, protocol: ProtocolOf
) -> None:
    name = " ".join(said.split()[:5])
    end = said[:20]
    asked = protocol(f'{SIX}cue = ["word", "picture"]\nwords = {{dog = "{name}"}}\n')
    for screen in (
        screens.text(asked, said, countdown=True),
        screens.cue(asked, objects, "dog", TONE),
        screens.lesson(asked, objects, "dog", TONE),
        screens.yes_or_no(asked, said),
        screens.choice(asked, name, ("dog", "cat")),
        screens.scale(asked, said, "12345", end, end),
    ):
        assert_laid_out(screen)


def test_a_word_that_is_too_wide_is_drawn_smaller_and_never_illegible(
    objects: Catalog, protocol: ProtocolOf
) -> None:
    def height(letters: int) -> float:
        asked = protocol(f'{SIX}words = {{dog = "{letters * "n"}"}}\n')
        (word,) = screens.cue(asked, objects, "dog", TONE)
        assert isinstance(word, TextItem)
        return word.height_deg

    assert height(20) == 0.9 * 1.5
    assert 0.4 < height(30) < 0.9 * 1.5
    assert height(60) < height(30)
    assert height(300) == height(400) == 0.4


def test_yes_and_no_of_many_letters_stay_in_their_halves(protocol: ProtocolOf) -> None:
    asked = protocol(f'{SIX}[texts]\nyes = "yes, I am quite sure"\nno = "no, not at all"\n')
    shown = screens.yes_or_no(asked, LONG)
    yes, no = [i for i in shown if isinstance(i, TextItem)][-2:]
    assert (yes.text, no.text) == ("yes, I am quite sure", "no, not at all")
    assert yes.height_deg == no.height_deg and yes.x_deg == -no.x_deg < -3
    assert_laid_out(shown)


@pytest.mark.parametrize("text_deg", [0.5, 0.9, 1.2])
@pytest.mark.parametrize("numbers", ["12345", "0123456789"])
def test_rows_of_questions_keep_apart_whatever_the_size_of_letters(
    numbers: str, text_deg: float, protocol: ProtocolOf
) -> None:
    asked = protocol(f"{SIX}[look]\ntext_deg = {text_deg}\n")
    assert_laid_out(screens.scale(asked, "How was it?", numbers, "low", "high"))
    assert_laid_out(screens.yes_or_no(asked, "Was it so?"))


def test_lines_of_right_to_left_text_are_broken_from_the_right(protocol: ProtocolOf) -> None:
    said = LONGEST_WORDS["Arabic"]
    (shown,) = screens.text(protocol(SIX), said)
    assert isinstance(shown, TextItem)
    lines = shown.text.split("\n")
    assert len(lines) > 1 and " ".join(lines) == said  # each is turned when it is drawn


def test_texts_that_ship_need_no_breaks_of_ours(protocol: ProtocolOf) -> None:
    texts = protocol(SIX).texts
    for name, field in Texts.model_fields.items():
        if field.annotation is str:
            said = str(getattr(texts, name))
            assert screens.text(protocol(SIX), said) == (TextItem(said, 0.9),), name
