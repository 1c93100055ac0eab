"""What has no room on a screen is found before a session, at the border to the pixel."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from task.bitmaps import words
from task.contract.codes import CODE_TABLE
from task.contract.errors import RigError, StimulusError
from task.contract.sessionlog import Kind
from task.plan import Block, CountdownItem, Item, PictureItem, Plan, Step, TextItem, ToneItem, Trial
from task.preflight.layout import outside, refuse_outside
from task.rigfile import Screen
from task.rigs.simulated import SimulatedDisplay
from task.room import Room, room_of, room_said

SCALE = 40.0
LINE = TextItem("Was there a person or a part of a person?", 0.9)
WIDTH_DEG = words(LINE.text, 0.9 * SCALE).width / SCALE


def plan(*items: Item, banner: str = "") -> Plan:
    block = Block("x", (Trial(Kind.VIEW, (Step("IMAGE_ON", items, 60),)),))
    return Plan("x", 60.0, 1, 2, dict(CODE_TABLE), "pets", (block,), (), banner)


def room(width_deg: float = 40.0, height_deg: float | None = 30.0) -> Room:
    return Room(width_deg, height_deg, SCALE)


@pytest.mark.parametrize(
    ("more_deg", "said"),
    [
        (0.0, []),
        (-0.1, [f"{LINE.text!r} needs a screen {WIDTH_DEG:.1f} degrees wide; this one has"
                f" {WIDTH_DEG - 0.1:.1f}"]),
    ],
)  # fmt: skip
def test_a_text_must_be_as_wide_as_the_screen_or_less(more_deg: float, said: Sequence[str]) -> None:
    assert outside(plan(LINE), room(WIDTH_DEG + more_deg), {}) == said


def test_what_stands_off_the_middle_needs_a_wider_screen() -> None:
    there = TextItem("a", 0.9, x_deg=-9.9)
    assert outside(plan(there), room(21.0), {}) == []
    (said,) = outside(plan(there), room(20.0), {})
    assert said.startswith("'a' needs a screen 20.4 degrees wide; this one has 20.0")


def test_what_stands_too_high_or_low_is_told_where_the_height_is_known() -> None:
    there = TextItem("a", 0.9, y_deg=-7.3)
    (said,) = outside(plan(there), room(20.0, 15.0), {})
    assert said.startswith("'a' needs a screen 15.7 degrees high; this one has 15.0")
    assert outside(plan(there), room(20.0, None), {}) == []


def test_countdowns_and_the_banner_need_room_and_sounds_none() -> None:
    found = outside(
        plan(CountdownItem(3.0), ToneItem(440.0, 0.1), banner="not for patients"), room(3.0), {}
    )
    assert [said.split(" needs ")[0] for said in found] == [
        "the countdown of a break",
        "'not for patients'",
    ]


def test_a_turned_letter_is_measured_as_it_is_drawn() -> None:
    across, upright = TextItem("ll" * 12, 0.9), TextItem("ll" * 12, 0.9, turn_deg=90.0)
    assert len(outside(plan(across), room(5.0), {})) == 1
    assert outside(plan(upright), room(5.0), {}) == []


def test_a_picture_is_measured_with_its_own_height(tmp_path: Path) -> None:
    file = tmp_path / "dog.png"
    Image.new("L", (100, 300)).save(file)
    found = outside(plan(PictureItem("dog", 6.0)), room(20.0, 15.0), {"dog": file})
    assert found == ["picture dog needs a screen 18.0 degrees high; this one has 15.0"]
    with pytest.raises(StimulusError):
        outside(plan(PictureItem("dog", 6.0)), room(), {"dog": tmp_path / "cat.png"})


def test_the_same_fault_is_told_once() -> None:
    twice = plan(TextItem("aaaa", 0.9), TextItem("aaaa", 0.9, y_deg=1.0))
    assert len(outside(twice, room(1.0), {})) == 1


def test_the_room_of_a_display_is_what_it_says_of_itself() -> None:
    display = SimulatedDisplay(60.0)
    assert room_of(display) is None
    display.description |= {"size_px": [1280, 800], "px_per_deg": 40.0}
    assert room_of(display) == Room(32.0, 20.0, 40.0)


def test_the_room_of_a_rig_file_is_as_high_as_it_says() -> None:
    full = room_said(Screen(width_cm=34.5, distance_cm=60.0))
    assert full.width_deg == pytest.approx(32.94, abs=0.01) and full.height_deg is None
    window = room_said(
        Screen(width_cm=34.5, distance_cm=60.0, full_screen=False, window_px=(1280, 800))
    )
    assert window.width_deg == pytest.approx(full.width_deg)
    assert window.height_deg == pytest.approx(full.width_deg / 1.6)


def test_check_refuses_all_that_has_no_room() -> None:
    screen = Screen(width_cm=10.0, distance_cm=60.0)
    with pytest.raises(RigError) as error:
        refuse_outside(plan(LINE, TextItem("a", 0.9)), screen, {})
    said = str(error.value)
    assert said.startswith(f"{LINE.text!r} needs a screen ") and "\n" not in said
    assert said.endswith(
        " degrees wide; this one has 9.5; write fewer words, make it smaller under [look], or"
        " correct width_cm and distance_cm in the rig file (a session that is resumed needs a"
        " screen like the one it was planned for)"
    )
    refuse_outside(plan(TextItem("a", 0.9)), screen, {})
