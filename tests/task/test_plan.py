"""The file of a plan: what is read is what was written, and damage is told in words."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from task.contract.catalog import Catalog
from task.contract.errors import UserError
from task.plan import (
    CountdownItem,
    PictureItem,
    Plan,
    SoundItem,
    TextItem,
    ToneItem,
    read_plan,
    sounds_of,
)
from task.planning import make_plan
from task.protocol import (
    Catch,
    CatchQuestion,
    Imagery,
    Interruptions,
    Look,
    Pictures,
    Practice,
    Protocol,
    Question,
    Rest,
    Safety,
    Screening,
    Texts,
)
from tests.task.staged import PlanOf

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
READ = WORDS.filter(str.strip)  # what a patient can read
SIX = ("dog", "cat", "cow", "owl", "cup", "hat")
kinds = st.lists(st.sampled_from(("word", "picture", "tone", "sound")), min_size=1, unique=True)

shared: Mapping[str, Any] = {
    "name": st.just("x"),
    "round_to_frames": st.just(True),
    "banner": st.just("") | WORDS,
    "seed": st.none() | st.integers(0, 2**32 - 1),
    "look": st.builds(Look, theme=st.sampled_from(("light", "dark")), fixation=st.booleans()),
    "rest": st.builds(
        Rest,
        before_s=st.sampled_from((0.0, 2.0)),
        after_s=st.sampled_from((0.0, 3.3)),
        eyes=st.sampled_from(("open", "closed")),
    ),
    "questionnaire": st.lists(
        st.builds(
            Question,
            id=st.from_regex(r"\A[a-z]{1,4}\Z"),
            text=READ,
            answers=st.sampled_from(("yes or no", "1 to 5", "1 to 7", "0 to 9")),
            low=st.just("") | WORDS,
            high=st.just("") | WORDS,
            when=st.sampled_from(("before", "after")),
        ),
        max_size=3,
        unique_by=lambda question: question.id,
    ).map(tuple),
    "interruptions": st.builds(
        Interruptions,
        trial=st.sampled_from(("repeat", "keep")),
        triggers=st.sampled_from(("pause", "continue", "stop")),
    ),
    "texts": st.builds(
        Texts,
        instructions=st.lists(READ, max_size=2).map(tuple),
        pause=READ,
        text_s=st.sampled_from((0.0, 5.0)),
    ),
    "codes": st.sampled_from(({}, {"image_on": 20}, {"image_on": 200})),
    "safety": st.none()
    | st.builds(
        Safety,
        flashes_per_s=st.just(10.0),
        approved_by=WORDS.map("Dr {}".format),
        reason=st.just("known"),
    ),
}


def _with_sounds_of_practice(protocol: Protocol) -> Protocol:
    task = protocol.imagery
    if not (task and task.sounds and protocol.practice):
        return protocol
    sounds = task.sounds | {i: f"{i}.wav" for i in protocol.practice.pictures}
    return protocol.model_copy(update={"imagery": task.model_copy(update={"sounds": sounds})})


screenings = st.builds(
    Protocol,
    **shared,
    pictures=st.just(Pictures(exclude=("key", "pen"))),
    practice=st.none() | st.just(Practice(pictures=("key", "pen"), rounds=2)),
    screening=st.builds(
        Screening,
        repeats=st.integers(1, 2),
        image_s=st.just(0.4),
        blank_s=st.just(0.3),
        break_after=st.none() | st.integers(3, 20),
        break_s=st.sampled_from((0.0, 5.0)),
        catch=st.none()
        | st.builds(
            Catch,
            distance=st.tuples(st.integers(1, 3), st.integers(3, 6)),
            question=st.tuples(st.builds(CatchQuestion, text=READ, yes_groups=st.just(("plant",)))),
        ),
    ),
)
imageries = st.builds(
    Protocol,
    **shared,
    practice=st.none() | st.just(Practice(pictures=("key", "pen"))),
    imagery=st.builds(
        lambda cue, closed, search_s, rating_s, confidence_s, words: Imagery(
            items=SIX,
            cue=tuple(cue),
            sounds={i: f"{i}.wav" for i in SIX} if "sound" in cue else {},
            words={item: f"{item} {word}" for item, word in words.items()},
            eyes_closed=closed and bool({"tone", "sound"} & set(cue)),
            search_s=search_s,
            rating_s=rating_s,
            confidence_s=confidence_s,
            encode_views=1,
            cues_per_item=1,
            after_s=1.5,
        ),
        kinds,
        st.booleans(),
        *[st.sampled_from((0.0, 4.0))] * 3,
        st.dictionaries(st.sampled_from(SIX), WORDS, max_size=2),
    ),
).map(_with_sounds_of_practice)


protocols = screenings | imageries


def planned(protocol: Protocol, pets: Catalog, at_once: int | None = None) -> Plan:
    return make_plan(protocol, pets, seed=3, refresh_hz=60.0, spacing_frames=2, at_once=at_once)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(protocol=protocols, at_once=st.none() | st.integers(2, 12))
def test_a_plan_read_from_its_file_is_the_plan(
    protocol: Protocol, at_once: int | None, pets: Catalog
) -> None:
    plan = planned(protocol, pets, at_once)
    again = read_plan(plan.text)
    assert again == plan
    assert again.text == plan.text
    assert again.sha256 == plan.sha256


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(protocol=protocols)
def test_a_plan_knows_all_that_is_read_heard_and_answered(
    protocol: Protocol, pets: Catalog
) -> None:
    plan = planned(protocol, pets)
    items = [i for s in plan.steps for i in s.screen]
    assert set(plan.texts) == {plan.banner, *(i.text for i in items if isinstance(i, TextItem))}
    assert set(plan.sounds) == {i for i in items if isinstance(i, ToneItem | SoundItem)}
    assert set(plan.picture_ids) == {i.picture for i in items if isinstance(i, PictureItem)}
    answers = {a for s in plan.steps for a in s.answers} - {"any"}
    assert set(plan.answers) == answers and len(plan.answers) == len(answers)
    assert sounds_of(s.screen for s in plan.steps) == plan.sounds
    numbers = [
        plan.number_of(b, t)
        for b, block in enumerate(plan.blocks)
        for t in range(len(block.trials))
    ]
    assert numbers == list(range(1, plan.trials + 1))


def test_every_kind_of_item_survives(plan_of: PlanOf) -> None:
    plan = plan_of(
        '[imagery]\nitems = ["dog", "cat", "cow", "owl", "cup", "hat"]\n'
        'cue = ["word", "picture", "tone", "sound"]\n'
        'sounds = {dog = "d", cat = "c", cow = "w", owl = "o", cup = "u", hat = "h"}\n'
    )
    found = {type(item) for item in read_plan(plan.text).items}
    assert found == {TextItem, PictureItem, ToneItem, SoundItem, CountdownItem}


# Damage --------------------------------------------------------------------------------------


@pytest.fixture
def document(plan_of: PlanOf) -> dict[str, Any]:
    return plan_of("[screening]\nrepeats = 1\n").document


def refused(text: str) -> str:
    with pytest.raises(UserError) as error:
        read_plan(text)
    return str(error.value)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_a_plan_of_another_version_is_refused(version: object, document: dict[str, Any]) -> None:
    assert refused(json.dumps(document | {"schema": version})) == (
        "plan.json: is of another version of imagery than 1"
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "1", "null", '"x"', "{}", '{"schema": 1}'])
def test_what_is_no_plan_is_refused_in_words(text: str) -> None:
    assert refused(text).startswith("plan.json: is damaged: ")


Damage = Callable[[dict[str, Any]], Any]
DAMAGES: dict[str, Damage] = {
    "no seed": lambda d: d.pop("seed"),
    "a key too many": lambda d: d.update(extra=1),
    "no blocks": lambda d: d.pop("blocks"),
    "blocks are a number": lambda d: d.update(blocks=3),
    "a block is a list": lambda d: d["blocks"].__setitem__(0, []),
    "no trials": lambda d: d["blocks"][0].pop("trials"),
    "a kind that there is not": lambda d: d["blocks"][0]["trials"][0].update(kind="sleep"),
    "no steps": lambda d: d["blocks"][0]["trials"][0].pop("steps"),
    "no code": lambda d: d["blocks"][0]["trials"][0]["steps"][0].pop("code"),
    "answers are missing": lambda d: d["blocks"][0]["trials"][0]["steps"][0].update(answers=None),
    "a medium that there is not": lambda d: screen(d)[0].update(medium="movie"),
    "no medium": lambda d: screen(d)[0].pop("medium"),
    "a size too many": lambda d: screen(d)[0].update(depth_deg=1),
    "no words": lambda d: screen(d)[0].pop("text"),
    "warnings are nothing": lambda d: d.update(warnings=None),
}


def screen(document: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document["blocks"][0]["trials"][0]["steps"][0]["screen"]
    return found


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_plan_is_refused_in_words(damage: str, document: dict[str, Any]) -> None:
    DAMAGES[damage](document)
    assert refused(json.dumps(document)).startswith("plan.json: is damaged: ")


@given(cut=st.integers(0, 20_000))
def test_a_plan_cut_short_is_refused(cut: int, plan_of: PlanOf) -> None:
    text = plan_of("[screening]\nrepeats = 1\n").text
    assert refused(text[: cut % len(text)]).startswith("plan.json: is damaged: ")
