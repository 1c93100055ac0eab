"""The protocols and rigs that ship: valid, presentable, and safe to look at."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from task.bitmaps import BANNER_DEG, words
from task.contract.catalog import Catalog
from task.contract.sessionlog import Kind
from task.contract.settings import read_settings
from task.flicker import flashes_per_s
from task.fonts import undrawable
from task.places import PROTOCOLS, RIGS
from task.plan import CountdownItem, PictureItem, Plan, Screen, SoundItem, ToneItem
from task.planning import plan_file
from task.protocol import Texts, read_protocol
from task.rig import spacing_frames
from task.rigfile import read_rig
from task.room import px_per_deg
from task.screening import right_answer

PROTOCOL_FILES = sorted(PROTOCOLS.glob("*.toml"))
RIG_FILES = sorted(RIGS.glob("*.toml"))
# Screens at the bedside: size in pixels, width in cm, distance in cm.
SCREENS = {
    "laptop": ((1280, 800), 34.5, 60.0),
    "large": ((1920, 1080), 53.0, 60.0),
    "low": ((1366, 768), 31.0, 55.0),
    "old": ((1024, 768), 30.4, 60.0),
}

MINIMAL = """schema = 1
name = "mine"
[screening]
"""


@pytest.fixture(scope="module")
def plans(objects: Catalog) -> Mapping[str, Plan]:
    """Every protocol that ships, planned for 60 Hz."""
    return {
        path.stem: plan_file(
            read_protocol(path), objects, seed=1, refresh_hz=60.0, spacing_frames=2
        )
        for path in PROTOCOL_FILES
    }


def screens_of(plan: Plan) -> set[Screen]:
    return {s.screen for b in plan.blocks for t in b.trials for s in t.steps}


def test_protocols_and_rigs_ship() -> None:
    assert {path.stem for path in PROTOCOL_FILES} == {
        *("demo", "demo_imagery", "screening_500", "screening_es", "imagery_8", "imagery_short"),
        *("imagery_tones", "practice", "vividness", "resting_baseline"),
    }
    assert {"no_triggers", "serial_box"} <= {path.stem for path in RIG_FILES}


@pytest.mark.parametrize("name", [path.stem for path in PROTOCOL_FILES])
def test_a_protocol_is_named_like_its_file_and_says_what_it_is(name: str) -> None:
    text = (PROTOCOLS / f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("#:schema protocol.schema.json\n# ") and "schema = 1" in text
    assert read_protocol(PROTOCOLS / f"{name}.toml").protocol.name == name


def test_the_spanish_protocol_has_every_text_of_the_patients() -> None:
    given = read_settings(PROTOCOLS / "screening_es.toml").values["texts"]
    assert set(Texts.model_fields) - set(given) == {"text_s"}
    assert [key for key, words in given.items() if words == getattr(Texts(), key)] == ["no"]


def test_practice_shows_no_picture_of_another_imagery_session(plans: Mapping[str, Plan]) -> None:
    for name in ("imagery_8", "imagery_short", "imagery_tones"):
        assert not set(plans["practice"].picture_ids) & set(plans[name].picture_ids)


def test_the_short_session_fits_a_tired_patient(plans: Mapping[str, Plan]) -> None:
    plan = plans["imagery_short"]
    assert plan.fixed_s < 5 * 60 and plan.longest_s < 14 * 60


@pytest.mark.parametrize("name", [path.stem for path in PROTOCOL_FILES])
def test_a_protocol_keeps_the_flash_limit_without_an_override(
    name: str, plans: Mapping[str, Plan]
) -> None:
    plan = plans[name]
    assert plan.safety is None and plan.warnings == ()
    assert flashes_per_s(plan.blocks, plan.refresh_hz) <= 3


@pytest.mark.parametrize("rig", RIG_FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", [path.stem for path in PROTOCOL_FILES])
def test_every_protocol_can_be_shown_on_every_rig(name: str, rig: Path, objects: Catalog) -> None:
    triggers = read_rig(rig).triggers
    spacing = spacing_frames(triggers.pulse_s, triggers.gap_s, 60.0)
    file = read_protocol(PROTOCOLS / f"{name}.toml")
    assert plan_file(file, objects, seed=0, refresh_hz=60.0, spacing_frames=spacing).trials > 0


@pytest.mark.parametrize("path", RIG_FILES, ids=lambda path: path.stem)
def test_a_rig_is_named_like_its_file(path: Path) -> None:
    assert read_rig(path).name == path.stem


@pytest.mark.parametrize("name", [path.stem for path in PROTOCOL_FILES])
def test_the_font_has_every_character(name: str, plans: Mapping[str, Plan]) -> None:
    assert [text for text in plans[name].texts if undrawable(text)] == []


def boxes(
    screen: Screen, scale: float, size: tuple[int, int]
) -> list[tuple[float, float, float, float]]:
    """Left, top, right and bottom of every item, in pixels from the upper left corner."""
    found = []
    for item in screen:
        if isinstance(item, ToneItem | SoundItem):
            continue
        if isinstance(item, PictureItem):
            width = height = item.width_deg * scale  # the pictures that ship are square
        elif isinstance(item, CountdownItem):
            width, height = words("10:00", item.height_deg * scale).size
        else:
            width, height = words(item.text, item.height_deg * scale, item.turn_deg).size
        x, y = size[0] / 2 + item.x_deg * scale, size[1] / 2 - item.y_deg * scale
        found.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    return found


def assert_apart_and_inside(screen: Screen, machine: str) -> None:
    (width, height), width_cm, distance_cm = SCREENS[machine]
    scale = px_per_deg(width, width_cm, distance_cm)
    foot = height - (0.3 + 2.5 * BANNER_DEG) * scale  # where the banner stands
    margin, gap = 0.4 * scale, 0.1 * scale
    placed = boxes(screen, scale, (width, height))
    for n, (left, top, right, bottom) in enumerate(placed):
        assert left >= margin and right <= width - margin
        assert top >= margin and bottom <= foot
        for other_left, other_top, other_right, other_bottom in placed[:n]:
            beside = left > other_right + gap or right < other_left - gap
            above = top > other_bottom + gap or bottom < other_top - gap
            assert beside or above, screen


@pytest.mark.parametrize("machine", SCREENS)
@pytest.mark.parametrize("name", [path.stem for path in PROTOCOL_FILES])
def test_everything_is_inside_the_screen_and_nothing_overlaps(
    name: str, machine: str, plans: Mapping[str, Plan]
) -> None:
    for screen in screens_of(plans[name]):
        assert_apart_and_inside(screen, machine)


@pytest.mark.parametrize("text_deg", [0.5, 0.9, 1.5])
@pytest.mark.parametrize("language", ["en", "fa", "ru"])
def test_a_cue_of_picture_and_word_keeps_them_apart(
    language: str, text_deg: float, objects: Catalog, tmp_path: Path
) -> None:
    text = (PROTOCOLS / "imagery_8.toml").read_text(encoding="utf-8")
    text = text.replace('cue = "word"', 'cue = ["word", "picture"]')
    text = text.replace('language = "en"', f'language = "{language}"')
    text = text.replace("[imagery.words]", '[imagery.words]\ndog = "my\\nown\\ndog"')
    path = tmp_path / "p.toml"
    path.write_text(f"{text}[look]\ntext_deg = {text_deg}\n", encoding="utf-8")
    plan = plan_file(read_protocol(path), objects, seed=1, refresh_hz=60.0, spacing_frames=2)
    cues = {s.screen for b in plan.blocks for t in b.trials for s in t.steps if s.code == "CUE_ON"}
    assert {len(cue) for cue in cues} == {2} and len(cues) == 8
    for cue in cues:
        assert_apart_and_inside(cue, "laptop")


def test_the_shortest_protocol_has_three_lines(tmp_path: Path, objects: Catalog) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL)
    plan = plan_file(read_protocol(path), objects, seed=0, refresh_hz=60.0, spacing_frames=2)
    assert len(plan.picture_ids) == 500
    assert plan.trials == 4 * 501 + 1


def test_the_screening_that_ships_is_that_of_the_study(plans: Mapping[str, Plan]) -> None:
    trials = [t for b in plans["screening_500"].blocks for t in b.trials]
    views = [t for t in trials if t.kind is Kind.VIEW]
    assert len(views) == 2000
    assert 25 <= sum(t.kind is Kind.QUESTION for t in trials) <= 80
    assert {tuple(s.frames for s in t.steps) for t in views} == {(16, 8)}


def test_yes_and_no_are_right_about_equally_often_in_the_screening_that_ships(
    objects: Catalog,
) -> None:
    screening = read_protocol(PROTOCOLS / "screening_500.toml").protocol.screening
    assert screening and screening.catch
    no = 0.0
    for picture in objects.pictures.values():
        asked = {right_answer(q, picture.id, picture.group) for q in screening.catch.question}
        no += 0.5 if {"yes", "no"} <= asked else float("no" in asked)
    assert 0.45 < no / len(objects.pictures) < 0.55


def test_the_imagery_that_ships_is_that_of_the_study(plans: Mapping[str, Plan]) -> None:
    trials = [t for b in plans["imagery_8"].blocks for t in b.trials]
    kinds = [t.kind.value for t in trials]
    assert (kinds.count("encode"), kinds.count("imagine")) == (64, 64)
    imagined = {s.frames for t in trials for s in t.steps if s.code == "IMAGERY_ON"}
    assert imagined == {300}
