"""Screens drawn for a page are those of a real PsychoPy window, pixel by pixel."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from task.bitmaps import DARK, LIGHT, THEMES
from task.countdown import at
from task.drawing import drawn
from task.placing import Canvas, canvas_said
from task.plan import Plan, Screen
from task.rigfile import RigFile
from task.rigs.window import WindowDisplay

BANNER = "DEMONSTRATION - not for patients"
RIG = RigFile.model_validate(
    {
        "name": "x",
        "triggers": {"device": "none"},
        "screen": {"full_screen": False, "window_px": (961, 600)},
    }
)
SCREENING = """
[look]
picture_deg = 7.3
[screening]
repeats = 2
break_after = 9
[screening.catch]
distance = [1, 3]
[[screening.catch.question]]
text = "Was it an animal, or something that looks like one?"
yes_groups = ["animal"]
[[questionnaire]]
id = "effort"
text = "How well could you look?"
low = "not at all"
high = "very well"
"""
IMAGERY = """language = "es"
[look]
theme = "dark"
[imagery]
items = ["dog", "cat", "cow", "owl", "cup", "hat"]
cue = ["word", "picture", "tone"]
confidence_s = 5.0
[imagery.words]
cup = "كأس"
key = "llave"
pen = "pluma"
cow = "vaca"
[practice]
pictures = ["key", "pen"]
[rest]
before_s = 10.0
"""


@pytest.fixture(scope="module", params=[SCREENING, IMAGERY], ids=["screening", "imagery"])
def plan(request: pytest.FixtureRequest, plan_of: Callable[..., Plan]) -> Plan:
    made: Plan = plan_of(request.param)
    return made


@pytest.fixture(scope="module")
def display(screen: None, plan: Plan, files: Mapping[str, Path]) -> Iterator[WindowDisplay]:
    opened = WindowDisplay(RIG, files, BANNER, THEMES[plan.theme])
    yield opened
    opened.close()


def screens_by_code(plan: Plan) -> dict[str, list[Screen]]:
    """A few screens of every code."""
    found: dict[str, list[Screen]] = {}
    for step in plan.steps:
        shown = at(step.screen, step.frames, plan.refresh_hz)
        alike = found.setdefault(step.code, [])
        if shown not in alike and len(alike) < 4:
            alike.append(shown)
    return found


def test_every_kind_of_screen_is_drawn_as_the_window_shows_it(
    plan: Plan, display: WindowDisplay, files: Mapping[str, Path]
) -> None:
    canvas, theme = canvas_said(RIG.screen), THEMES[plan.theme]
    kinds = screens_by_code(plan)
    assert {"TEXT_ON", "QUESTION_ON"} <= set(kinds)
    display.flip(None)
    for _ in display.prepare(screen for alike in kinds.values() for screen in alike):
        pass
    for code, alike in kinds.items():
        for screen in alike:
            display.draw(screen)
            seen = display.pixels().convert("RGB")
            display.flip(None)
            page = drawn(screen, canvas, files, theme, BANNER).convert("RGB")
            assert page.size == seen.size
            assert difference(page, seen) == 0, f"{code}: {screen}"


def difference(a: Image.Image, b: Image.Image) -> int:
    return max(high for _, high in ImageChops.difference(a, b).getextrema())  # type: ignore[misc]


def test_the_screen_of_a_rig_file_is_that_of_its_window(display: WindowDisplay) -> None:
    canvas = canvas_said(RIG.screen)
    assert [canvas.width_px, canvas.height_px] == display.description["size_px"]
    assert canvas.px_per_deg == pytest.approx(display.description["px_per_deg"], abs=1e-3)


def test_a_full_screen_is_taken_to_be_a_wide_one() -> None:
    rig = RIG.model_copy(update={"screen": RIG.screen.model_copy(update={"full_screen": True})})
    assert canvas_said(rig.screen)[:2] == (1920, 1080)


def test_a_screen_without_colours_is_grey(files: Mapping[str, Path], plan: Plan) -> None:
    canvas = Canvas(320, 200, 11.0)
    blank = drawn((), canvas, files, DARK)
    assert (blank.mode, blank.getextrema()) == ("L", (DARK.ground, DARK.ground))
    assert drawn((), canvas, files, LIGHT).getpixel((0, 0)) == LIGHT.ground
