"""Flashes are counted over all that a session shows, as fast as anybody can answer."""

from collections.abc import Callable

import pytest

from task.contract.sessionlog import Kind
from task.flicker import flashes_per_s
from task.plan import (
    BLANK,
    SOONEST_ANSWER_S,
    Block,
    PictureItem,
    Screen,
    Step,
    TextItem,
    ToneItem,
    Trial,
)
from tests.task.staged import PlanOf

FaultsOf = Callable[..., list[str]]
PICTURE: Screen = (PictureItem("dog", 6.5),)
WORDS: Screen = (TextItem("?", 0.9),)
CATCH = (
    "[screening.catch]\ndistance = [1, 1]\nafter_s = 0.05\n"
    '[[screening.catch.question]]\ntext = "?"\nyes_groups = ["animal"]\n'
)


def block_of(*steps: tuple[Screen, int], answers: tuple[str, ...] = ()) -> Block:
    made = tuple(Step("IMAGE_ON", screen, frames, answers) for screen, frames in steps)
    return Block("screening", (Trial(Kind.VIEW, made),))


@pytest.mark.parametrize(
    ("screen", "flashes"),
    [
        (PICTURE, 6),
        (WORDS, 6),
        (BLANK, 0),
        ((TextItem("+", 0.6),), 0),
        ((ToneItem(440.0, 0.1),), 0),
        ((ToneItem(440.0, 0.1), TextItem("+", 0.6)), 0),
        ((ToneItem(440.0, 0.1), *WORDS), 6),
    ],
)
def test_pictures_and_words_flash_and_tones_and_crosses_do_not(
    screen: Screen, flashes: int
) -> None:
    assert flashes_per_s([block_of(*[(screen, 5), (BLANK, 5)] * 12)], 60.0) == flashes


def test_what_waits_for_an_answer_is_gone_as_soon_as_one_can_come() -> None:
    slow = [block_of((WORDS, 600), answers=("yes",)), block_of((BLANK, 3))] * 12
    assert flashes_per_s(slow, 60.0) > 3


def test_flashes_go_on_from_one_block_to_the_next() -> None:
    one = block_of((PICTURE, 5), (BLANK, 9))
    assert flashes_per_s([one], 60.0) == 1
    assert flashes_per_s([one] * 8, 60.0) == 5


def test_the_soonest_answer_is_that_which_counts() -> None:
    asked = [block_of((WORDS, 600), answers=("yes",)), block_of((BLANK, 6))] * 12
    frames = round(60 * SOONEST_ANSWER_S) + 6
    assert flashes_per_s(asked, 60.0) == -(-60 // frames)


@pytest.mark.parametrize("kind", ["practice", "session"])
def test_pictures_too_fast_are_refused_wherever_they_are_shown(
    kind: str, faults_of: FaultsOf
) -> None:
    text = '[screening]\nimage_s = 0.2\nblank_s = 0.05\n[pictures]\nexclude = ["key", "pen"]\n'
    text += '[practice]\npictures = ["key", "pen"]\n' if kind == "practice" else ""
    assert faults_of(text) == [
        "p.toml:6: screening.blank_s: 4 flashes in one second, where 3 are allowed: flicker can"
        " trigger a seizure; make image and blank longer, or record who approves it under"
        " [safety] (flashes_per_s, approved_by, reason)"
    ]


def test_questions_are_flashes_too(faults_of: FaultsOf) -> None:
    assert faults_of(f"[screening]\nimage_s = 0.2\nblank_s = 0.1333\n{CATCH}") == [
        "p.toml:6: screening.blank_s: 5 flashes in one second, where 3 are allowed: flicker can"
        " trigger a seizure; make image and blank longer, or record who approves it under"
        " [safety] (flashes_per_s, approved_by, reason)"
    ]


def test_encoding_too_fast_is_refused_as_a_setting_of_imagery(faults_of: FaultsOf) -> None:
    text = '[imagery]\nitems = ["dog", "cat", "cow", "owl", "cup", "hat"]\n'
    (fault,) = faults_of(f"{text}encode_s = 0.2\nencode_blank_s = 0.05\n")
    assert fault.startswith("p.toml:7: imagery.encode_blank_s: 4 flashes in one second, where 3 ")


def test_the_study_is_within_the_limit(plan_of: PlanOf) -> None:
    for catch in ("", CATCH.replace("after_s = 0.05", "").replace("[1, 1]", "[2, 80]")):
        assert flashes_per_s(plan_of(f"[screening]\n{catch}").blocks, 60.0) == 3


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("most", [1, 12, 500])
def test_whether_it_flickers_does_not_depend_on_the_seed(
    most: int, seed: int, faults_of: FaultsOf
) -> None:
    """Question, picture, question, picture: four within 52 frames, if chance brings them so."""
    catch = CATCH.replace("[1, 1]", f"[1, {most}]").replace("0.05", "0.1333")
    (found,) = faults_of(f"seed = {seed}\n[screening]\nrepeats = 1\n{catch}")
    assert found.startswith("p.toml:5: screening.blank_s: 4 flashes in one second, where 3 are ")


@pytest.mark.parametrize("seed", range(8))
def test_questions_that_never_follow_one_another_so_closely_are_allowed(
    seed: int, plan_of: PlanOf
) -> None:
    catch = CATCH.replace("[1, 1]", "[2, 2]").replace("0.05", "0.1333")
    assert plan_of(f"[screening]\n{catch}", seed=seed).safety is None
