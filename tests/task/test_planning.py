"""Every frame and code of a session is decided here, and nothing is shown that must not be."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from task.contract.catalog import Catalog
from task.contract.codes import CODE_TABLE
from task.contract.errors import PlanError
from task.contract.sessionlog import Kind
from task.flicker import flashes_per_s
from task.plan import (
    BLANK,
    Block,
    PictureItem,
    Plan,
    Screen,
    Step,
    TextItem,
    ToneItem,
    Trial,
)
from task.planning import make_plan
from task.protocol import Imagery, Look, Pictures, Protocol, Screening

PlanOf = Callable[..., Plan]
FaultsOf = Callable[..., list[str]]
ITEMS = ("dog", "cat", "cow", "owl", "cup", "hat", "key", "pen")
SIX = 'items = ["dog", "cat", "cow", "owl", "cup", "hat"]\n'  # the header has 3 lines

screenings = st.builds(
    Protocol,
    name=st.just("x"),
    round_to_frames=st.just(True),
    pictures=st.builds(Pictures, per_group=st.none() | st.integers(1, 4)),
    look=st.builds(Look, fixation=st.booleans()),
    screening=st.builds(
        Screening,
        repeats=st.integers(1, 3),
        image_s=st.floats(0.34, 0.6),
        blank_s=st.floats(0.05, 0.3),
        break_after=st.none() | st.integers(1, 40),
        break_s=st.sampled_from((0.0, 5.0)),
    ),
)
imageries = st.builds(
    Protocol,
    name=st.just("x"),
    round_to_frames=st.just(True),
    imagery=st.builds(
        Imagery,
        items=st.sampled_from((6, 8)).map(lambda n: ITEMS[:n]),
        cue=st.sampled_from(("word", "picture", ("word", "picture"))),
        encode_views=st.integers(1, 3),
        encode_s=st.floats(0.4, 1.5),
        search_s=st.sampled_from((0.0, 4.0)),
        cues_per_item=st.integers(1, 3),
        rating_s=st.sampled_from((0.0, 2.0)),
        break_s=st.sampled_from((0.0, 5.0)),
    ),
)
displays = st.sampled_from((60.0, 75.0, 120.0, 144.0))


def trials_of(plan: Plan, kind: Kind) -> list[Trial]:
    return [t for b in plan.blocks for t in b.trials if t.kind is kind]


def steps_of(plan: Plan) -> list[Step]:
    return [s for b in plan.blocks for t in b.trials for s in t.steps]


# A plan is a plain function of what it was given ---------------------------------------------


@given(protocol=screenings | imageries, seed=st.integers(0, 2**32), refresh_hz=displays)
def test_the_same_arguments_give_the_same_plan(
    protocol: Protocol, seed: int, refresh_hz: float, pets: Catalog
) -> None:
    first, second = (
        make_plan(protocol, pets, seed=seed, refresh_hz=refresh_hz, spacing_frames=2)
        for _ in range(2)
    )
    assert first == second
    assert first.sha256 == second.sha256 == hashlib.sha256(first.text.encode()).hexdigest()


@given(protocol=screenings | imageries, seed=st.integers(0, 2**32))
def test_another_seed_gives_another_plan(protocol: Protocol, seed: int, pets: Catalog) -> None:
    first, second = (
        make_plan(protocol, pets, seed=n, refresh_hz=60.0, spacing_frames=2)
        for n in (seed, seed + 1)
    )
    assert first.sha256 != second.sha256
    order = [[t.item for t in trials_of(p, Kind.VIEW)] for p in (first, second)]
    assert order[0] != order[1] or len(order[0]) <= 9


def test_the_seed_of_the_protocol_goes_before_that_of_the_session(plan_of: PlanOf) -> None:
    text = "seed = 7\n[screening]\n"
    assert plan_of(text, seed=1) == plan_of(text, seed=2)
    assert plan_of(text).seed == 7


@given(protocol=screenings | imageries)
def test_a_plan_is_written_as_json(protocol: Protocol, pets: Catalog) -> None:
    plan = make_plan(protocol, pets, seed=0, refresh_hz=60.0, spacing_frames=2)
    read = json.loads(plan.text)
    assert read["schema"] == 1
    items = [t["item"] for b in read["blocks"] for t in b["trials"]]
    assert items == [t.item for b in plan.blocks for t in b.trials]
    frames = [s["frames"] for b in read["blocks"] for t in b["trials"] for s in t["steps"]]
    assert frames == [s.frames for s in steps_of(plan)]


# Screening -----------------------------------------------------------------------------------


@given(protocol=screenings, refresh_hz=displays, seed=st.integers(0, 2**32))
def test_every_picture_of_a_screening_comes_once_in_each_repeat(
    protocol: Protocol, refresh_hz: float, seed: int, pets: Catalog
) -> None:
    plan = make_plan(protocol, pets, seed=seed, refresh_hz=refresh_hz, spacing_frames=2)
    assert protocol.screening
    order = [t.item for t in trials_of(plan, Kind.VIEW)]
    each = protocol.pictures.per_group or 4
    assert len(plan.picture_ids) == 3 * each
    for repeat in range(protocol.screening.repeats):
        shown = order[repeat * 3 * each : (repeat + 1) * 3 * each]
        assert sorted(map(str, shown)) == sorted(plan.picture_ids)
    assert all(a != b for a, b in pairwise(order))


@given(protocol=screenings, refresh_hz=displays)
def test_every_view_lasts_the_frames_that_are_nearest(
    protocol: Protocol, refresh_hz: float, pets: Catalog
) -> None:
    plan = make_plan(protocol, pets, seed=0, refresh_hz=refresh_hz, spacing_frames=2)
    task = protocol.screening
    assert task
    for trial in trials_of(plan, Kind.VIEW):
        image, blank = trial.steps
        assert image.screen == (PictureItem(trial.item or "", 6.5),)
        assert abs(image.frames - task.image_s * refresh_hz) <= 0.5
        assert abs(blank.frames - task.blank_s * refresh_hz) <= 0.5
        assert bool(blank.screen) == protocol.look.fixation


def test_the_study_shows_16_and_8_frames(plan_of: PlanOf) -> None:
    plan = plan_of("[screening]\n")
    frames = {tuple(s.frames for s in t.steps) for t in trials_of(plan, Kind.VIEW)}
    assert frames == {(16, 8)}


def test_breaks_come_after_so_many_trials_and_first_the_instruction(plan_of: PlanOf) -> None:
    plan = plan_of("[screening]\nrepeats = 2\nbreak_after = 10\nbreak_s = 30\n")
    assert [len(b.trials) for b in plan.blocks] == [11, 11, 5, 1]
    texts = [t.steps[0] for t in trials_of(plan, Kind.TEXT)]
    said = [
        item.text.split("\n")[0] for s in texts for item in s.screen if isinstance(item, TextItem)
    ]
    assert said == [
        "Please look at the pictures.",
        "A short break.",
        "A short break.",
        "Thank you.",
    ]
    assert [s.frames for s in texts] == [7200, 1800, 1800, 120]


def test_without_breaks_a_break_is_not_shown(plan_of: PlanOf) -> None:
    plan = plan_of("[screening]\nrepeats = 3\nbreak_s = 0\n[texts]\ntext_s = 0\n")
    assert [b.trials[0].kind for b in plan.blocks] == [Kind.VIEW] * 3 + [Kind.TEXT]


def test_pictures_can_be_chosen_by_id_by_group_and_by_number(plan_of: PlanOf) -> None:
    def chosen(text: str) -> tuple[str, ...]:
        return plan_of(f"[screening]\n[pictures]\n{text}\n").picture_ids

    assert chosen('ids = ["pen", "dog"]') == ("dog", "pen")
    assert chosen('groups = ["plant"]\nexclude = ["oak"]') == ("rose", "fern", "moss")
    assert len(chosen('groups = ["plant", "thing"]\nper_group = 2')) == 4
    assert chosen('exclude = ["dog", "cat", "cow", "owl"]')[0] == "rose"


def test_a_sample_of_a_group_depends_on_the_seed(plan_of: PlanOf) -> None:
    text = "[screening]\n[pictures]\nper_group = 2\n"
    seen = {id_ for seed in range(20) for id_ in plan_of(text, seed=seed).picture_ids}
    assert len(seen) == 12


# Imagery -------------------------------------------------------------------------------------


@given(protocol=imageries, refresh_hz=displays, seed=st.integers(0, 2**32))
def test_an_imagery_block_shows_two_items_then_has_them_imagined_in_turn(
    protocol: Protocol, refresh_hz: float, seed: int, pets: Catalog
) -> None:
    plan = make_plan(protocol, pets, seed=seed, refresh_hz=refresh_hz, spacing_frames=2)
    task = protocol.imagery
    assert task
    *blocks, end = plan.blocks
    assert (len(blocks), end.kind) == (len(task.items), "end")
    for block in blocks:
        seen = [t.item for t in block.trials if t.kind is Kind.ENCODE]
        imagined = [t.item for t in block.trials if t.kind is Kind.IMAGINE]
        assert set(seen) == set(imagined) and len(set(seen)) == 2
        assert set(Counter(seen).values()) == {task.encode_views}
        assert set(Counter(imagined).values()) == {task.cues_per_item}
        assert all(a != b for a, b in pairwise(imagined))
        kinds = [t.kind for t in block.trials if t.kind is not Kind.TEXT]
        search = [Kind.SEARCH] if task.search_s else []
        assert kinds == [
            *[Kind.ENCODE] * len(seen), *search, Kind.BASELINE, *[Kind.IMAGINE] * len(imagined)
        ]  # fmt: skip


@given(protocol=imageries)
def test_nothing_is_on_the_screen_while_imagining(protocol: Protocol, pets: Catalog) -> None:
    plan = make_plan(protocol, pets, seed=0, refresh_hz=60.0, spacing_frames=2)
    blank = {"IMAGERY_ON", "IMAGERY_OFF", "RATING_OFF", "BASELINE_ON", "BASELINE_OFF", "SEARCH_OFF"}
    assert {s.code for s in steps_of(plan) if s.screen == BLANK} >= blank - {
        *({} if protocol.imagery and protocol.imagery.rating_s else {"RATING_OFF"}),
        *({} if protocol.imagery and protocol.imagery.search_s else {"SEARCH_OFF"}),
    }
    assert all(s.screen == BLANK for s in steps_of(plan) if s.code in blank)


@pytest.mark.parametrize(
    ("cue", "shown"),
    [
        ('"word"', [TextItem]),
        ('"picture"', [PictureItem]),
        ('["word", "picture"]', [PictureItem, TextItem]),
        ('["tone", "word"]', [TextItem, ToneItem]),
    ],
)
def test_a_cue_is_a_word_a_small_picture_or_both(
    cue: str, shown: list[type], plan_of: PlanOf
) -> None:
    plan = plan_of(f'language = "es"\n[imagery]\n{SIX}cue = {cue}\nwords = {{dog = "can"}}\n')
    screens = {t.item: t.steps[0].screen for t in trials_of(plan, Kind.IMAGINE)}
    assert {tuple(map(type, screen)) for screen in screens.values()} == {tuple(shown)}
    words = {n: i.text for n, s in screens.items() for i in s if isinstance(i, TextItem)}
    if words:
        assert (words["dog"], words["cat"]) == ("can", "gato")
    pictures = [i for s in screens.values() for i in s if isinstance(i, PictureItem)]
    assert all(i.width_deg < 6.5 / 2 for i in pictures)


@given(seed=st.integers(0, 2**32))
def test_a_search_has_a_t_exactly_if_yes_is_right(seed: int, plan_of: PlanOf) -> None:
    for trial in trials_of(plan_of(f"[imagery]\n{SIX}", seed=seed), Kind.SEARCH):
        step = trial.steps[0]
        letters = [i for i in step.screen if isinstance(i, TextItem) and i.text in ("T", "L")]
        assert len(letters) == 20
        assert sum(i.text == "T" for i in letters) == (step.correct == "yes")
        assert {i.turn_deg for i in letters} <= {0.0, 90.0, 180.0, 270.0}
        apart = min(
            max(abs(a.x_deg - b.x_deg), abs(a.y_deg - b.y_deg))
            for n, a in enumerate(letters)
            for b in letters[:n]
        )
        assert apart > 1.0  # a letter is 0.9 degrees high


def test_a_target_is_there_in_half_of_the_searches(plan_of: PlanOf) -> None:
    answers = [
        trial.steps[0].correct
        for seed in range(50)
        for trial in trials_of(plan_of(f"[imagery]\n{SIX}", seed=seed), Kind.SEARCH)
    ]
    assert 110 < answers.count("yes") < 190 and len(answers) == 300


# Codes ---------------------------------------------------------------------------------------


@given(
    protocol=screenings | imageries,
    refresh_hz=displays,
    spacing=st.integers(2, 6),
    seed=st.integers(0, 9),
)
def test_the_codes_of_every_step_of_a_plan_fit_into_its_frames(
    protocol: Protocol, refresh_hz: float, spacing: int, seed: int, pets: Catalog
) -> None:
    try:
        plan = make_plan(protocol, pets, seed=seed, refresh_hz=refresh_hz, spacing_frames=spacing)
    except PlanError as error:
        assert all("trigger code" in what for _, what in error.faults)
        return
    for trial in (t for b in plan.blocks for t in b.trials):
        for position, step in enumerate(trial.steps):
            codes = 5 if position == 0 else 1
            assert step.answers or step.frames >= codes * spacing


@given(protocol=screenings | imageries)
def test_every_step_sends_a_code_of_the_table(protocol: Protocol, pets: Catalog) -> None:
    plan = make_plan(protocol, pets, seed=0, refresh_hz=60.0, spacing_frames=2)
    assert {s.code for s in steps_of(plan)} <= set(plan.codes)
    assert plan.codes == CODE_TABLE and plan.announced


def test_a_table_of_ones_own_replaces_the_values_it_names(plan_of: PlanOf) -> None:
    plan = plan_of("[screening]\n[codes]\nimage_on = 108\nIMAGE_OFF = 111\n")
    assert plan.codes == {**CODE_TABLE, "IMAGE_ON": 108, "IMAGE_OFF": 111}
    assert plan.warnings == ()


def test_what_a_table_of_ones_own_loses_is_said(plan_of: PlanOf) -> None:
    plan = plan_of("[screening]\n[codes]\nimage_on = 200\nimage_off = 21\n")
    assert plan.warnings == (
        "IMAGE_ON = 200: values from 128 on are payload; sessions and presentations are not"
        " announced on the lines, so a lost log cannot be rebuilt from the recording",
        "IMAGE_ON = 200, IMAGE_OFF = 21: an odd number of lines; one dead line can turn it into"
        " another code",
    )
    assert not plan.announced


# Durations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "refresh_hz", "frames"),
    [(0.5, 60.0, 30), (0.4835, 60.0, 29), (0.5005, 60.0, 30), (0.4, 75.0, 30), (0.35, 120.0, 42)],
)
def test_a_time_within_half_a_millisecond_of_whole_frames_is_these(
    seconds: float, refresh_hz: float, frames: int, plan_of: PlanOf
) -> None:
    plan = plan_of(f"[screening]\nimage_s = {seconds}\nblank_s = 0.2\n", refresh_hz=refresh_hz)
    assert {t.steps[0].frames for t in trials_of(plan, Kind.VIEW)} == {frames}


@given(
    seconds=st.floats(0.34, 3).map(lambda s: round(s, 4)),
    refresh_hz=st.sampled_from((60.0, 75.0, 85.0, 119.88, 144.0, 240.0)),
)
def test_both_times_that_a_refusal_suggests_are_accepted(
    seconds: float, refresh_hz: float, pets: Catalog, protocol: Callable[[str], Protocol]
) -> None:
    def make(image_s: float) -> Plan:
        asked = protocol(f"[screening]\nimage_s = {image_s!r}\nblank_s = 1.0\nbreak_s = 0\n")
        screening = asked.screening
        assert screening
        whole = screening.model_copy(update={"blank_s": 80 / refresh_hz})
        asked = asked.model_copy(update={"screening": whole})
        return make_plan(asked, pets, seed=0, refresh_hz=refresh_hz, spacing_frames=2)

    try:
        make(seconds)
        assert abs(seconds - round(seconds * refresh_hz) / refresh_hz) <= 0.0005 + 1e-9
    except PlanError as error:
        assert abs(seconds - round(seconds * refresh_hz) / refresh_hz) > 0.0005 - 1e-9
        ((path, what),) = error.faults
        assert path == ("screening", "image_s")
        suggested = [float(s.split()[0]) for s in what.split("use ")[1].split(" s (")[:1]]
        suggested += [float(what.split(" or ")[1].split()[0])]
        assert suggested[0] < seconds < suggested[1]
        for near in suggested:
            make(near)


def test_a_plan_knows_how_long_it_takes(plan_of: PlanOf) -> None:
    plan = plan_of("[screening]\nrepeats = 1\nbreak_s = 0\n[texts]\ntext_s = 0\n")
    sweep, session_and_code, code = 36 * 2, 6 * 2, 2
    frames = sweep + session_and_code  # the run's own
    frames += session_and_code + 12 * 24 + code  # pictures
    frames += session_and_code + 120 + 15 + code  # the end
    frames += 2 + code
    assert plan.fixed_s == plan.longest_s == frames / 60


def test_what_waits_for_an_answer_takes_at_most_its_time_and_a_code(plan_of: PlanOf) -> None:
    text = "[screening]\nrepeats = 1\nbreak_s = 0\n[texts]\ntext_s = "
    short, long = plan_of(f"{text}10\n"), plan_of(f"{text}20\n")
    assert long.longest_s - short.longest_s == pytest.approx(10)
    assert long.fixed_s == short.fixed_s
    assert short.longest_s - short.fixed_s == pytest.approx(10 + 2 / 60)


# Flashes -------------------------------------------------------------------------------------


def blocks_of(onsets: list[int]) -> list[Block]:
    picture: Screen = (PictureItem("dog", 6.5),)
    steps = []
    for now, after in pairwise([*onsets, onsets[-1] + 100]):
        steps += [Step("IMAGE_ON", picture, 1), Step("IMAGE_OFF", BLANK, after - now - 1)]
    return [Block("screening", (Trial(Kind.VIEW, tuple(steps)),))]


@given(gaps=st.lists(st.integers(2, 40), min_size=1, max_size=20), refresh_hz=displays)
def test_flashes_are_the_most_onsets_in_any_one_second(gaps: list[int], refresh_hz: float) -> None:
    onsets = [sum(gaps[:n]) for n in range(len(gaps) + 1)]
    counted = max(sum(a <= b < a + refresh_hz for b in onsets) for a in onsets)
    assert flashes_per_s(blocks_of(onsets), refresh_hz) == counted


def test_an_onset_a_whole_second_later_is_in_another_second() -> None:
    assert flashes_per_s(blocks_of([0, 20, 40, 60]), 60.0) == 3
    assert flashes_per_s(blocks_of([0, 20, 40, 59]), 60.0) == 4


def test_the_fixation_cross_is_no_flash() -> None:
    cross = Step("IMAGE_OFF", (TextItem("+", 0.6),), 5)
    assert flashes_per_s([Block("x", (Trial(Kind.VIEW, (cross,) * 30),))], 60.0) == 0


def test_an_override_of_the_flash_limit_stays_in_the_plan(plan_of: PlanOf) -> None:
    plan = plan_of(
        "[screening]\nimage_s = 0.2\nblank_s = 0.05\n"
        '[safety]\nflashes_per_s = 4\napproved_by = "Dr Who"\nreason = "EEG normal"\n'
    )
    approved = {"flashes_per_s": 4.0, "approved_by": "Dr Who", "reason": "EEG normal"}
    assert plan.safety == approved
    assert json.loads(plan.text)["safety"] == approved


def test_an_override_allows_no_more_than_it_says(faults_of: FaultsOf) -> None:
    found = faults_of(
        "[screening]\nimage_s = 0.2\nblank_s = 0.05\n"
        '[safety]\nflashes_per_s = 3.5\napproved_by = "Dr Who"\nreason = "EEG normal"\n'
    )
    assert found == [
        "p.toml:6: screening.blank_s: 4 flashes in one second, where 3.5 are allowed: flicker can"
        " trigger a seizure; make image and blank longer, or record who approves it under"
        " [safety] (flashes_per_s, approved_by, reason)"
    ]


# What a user reads ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "[screening]\nimage_s = 0.37\n",
            [
                "p.toml:5: screening.image_s: 0.37 s is 22.20 frames at 60 Hz; use 0.3667 s (22"
                " frames) or 0.3833 s (23 frames), or round_to_frames = true"
            ],
            id="no whole number of frames",
        ),
        pytest.param(
            "[screening]\nblank_s = 0.0004\nimage_s = 0.5\n",
            [
                "p.toml:5: screening.blank_s: 0.0004 s is 0.02 frames at 60 Hz; use 0.0167 s (1"
                " frame), or round_to_frames = true",
                "p.toml:5: screening.blank_s: 1 frame cannot hold 1 trigger code, each of 2"
                " frames; at least 2 frames are needed",
            ],
            id="less than a frame",
        ),
        pytest.param(
            "[screening]\nimage_s = 0.1\nblank_s = 0.3\n",
            [
                "p.toml:5: screening.image_s: 6 frames cannot hold 5 trigger codes, each of 2"
                " frames; at least 10 frames are needed"
            ],
            id="codes do not fit",
        ),
        pytest.param(
            "[screening]\nimage_s = 0.2\nblank_s = 0.1\n",
            [
                "p.toml:6: screening.blank_s: 4 flashes in one second, where 3 are allowed:"
                " flicker can trigger a seizure; make image and blank longer, or record who"
                " approves it under [safety] (flashes_per_s, approved_by, reason)"
            ],
            id="flicker",
        ),
        pytest.param(
            '[screening]\n[pictures]\nids = ["dog", "catt"]\n',
            ["p.toml:6: pictures.ids[2]: no picture 'catt' in set 'pets' (did you mean 'cat'?)"],
            id="missing picture",
        ),
        pytest.param(
            '[screening]\n[pictures]\ngroups = ["animals"]\nexclude = ["zebra"]\n',
            [
                "p.toml:6: pictures.groups: no group 'animals' in set 'pets' (did you mean"
                " 'animal'?)",
                "p.toml:7: pictures.exclude[1]: no picture 'zebra' in set 'pets'",
            ],
            id="missing group",
        ),
        pytest.param(
            '[screening]\n[pictures]\ngroups = ["xyz"]\n',
            [
                "p.toml:6: pictures.groups: no group 'xyz' in set 'pets'; it has animal, plant,"
                " thing"
            ],
            id="unlike any group",
        ),
        pytest.param(
            '[screening]\n[pictures]\nids = ["dog", "cat"]\nexclude = ["dog"]\n',
            ["p.toml:5: pictures: 1 picture left; choose at least two"],
            id="one picture left",
        ),
        pytest.param(
            f"[imagery]\n{SIX.replace('owl', 'cowl')}",
            ["p.toml:5: imagery.items[4]: no picture 'cowl' in set 'pets' (did you mean 'owl'?)"],
            id="missing item",
        ),
        pytest.param(
            f'language = "es"\n[imagery]\n{SIX.replace("hat", "pen")}',
            [
                "p.toml:6: imagery.items: pen has no name in language 'es'; give its cue word:"
                ' [imagery.words] pen = "..."'
            ],
            id="no word in the language",
        ),
        pytest.param(
            "[screening]\n[codes]\nimage_onn = 20\n",
            ["p.toml:6: codes.image_onn: no such code (did you mean 'image_on'?)"],
            id="unknown code",
        ),
        pytest.param(
            "[screening]\n[codes]\nimage_on = 23\n",
            ["p.toml:6: codes.image_on: 23 is also IMAGE_OFF; one value each"],
            id="a value of another code",
        ),
        pytest.param(
            "[screening]\n[codes]\nimage_on = 100\nimage_off = 100\n",
            [
                "p.toml:6: codes.image_on: 100 is also IMAGE_OFF; one value each",
                "p.toml:7: codes.image_off: 100 is also IMAGE_ON; one value each",
            ],
            id="two codes with one value",
        ),
        pytest.param(
            "[screening]\n[codes]\nimage_on = 100\nIMAGE_ON = 101\n",
            ["p.toml:7: codes.IMAGE_ON: is image_on again; give each code once"],
            id="one code twice",
        ),
        pytest.param(
            "[imagery]\nbaseline_s = 0.01\nimagine_s = 0.01\n"
            'items = ["a", "b", "c", "d", "e", "f"]\n',
            [
                "p.toml:5: imagery.baseline_s: 0.01 s is 0.60 frames at 60 Hz; use 0.0167 s (1"
                " frame), or round_to_frames = true",
                "p.toml:5: imagery.baseline_s: 1 frame cannot hold 5 trigger codes, each of 2"
                " frames; at least 10 frames are needed",
                "p.toml:6: imagery.imagine_s: 0.01 s is 0.60 frames at 60 Hz; use 0.0167 s (1"
                " frame), or round_to_frames = true",
                "p.toml:6: imagery.imagine_s: 1 frame cannot hold 1 trigger code, each of 2"
                " frames; at least 2 frames are needed",
                *(
                    f"p.toml:7: imagery.items[{n}]: no picture '{i}' in set 'pets'"
                    for n, i in enumerate("abcdef", start=1)
                ),
            ],
            id="everything at once",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(
    text: str, message: list[str], faults_of: FaultsOf
) -> None:
    assert faults_of(text) == message


def test_more_trials_than_there_are_numbers_are_refused(
    protocol: Callable[[str], Protocol], pets: Catalog
) -> None:
    dog = pets.pictures["dog"]
    many = replace(pets, pictures={f"dog_{n}": replace(dog, id=f"dog_{n}") for n in range(330)})
    asked = protocol("[screening]\nrepeats = 50\n")
    with pytest.raises(PlanError) as error:
        make_plan(asked, many, seed=0, refresh_hz=60.0, spacing_frames=2)
    assert str(error.value) == (
        "screening.repeats: more than 16383 trials; make two sessions of it"
    )


def test_the_gap_between_codes_grows_with_the_device(faults_of: FaultsOf) -> None:
    assert faults_of("[screening]\n", spacing_frames=4) == [
        "p.toml:4: screening.image_s: 16 frames cannot hold 5 trigger codes, each of 4 frames;"
        " at least 20 frames are needed"
    ]
