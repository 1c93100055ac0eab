"""An imagery session as it is planned: its cues, closed eyes, ratings, pairs, and its practice."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.catalog import Catalog, Picture
from task.contract.sessionlog import Kind
from task.plan import (
    BLANK,
    PRACTICE,
    Block,
    PictureItem,
    Plan,
    SoundItem,
    Step,
    TextItem,
    ToneItem,
    Trial,
)
from task.planning import make_plan
from task.protocol import Protocol
from tests.task.staged import PlanOf

FaultsOf = Callable[..., list[str]]
ProtocolOf = Callable[[str], Protocol]

SIX = '[imagery]\nitems = ["dog", "cat", "cow", "owl", "cup", "hat"]\n'
ITEMS = ("dog", "cat", "cow", "owl", "cup", "hat")
SOUNDS = "sounds = {" + ", ".join(f'{i} = "{i}.wav"' for i in ITEMS) + "}\n"
PRACTICE_OF_TWO = '[practice]\npictures = ["key", "pen"]\n'
KINDS = ("picture", "word", "tone", "sound")  # in the order in which they stand in a cue
MIXES = [mix for n in range(1, 5) for mix in combinations(KINDS, n)]
START, END = ToneItem(660.0, 0.15), ToneItem(1320.0, 0.15)


def cued_by(*kinds: str, more: str = "") -> str:
    listed = ", ".join(f'"{kind}"' for kind in kinds)
    return f"{SIX}cue = [{listed}]\n{SOUNDS if 'sound' in kinds else ''}{more}"


def blocks_of(plan: Plan) -> list[Block]:
    return [b for b in plan.blocks if b.kind == "imagery"]


def trials_of(block: Block, kind: Kind) -> list[Trial]:
    return [t for t in block.trials if t.kind is kind]


def imagined(block: Block) -> list[str]:
    return [str(t.item) for t in trials_of(block, Kind.IMAGINE)]


def step_of(trial: Trial, code: str) -> Step:
    return next(s for s in trial.steps if s.code == code)


def words_on(step: Step) -> list[str]:
    return [i.text.split("\n")[0] for i in step.screen if isinstance(i, TextItem)]


# Cues ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mix", MIXES, ids="+".join)
def test_a_cue_shows_and_sounds_all_that_it_should_and_no_more(
    mix: tuple[str, ...], plan_of: PlanOf
) -> None:
    plan = plan_of(cued_by(*reversed(mix)))
    media = {"picture": PictureItem, "word": TextItem, "tone": ToneItem, "sound": SoundItem}
    for block in blocks_of(plan):
        pair = imagined(block)[:2]
        for trial in trials_of(block, Kind.IMAGINE):
            cue = step_of(trial, "CUE_ON").screen
            assert [type(item) for item in cue] == [media[kind] for kind in mix]
            for item in cue:
                if isinstance(item, PictureItem):
                    assert item.picture == trial.item
                elif isinstance(item, TextItem):
                    assert item.text == trial.item
                elif isinstance(item, SoundItem):
                    assert item.file == f"{trial.item}.wav"
                elif isinstance(item, ToneItem):
                    assert item == ToneItem((440.0, 880.0)[pair.index(str(trial.item))], 0.3)


@given(seed=st.integers(0, 2**32))
def test_tones_go_by_the_place_in_the_pair_and_are_taught_before_the_baseline(
    seed: int, plan_of: PlanOf
) -> None:
    text = cued_by("tone", more="tones_hz = [300, 500]\ntone_s = 0.4\n")
    for block in blocks_of(plan_of(text, seed=seed)):
        kinds = [t.kind for t in block.trials]
        search, baseline = kinds.index(Kind.SEARCH), kinds.index(Kind.BASELINE)
        lessons = block.trials[search + 1 : baseline]
        assert [t.item for t in lessons] == imagined(block)[:2]
        tones = {}
        for lesson, hertz in zip(lessons, (300.0, 500.0), strict=True):
            on, off = lesson.steps
            assert (lesson.kind, on.code, off.code) == (Kind.TEXT, "TEXT_ON", "TEXT_OFF")
            assert words_on(on) == ["This tone means:", str(lesson.item)]
            assert [i.picture for i in on.screen if isinstance(i, PictureItem)] == [lesson.item]
            tones[lesson.item] = on.screen[-1]
            assert tones[lesson.item] == ToneItem(hertz, 0.4)
        for trial in trials_of(block, Kind.IMAGINE):
            assert step_of(trial, "CUE_ON").screen == (tones[trial.item],)


def test_only_tones_are_taught(plan_of: PlanOf) -> None:
    for mix in MIXES:
        block = blocks_of(plan_of(cued_by(*mix)))[0]
        lessons = [t for t in trials_of(block, Kind.TEXT) if t.item]
        assert len(lessons) == (2 if "tone" in mix else 0)


def test_a_cue_word_is_that_of_the_protocol_then_that_of_the_language(plan_of: PlanOf) -> None:
    plan = plan_of(f'language = "es"\n{SIX}words = {{cat = "el gato"}}\n')
    cues = {
        t.item: words_on(t.steps[0]) for b in blocks_of(plan) for t in trials_of(b, Kind.IMAGINE)
    }
    assert cues["cat"] == ["el gato"] and cues["owl"] == ["búho"]


# Closed eyes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mix", [m for m in MIXES if {"tone", "sound"} & set(m)], ids="+".join)
def test_closed_eyes_hear_when_to_begin_and_when_to_end(
    mix: tuple[str, ...], plan_of: PlanOf
) -> None:
    plan = plan_of(cued_by(*mix, more="eyes_closed = true\nafter_s = 2\n"))
    for block in blocks_of(plan):
        closing, baseline = [t for t in block.trials if t.kind is not Kind.IMAGINE][-2:]
        assert baseline.kind is Kind.BASELINE
        assert words_on(closing.steps[0]) == ["Now close your eyes."]
        for trial in trials_of(block, Kind.IMAGINE):
            begin = step_of(trial, "IMAGERY_ON").screen
            assert begin == (BLANK if "tone" in mix else (START,))
            assert step_of(trial, "IMAGERY_OFF").screen == (END,)
    assert plan.warnings == ()


def test_open_eyes_hear_neither(plan_of: PlanOf) -> None:
    plan = plan_of(cued_by("tone", "word"))
    codes = {s.code for s in plan.steps if set(s.screen) & {START, END}}
    assert codes == set()
    assert "Now close your eyes." not in {w for s in plan.steps for w in words_on(s)}


def test_a_rating_soon_after_imagining_with_closed_eyes_is_warned_of(plan_of: PlanOf) -> None:
    closed = cued_by("tone", more="eyes_closed = true\n")
    assert plan_of(closed).warnings == (
        "eyes closed, with a rating after each: the patient opens the eyes to rate and must close"
        " them again; make imagery.after_s at least 1.5, or rating_s 0",
    )
    assert plan_of(f"{closed}rating_s = 0\n").warnings == ()
    assert plan_of(f"{closed}after_s = 1.5\n").warnings == ()


@pytest.mark.parametrize("mix", [m for m in MIXES if not {"tone", "sound"} & set(m)], ids="+".join)
def test_closed_eyes_without_a_sounding_cue_are_refused(
    mix: tuple[str, ...], faults_of: FaultsOf
) -> None:
    assert faults_of(cued_by(*mix, more="eyes_closed = true\n")) == [
        'p.toml:7: imagery.eyes_closed: who has closed eyes must hear the cue; cue = "tone"'
    ]


@pytest.mark.parametrize(
    ("tones", "fault"),
    [
        pytest.param(
            "[440, 440]", "440 and 440 Hz cannot be told apart; make one at least 5% higher",
            id="equal",
        ),
        pytest.param(
            "[460, 440]", "460 and 440 Hz cannot be told apart; make one at least 5% higher",
            id="nearly equal",
        ),
        pytest.param(
            "[440, 1320]",
            "1320 Hz sounds like the tone that ends imagining, 1320 Hz; take a lower one",
            id="the tone that ends imagining",
        ),
        pytest.param(
            "[1300, 440]",
            "1300 Hz sounds like the tone that ends imagining, 1320 Hz; take a lower one",
            id="nearly that",
        ),
    ],
)  # fmt: skip
def test_tones_that_cannot_be_told_apart_are_refused(
    tones: str, fault: str, faults_of: FaultsOf
) -> None:
    text = f"tones_hz = {tones}\neyes_closed = true\nafter_s = 2\n"
    assert faults_of(cued_by("tone", more=text)) == [f"p.toml:7: imagery.tones_hz: {fault}"]


def test_tones_a_semitone_apart_are_told_apart(plan_of: PlanOf) -> None:
    assert plan_of(cued_by("tone", more="tones_hz = [440, 466.16]\n")).sounds
    assert plan_of(cued_by("tone", more="tones_hz = [440, 1320]\n")).sounds  # eyes open: no end


def test_a_tone_longer_than_its_cue_is_refused(faults_of: FaultsOf, plan_of: PlanOf) -> None:
    assert faults_of(cued_by("tone", more="tone_s = 2\ncue_s = 0.5\n")) == [
        "p.toml:7: imagery.tone_s: 2 s is longer than the cue of 0.5 s: the tone would go on while"
        " the patient imagines"
    ]
    assert plan_of(cued_by("tone", more="tone_s = 0.5\ncue_s = 0.5\n")).sounds
    assert not plan_of(cued_by("word", more="tone_s = 2\ncue_s = 0.5\n")).sounds


@pytest.mark.parametrize("practice", ["", PRACTICE_OF_TWO], ids=["items", "practice"])
@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        ("", "b", "imagery.words.{0}: is empty; give a cue word, or leave this out for the"
         " picture's name"),
        ("  ", "b", "imagery.words.{0}: is empty; give a cue word, or leave this out for the"
         " picture's name"),
        ("pet", " Pet", "{2}: {0}, {1} have the same cue word 'pet'; give each its own under"
         " [imagery.words]"),
        ("OTHER", "other", "{2}: {0}, {1} have the same cue word 'other'; give each its own under"
         " [imagery.words]"),
    ],
)  # fmt: skip
def test_cue_words_that_do_not_tell_the_item_are_refused(
    first: str, second: str, fault: str, practice: str, faults_of: FaultsOf
) -> None:
    one, other = ("key", "pen") if practice else ("dog", "cat")
    path = "practice.pictures" if practice else "imagery.items"
    (found,) = faults_of(f'{SIX}words = {{{one} = "{first}", {other} = "{second}"}}\n{practice}')
    assert found.split(": ", 1)[1] == fault.format(one, other, path)


def test_a_cue_word_that_is_another_items_name_is_refused(faults_of: FaultsOf) -> None:
    (found,) = faults_of(f'{SIX}words = {{dog = "cat"}}\n')
    assert found.startswith("p.toml:5: imagery.items: dog, cat have the same cue word 'cat'; ")


def test_a_word_is_needed_only_where_the_cue_has_one(plan_of: PlanOf) -> None:
    assert plan_of(cued_by("picture", more='words = {dog = "pet", cat = "pet"}\n')).trials


# Ratings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rating_s", "confidence_s", "asked"),
    [(0, 0, []), (3, 0, ["RATING"]), (0, 2, ["CONFIDENCE"]), (3, 2, ["RATING", "CONFIDENCE"])],
)
def test_vividness_and_confidence_are_asked_where_they_are_given_time(
    rating_s: int, confidence_s: int, asked: list[str], plan_of: PlanOf
) -> None:
    plan = plan_of(f"{SIX}rating_s = {rating_s}\nconfidence_s = {confidence_s}\n")
    codes = [code for name in asked for code in (f"{name}_ON", f"{name}_OFF")]
    longest = {"RATING_ON": 180, "CONFIDENCE_ON": 120}
    for block in blocks_of(plan):
        for trial in trials_of(block, Kind.IMAGINE):
            assert [s.code for s in trial.steps[:3]] == ["CUE_ON", "IMAGERY_ON", "IMAGERY_OFF"]
            assert [s.code for s in trial.steps[3:]] == codes
            for step in trial.steps[3::2]:
                assert step.answers == ("1", "2", "3", "4", "5") and step.correct is None
                assert step.frames == longest[step.code]
            for step in trial.steps[4::2]:
                assert (step.screen, step.answers, step.frames) == (BLANK, (), 30)


def test_vividness_and_confidence_are_asked_in_words_of_their_own(plan_of: PlanOf) -> None:
    plan = plan_of(f"{SIX}confidence_s = 2\n")
    trial = trials_of(blocks_of(plan)[0], Kind.IMAGINE)[0]
    asked = {
        code: [w for w in words_on(step_of(trial, code)) if not w.isdigit()]
        for code in ("RATING_ON", "CONFIDENCE_ON")
    }
    assert asked == {
        "RATING_ON": ["How vivid was it?", "not at all", "like seeing it"],
        "CONFIDENCE_ON": ["How sure are you?", "guessed", "sure"],
    }


# Published designs ---------------------------------------------------------------------------

# Written down a second time, from the source that `task.published` names.
PUBLISHED = """
P76_1  12 19 25 123 270 487             4-5 5-2 4-3 1-6 2-3 1-6
P76_2  54 129 130 186 270 449           4-5 5-2 4-3 1-6 3-2 1-6
P76_3  18 44 45 81 135 181 230 344      8-3 5-6 4-5 6-7 1-2 1-2 4-3 8-7
P79_1  9 157 167 200 201 291 422 498    5-6 7-4 3-7 4-8 1-2 1-2 3-6 5-8
P79_2  9 12 117 292 360 368 421 492     4-7 5-6 2-6 5-1 3-7 8-4 8-3 1-2
P79_3  77 112 160 232 278 345 387 440   7-2 6-3 1-8 4-1 8-7 2-5 4-5 6-3
P80_1  17 61 76 114 157 161 177 480     2-6 3-7 1-5 7-4 8-3 6-4 1-5 8-2
P80_2  55 88 148 251 256 274 285 365    2-6 3-7 5-1 4-7 3-8 4-6 1-5 8-2
P84_1  68 121 243 261 281 308 415 434   6-2 3-7 1-5 4-7 8-3 4-6 1-5 8-2
P84_2  52 141 195 223 238 351 399 482   2-6 3-7 5-1 4-7 8-3 6-4 1-5 2-8
P85_1  7 11 99 153 201 251 355 486      2-6 3-7 5-1 7-4 8-3 6-4 1-5 8-2
"""
DESIGNS = {
    name: ([n for n in rest if "-" not in n], [p.split("-") for p in rest if "-" in p])
    for name, *rest in map(str.split, PUBLISHED.strip().splitlines())
}
OTHERS = ["dog", "cat", "cow", "owl", "cup", "hat", "key", "pen"]


@pytest.fixture(scope="module")
def numbered() -> Catalog:
    """A set of 500 pictures, named as in the study."""
    ids = [f"{n:04d}" for n in range(1, 501)]
    made = {i: Picture(i, Path(f"{i}.png"), "0", "x", {"en": f"thing {i}"}) for i in ids}
    return Catalog("pets", made, "0")


def published(text: str, protocol: ProtocolOf, catalog: Catalog, seed: int = 1) -> Plan:
    return make_plan(protocol(text), catalog, seed=seed, refresh_hz=60.0, spacing_frames=2)


@pytest.mark.parametrize("name", DESIGNS)
def test_a_published_design_is_shown_in_its_order_whatever_the_seed(
    name: str, protocol: ProtocolOf, numbered: Catalog
) -> None:
    images, pairs = DESIGNS[name]
    ids = [f"{int(image):04d}" for image in images]
    for seed in (1, 2):
        plan = published(f'[imagery]\ndesign = "{name}"\n', protocol, numbered, seed)
        cued = [imagined(block) for block in blocks_of(plan)]
        assert cued == [[ids[int(a) - 1], ids[int(b) - 1]] * 4 for a, b in pairs]
        for block in blocks_of(plan):
            seen = Counter(str(t.item) for t in trials_of(block, Kind.ENCODE))
            assert seen == dict.fromkeys(imagined(block)[:2], 4)
        assert sorted(plan.picture_ids) == sorted(ids)
        assert plan.warnings == (
            f"design {name}: the first item of a pair is always cued first, as published; drift"
            " within a block can imitate an item's signal, and items share two blocks with few"
            " others; leave `design` out for a balanced order",
        )


@pytest.mark.parametrize("name", DESIGNS)
def test_named_items_take_the_positions_of_a_published_design(name: str, plan_of: PlanOf) -> None:
    images, pairs = DESIGNS[name]
    items = OTHERS[: len(images)]
    plan = plan_of(f'[imagery]\ndesign = "{name}"\nitems = {items}\n'.replace("'", '"'))
    cued = [imagined(block)[:2] for block in blocks_of(plan)]
    assert cued == [[items[int(a) - 1], items[int(b) - 1]] for a, b in pairs]


@pytest.mark.parametrize("name", DESIGNS)
def test_each_item_of_a_published_design_comes_in_two_blocks(name: str) -> None:
    images, pairs = DESIGNS[name]
    assert images == sorted(images, key=int) and len(pairs) == len(images)
    counts = Counter(place for pair in pairs for place in pair)
    assert counts == {str(n + 1): 2 for n in range(len(images))}


def test_a_design_that_has_no_pictures_here_is_refused(faults_of: FaultsOf) -> None:
    assert faults_of('[imagery]\ndesign = "P76_1"\n') == [
        f"p.toml:5: imagery.design: no picture '{int(n):04d}' in set 'pets'"
        for n in DESIGNS["P76_1"][0]
    ]


def test_the_study_shows_eight_views_and_eight_imaginings_of_each_item(
    protocol: ProtocolOf, numbered: Catalog
) -> None:
    plan = published('[imagery]\ndesign = "P79_1"\n', protocol, numbered)
    for kind in (Kind.ENCODE, Kind.IMAGINE):
        each = Counter(t.item for b in blocks_of(plan) for t in trials_of(b, kind))
        assert set(each.values()) == {8} and len(each) == 8


# Practice ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mix", [("word",), ("tone",), ("picture", "tone")], ids="+".join)
def test_practice_shows_cues_and_asks_which_item_each_one_meant(
    mix: tuple[str, ...], plan_of: PlanOf
) -> None:
    plan = plan_of(cued_by(*mix, more=PRACTICE_OF_TWO))
    block = plan.blocks[0]
    assert (block.kind, block.rounds, plan.blocks[1].kind) == (PRACTICE, 3, "instructions")
    assert {t.kind for t in block.trials} == {Kind.TEXT, Kind.PRACTICE}
    codes = [t.steps[0].code for t in block.trials if t.kind is Kind.PRACTICE]
    assert codes == ["ENCODE_ON"] * 2 + ["CUE_ON", "QUESTION_ON"] * 4
    asked = [t for t in block.trials if t.steps[0].code == "QUESTION_ON"]
    assert [t.item for t in asked] == ["key", "pen"] * 2
    for trial in asked:
        question = trial.steps[0]
        shown = {i.picture: i.x_deg for i in question.screen if isinstance(i, PictureItem)}
        numbers = {i.x_deg: i.text for i in question.screen if isinstance(i, TextItem)}
        assert question.answers == ("1", "2")
        assert numbers[shown[str(trial.item)]] == question.correct
        assert shown["key"] < 0 < shown["pen"]
    tones = [t.steps[0].screen[-1] for t in block.trials if t.steps[0].code == "CUE_ON"]
    assert ("tone" not in mix) or tones == [ToneItem(440.0, 0.3), ToneItem(880.0, 0.3)] * 2


def test_practice_items_are_imagined_in_no_block_that_counts(plan_of: PlanOf) -> None:
    plan = plan_of(SIX + PRACTICE_OF_TWO)
    assert not {"key", "pen"} & {t.item for b in blocks_of(plan) for t in b.trials}
    assert {"key", "pen"} <= set(plan.picture_ids)


def test_practice_changes_nothing_of_the_session(plan_of: PlanOf) -> None:
    assert blocks_of(plan_of(SIX)) == blocks_of(plan_of(SIX + PRACTICE_OF_TWO))


def test_practice_with_an_item_of_the_session_is_refused(faults_of: FaultsOf) -> None:
    assert faults_of(f'{SIX}[practice]\npictures = ["key", "cat"]\n') == [
        "p.toml:7: practice.pictures: cat shown in the session too; practise with other pictures,"
        " or exclude these from the session"
    ]


PRACTICE_SOUNDS = SOUNDS.replace("}", ', key = "key.wav", pen = "pen.wav"}')


def test_practice_can_be_cued_by_sounds_and_words_of_its_own(plan_of: PlanOf) -> None:
    text = f'{SIX}cue = ["sound", "word"]\n{PRACTICE_SOUNDS}words = {{key = "a key"}}\n'
    plan = plan_of(text + PRACTICE_OF_TWO)
    cues = {t.item: t.steps[0].screen for t in plan.blocks[0].trials if t.steps[0].code == "CUE_ON"}
    assert cues["key"] == (TextItem("a key", 0.9 * 1.5), SoundItem("key.wav"))
    assert cues["pen"] == (TextItem("pen", 0.9 * 1.5), SoundItem("pen.wav"))


def test_practice_pictures_without_a_sound_are_refused(faults_of: FaultsOf) -> None:
    assert faults_of(cued_by("sound", more=PRACTICE_OF_TWO)) == [
        "p.toml:7: imagery.sounds: key, pen without a sound file; name one for each"
    ]


def test_practice_items_without_a_name_in_the_language_are_refused(faults_of: FaultsOf) -> None:
    assert faults_of(f'language = "es"\n{SIX}{PRACTICE_OF_TWO}') == [
        f"p.toml:8: practice.pictures: {item} has no name in language 'es'; give its cue word:"
        f' [imagery.words] {item} = "..."'
        for item in ("key", "pen")
    ]


def test_practice_with_one_picture_twice_is_refused(faults_of: FaultsOf) -> None:
    assert faults_of(f'{SIX}[practice]\npictures = ["key", "key"]\n') == [
        "p.toml:7: practice.pictures: key named twice; name each once"
    ]


@pytest.mark.parametrize(
    "closed",
    [
        cued_by("tone", more="eyes_closed = true\nafter_s = 2\n"),
        f'{SIX}[rest]\nbefore_s = 5\neyes = "closed"\n',
    ],
    ids=["imagery", "rest"],
)
def test_that_no_page_tells_to_close_the_eyes_is_told(closed: str, plan_of: PlanOf) -> None:
    assert plan_of(f"{closed}[texts]\ntext_s = 0\n").warnings[-1:] == (
        "texts.text_s = 0: no page tells the patient to close the eyes; say it aloud",
    )
    assert "close the eyes; say" not in " ".join(plan_of(closed).warnings)
