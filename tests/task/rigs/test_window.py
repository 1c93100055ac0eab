"""A real PsychoPy window: what is drawn is what was planned, pixel by pixel."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from task.bitmaps import DARK, LIGHT, Theme, bitmap
from task.contract.errors import RigError, StimulusError
from task.plan import (
    BLANK,
    CountdownItem,
    DeskItem,
    PictureItem,
    Plan,
    Screen,
    SoundItem,
    TextItem,
    ToneItem,
)
from task.rigfile import RigFile
from task.rigs import screens as facts
from task.rigs import window
from task.rigs.window import WindowDisplay, refresh_rate

ROOT = Path(__file__).parents[3]
BANNER = "DEMONSTRATION - not for patients"
IMAGERY = """[imagery]
items = ["dog", "cat", "cow", "owl", "cup", "hat"]
cue = ["word", "picture"]
"""
PlanOf = Callable[..., Plan]
GROUND = LIGHT.ground
CORNERS = ("top left", "top right", "bottom left", "bottom right")


def rig_file(**screen: object) -> RigFile:
    return RigFile.model_validate({"name": "x", "triggers": {"device": "none"}, "screen": screen})


@pytest.fixture(scope="module")
def display(screen: None, files: Mapping[str, Path]) -> Iterator[WindowDisplay]:
    """A window that fills the screen, with a banner."""
    opened = WindowDisplay(rig_file(), files, BANNER)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def plain(screen: None, files: Mapping[str, Path]) -> Iterator[WindowDisplay]:
    """A small window without a banner."""
    opened = WindowDisplay(rig_file(full_screen=False, window_px=(641, 480)), files, "")
    yield opened
    opened.close()


def size_of(display: WindowDisplay) -> tuple[int, int]:
    size = display.description["size_px"]
    assert isinstance(size, list)
    return int(size[0]), int(size[1])


def make_ready(display: WindowDisplay, screens: Iterable[Screen]) -> int:
    """Prepare to the end; how many textures were made."""
    display.flip(None)  # several windows are open here; from now on OpenGL means this one
    before = set(display._textures)
    for _ in display.prepare(screens):
        pass
    return len(set(display._textures) - before)


def expected(
    screen: Screen,
    display: WindowDisplay,
    files: Mapping[str, Path],
    theme: Theme = LIGHT,
) -> Image.Image:
    """The screen as bitmaps pasted together, with the y axis that degrees have."""
    width, height = size_of(display)
    scale = 60.0 * 0.0174550649 * width / 34.5  # tangent of a degree; the rig file's distances
    image = Image.new("RGB", (width, height), (theme.ground,) * 3)
    for item in screen:
        assert isinstance(item, PictureItem | TextItem)
        part = bitmap(item, scale, files, theme)
        left = round(width / 2 + item.x_deg * scale - part.width / 2)
        bottom = round(height / 2 + item.y_deg * scale - part.height / 2)
        image.paste(part.convert("RGB"), (left, height - bottom - part.height))
    return image


def drawn(display: WindowDisplay, screen: Screen, lit: bool = False) -> Image.Image:
    display.draw(screen, lit)
    image = display.pixels().convert("RGB")
    display.flip(None)
    assert isinstance(image, Image.Image)
    return image


def largest_difference(a: Image.Image, b: Image.Image) -> int:
    return max(high for _, high in ImageChops.difference(a, b).getextrema())  # type: ignore[misc]


def ink(image: Image.Image) -> tuple[int, int, int, int]:
    box = image.convert("L").point(lambda level: 255 * (abs(level - GROUND) > 8)).getbbox()
    assert box
    return box


# What is drawn -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["[screening]\n", IMAGERY], ids=["screening", "imagery"])
def test_every_screen_of_a_plan_is_shown_pixel_by_pixel(
    text: str, display: WindowDisplay, files: Mapping[str, Path], plan_of: PlanOf
) -> None:
    width, height = size_of(display)
    foot = height - round(1.2 * display.description["px_per_deg"])  # type: ignore[operator]
    for block in plan_of(text).blocks[:2]:
        screens = {s.screen for t in block.trials for s in t.steps}
        screens = {s for s in screens if not any(isinstance(i, CountdownItem) for i in s)}
        make_ready(display, screens)
        for shown in screens:
            above = (0, 0, width, foot)
            found, wanted = drawn(display, shown), expected(shown, display, files)
            assert largest_difference(found.crop(above), wanted.crop(above)) == 0


def test_the_banner_stands_at_the_foot_of_every_screen(
    display: WindowDisplay, files: Mapping[str, Path]
) -> None:
    width, height = size_of(display)
    make_ready(display, [BLANK, (PictureItem("dog", 6.5),)])
    blank, picture = drawn(display, BLANK), drawn(display, (PictureItem("dog", 6.5),))
    left, top, right, bottom = ink(blank)
    assert abs((left + right) - width) <= 2
    assert height * 0.9 < top < bottom < height - 5
    foot = (0, top, width, height)
    assert largest_difference(blank.crop(foot), picture.crop(foot)) == 0


@pytest.mark.parametrize(
    "shown",
    [
        (PictureItem("dog", 6.5),),
        (PictureItem("cat", 1.0, -3.0, 2.0), PictureItem("owl", 1.3, 4.1, -2.7)),
        (TextItem("L", 0.9, 1.7, -0.6, 90.0), TextItem("T", 0.9, -1.7, -0.6, 180.0)),
        (TextItem("+", 0.6),),
    ],
    ids=["picture", "pictures", "letters", "cross"],
)
def test_odd_sizes_are_shown_pixel_by_pixel_too(
    shown: Screen, plain: WindowDisplay, files: Mapping[str, Path]
) -> None:
    make_ready(plain, [shown])
    assert largest_difference(drawn(plain, shown), expected(shown, plain, files)) == 0


def test_a_blank_screen_is_the_ground_of_the_pictures_everywhere(plain: WindowDisplay) -> None:
    make_ready(plain, [BLANK])
    for _ in range(3):
        assert drawn(plain, BLANK).getextrema() == ((GROUND, GROUND),) * 3


def test_a_picture_is_centred(plain: WindowDisplay) -> None:
    shown = (PictureItem("cat", 6.5),)
    make_ready(plain, [shown])
    left, top, right, bottom = ink(drawn(plain, shown))
    width, height = size_of(plain)
    assert abs(left + right - width) <= 2 and abs(top + bottom - height) <= 2
    scale = plain.description["px_per_deg"]
    assert isinstance(scale, float) and abs(right - left - 6.5 * scale) <= 3


def test_what_was_on_the_screen_before_leaves_no_trace(
    plain: WindowDisplay, files: Mapping[str, Path]
) -> None:
    picture: Screen = (PictureItem("cat", 6.5),)
    cross: Screen = (TextItem("+", 0.6),)
    make_ready(plain, [picture, cross, BLANK])
    for shown in (picture, cross, picture, BLANK, cross):
        assert largest_difference(drawn(plain, shown), expected(shown, plain, files)) == 0


def test_what_is_no_longer_prepared_cannot_be_drawn(plain: WindowDisplay) -> None:
    shown: Screen = (PictureItem("cat", 6.5),)
    make_ready(plain, [shown])
    make_ready(plain, [BLANK])
    with pytest.raises(KeyError):
        plain.draw(shown)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            TextItem("word " * 30, 0.9),
            "does not fit on the screen of 32.9 by 24.7 degrees: it is",
        ),
        (PictureItem("dog", 25.0), "'picture dog' does not fit on the screen of"),
        (TextItem("x", 0.9, y_deg=-12.4), "'x' does not fit on the screen of"),
    ],
    ids=["long text", "large picture", "far down"],
)
def test_what_cannot_be_shown_is_refused_when_it_is_prepared(
    item: TextItem | PictureItem, message: str, plain: WindowDisplay
) -> None:
    with pytest.raises(RigError) as error:
        make_ready(plain, [(item,)])
    assert message in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["Pause", "word " * 30, "line\n" * 14, "中" * 80, "\ue000"],
    ids=["short", "wide", "high", "Chinese", "in no font"],
)
def test_the_operators_words_fit_on_every_screen(text: str, plain: WindowDisplay) -> None:
    for item in (DeskItem(text, 1.2, y_deg=5.8, alert=True), DeskItem(text, 0.7, y_deg=-3.5)):
        told = plain.texture_bytes(item)
        make_ready(plain, [(item,)])
        assert plain._textures[item].bytes == told
        drawn(plain, (item,))


def test_the_operators_words_are_as_large_on_a_screen_far_away(
    plain: WindowDisplay, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = DeskItem("Pause", 1.2, y_deg=5.8)
    make_ready(plain, [(words,)])
    near = drawn(plain, (words,))
    make_ready(plain, [BLANK])
    monkeypatch.setattr(plain, "_scale", 5 * plain._scale)
    make_ready(plain, [(words,)])
    assert largest_difference(drawn(plain, (words,)), near) == 0


def test_a_picture_that_cannot_be_read_is_named(plain: WindowDisplay, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    plain._files = {**plain._files, "broken": broken}
    with pytest.raises(StimulusError, match="broken.png: cannot be read as a picture: "):
        make_ready(plain, [(PictureItem("broken", 2.0),)])
    with pytest.raises(StimulusError, match="broken.png: cannot be read as a picture: "):
        plain.texture_bytes(PictureItem("broken", 2.0))


def test_sounds_are_nothing_to_see(plain: WindowDisplay, files: Mapping[str, Path]) -> None:
    word = TextItem("dog", 1.0)
    shown: Screen = (ToneItem(440.0, 0.2), word, SoundItem("dog.wav"))
    assert make_ready(plain, [BLANK]) == 0 and make_ready(plain, [shown]) == 1
    assert largest_difference(drawn(plain, shown), expected((word,), plain, files)) == 0
    assert plain.texture_bytes(SoundItem("dog.wav")) == plain.texture_bytes(shown[0]) == 0


# Textures ------------------------------------------------------------------------------------


def test_a_step_makes_at_most_one_texture_and_all_are_made(plain: WindowDisplay) -> None:
    make_ready(plain, [BLANK])
    screens = [(PictureItem(name, 3.0), TextItem(name, 1.0)) for name in ("dog", "cat", "cow")]
    counts = [0]
    for _ in plain.prepare([*screens, *screens]):
        counts.append(len(plain._textures))
    assert {b - a for a, b in zip(counts, counts[1:], strict=False)} <= {0, 1}
    assert counts[-1] == 6
    assert list(plain.prepare(screens)) == [], "nothing is missing any more"


def test_what_is_on_no_screen_is_dropped_before_anything_is_made(plain: WindowDisplay) -> None:
    make_ready(plain, [(PictureItem("dog", 3.0),), (PictureItem("cat", 3.0),)])
    steps = plain.prepare([(PictureItem("cat", 3.0),), (PictureItem("cow", 3.0),)])
    next(steps)
    assert PictureItem("dog", 3.0) not in plain._textures
    assert PictureItem("cat", 3.0) in plain._textures
    steps.close()  # type: ignore[attr-defined]  # given up half-way, as when a session is stopped
    assert make_ready(plain, [(PictureItem("owl", 3.0),)]) == 1


@pytest.mark.parametrize(
    "item",
    [
        PictureItem("dog", 3.3),
        PictureItem("cat", 3.3),
        TextItem("Gj", 1.1),
        TextItem("two\nlines", 0.7, turn_deg=90.0),
        TextItem("askew", 0.7, turn_deg=33.0),
        TextItem("LOST", 0.7, alert=True),
        TextItem("LOST", 0.7, turn_deg=90.0, alert=True),
    ],
    ids=["colour", "grey", "word", "turned", "askew", "alert", "turned alert"],
)
def test_what_a_texture_takes_is_known_before_it_is_made(
    item: TextItem | PictureItem, plain: WindowDisplay
) -> None:
    told = plain.texture_bytes(item)
    make_ready(plain, [BLANK])
    make_ready(plain, [(item,)])
    assert plain._textures[item].bytes == told == plain._held_bytes > 0


def test_a_grey_pixel_takes_one_byte_and_a_coloured_one_three(plain: WindowDisplay) -> None:
    grey, colour = PictureItem("cat", 3.0), PictureItem("dog", 3.0)
    assert 3 * plain.texture_bytes(grey) == plain.texture_bytes(colour)
    side = round(3.0 * plain.description["px_per_deg"])  # type: ignore[operator]
    assert plain.texture_bytes(grey) == side**2


def test_more_than_the_rig_file_allows_is_refused(plain: WindowDisplay) -> None:
    make_ready(plain, [BLANK])
    one = plain.texture_bytes(PictureItem("cat", 20.0))
    screens = [(PictureItem("cat", 20.0 - n / 1000),) for n in range(16_000_000 // one + 2)]
    allowed, plain.texture_mb = plain.texture_mb, 16
    try:
        with pytest.raises(RigError) as error:
            make_ready(plain, screens)
    finally:
        plain.texture_mb = allowed
    assert str(error.value) == (
        "the pictures of one block take more than 16 MB: make blocks shorter (break_after) or"
        " pictures smaller (picture_deg), or raise texture_mb in the rig file"
    )
    assert plain._held_bytes <= 16_000_000


def test_a_picture_that_the_graphics_card_does_not_take_is_no_black_picture(
    plain: WindowDisplay, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyglet import gl

    make_ready(plain, [BLANK])
    answers = iter([gl.GL_INVALID_VALUE, 0, gl.GL_OUT_OF_MEMORY])
    monkeypatch.setattr(gl, "glGetError", answers.__next__)
    with pytest.raises(RigError) as error:
        list(plain.prepare([(PictureItem("cat", 2.0),)]))
    monkeypatch.undo()
    side = round(2.0 * plain.description["px_per_deg"])  # type: ignore[operator]
    assert str(error.value) == (
        f"the graphics card does not take a picture of {side} by {side} pixels: out of memory;"
        " make blocks shorter (break_after) or texture_mb in the rig file smaller"
    )
    assert PictureItem("cat", 2.0) not in plain._textures


# Themes and the photodiode's patch -----------------------------------------------------------


@pytest.fixture(scope="module")
def night(screen: None, files: Mapping[str, Path]) -> Iterator[WindowDisplay]:
    """A small dark window."""
    rig = rig_file(full_screen=False, window_px=(641, 480))
    opened = WindowDisplay(rig, files, BANNER, DARK)
    yield opened
    opened.close()


def test_a_dark_window_is_dark_everywhere_but_for_pictures_and_words(
    night: WindowDisplay, files: Mapping[str, Path]
) -> None:
    shown: Screen = (
        PictureItem("dog", 5.0),
        TextItem("dog", 1.0, y_deg=5.0),
        TextItem("LOST", 1.0, y_deg=8.0, alert=True),
    )
    make_ready(night, [shown, BLANK])
    foot = (0, 0, 641, 400)
    found = drawn(night, shown).crop(foot)
    assert largest_difference(found, expected(shown, night, files, DARK).crop(foot)) == 0
    blank = drawn(night, BLANK)
    assert blank.crop(foot).getextrema() == ((DARK.ground, DARK.ground),) * 3
    assert blank.convert("L").getextrema() == (DARK.ground, DARK.ink), "the banner"


@pytest.mark.parametrize("first", ["white", "black"])
@pytest.mark.parametrize("corner", CORNERS)
def test_the_patch_stands_in_its_corner_and_changes_with_the_screen(
    corner: str, first: str, screen: None, files: Mapping[str, Path]
) -> None:
    rig = rig_file(
        full_screen=False, window_px=(345, 300), sync_patch=corner, sync_patch_cm=3.0,
        sync_patch_lit=first,
    )  # fmt: skip
    display = WindowDisplay(rig, files, "")
    try:
        shown: Screen = (PictureItem("cat", 5.0),)
        make_ready(display, [shown, BLANK])
        left, top = 345 - 30 if "right" in corner else 0, 300 - 30 if "bottom" in corner else 0
        box = (left, top, left + 30, top + 30)
        for screen_shown in (BLANK, shown):
            for lit in (True, False):
                wanted = expected(screen_shown, display, files)
                wanted.paste((255 if lit == (first == "white") else 0,) * 3, box)
                assert largest_difference(drawn(display, screen_shown, lit), wanted) == 0
    finally:
        display.close()


def test_without_a_patch_nothing_changes(plain: WindowDisplay) -> None:
    make_ready(plain, [BLANK])
    assert plain.description["sync_patch"] == ""
    for lit in (True, False):
        assert drawn(plain, BLANK, lit).getextrema() == ((GROUND, GROUND),) * 3


# Flips ---------------------------------------------------------------------------------------


def test_the_callback_is_called_once_in_each_flip_and_after_its_time(
    plain: WindowDisplay,
) -> None:
    calls: list[float] = []
    for n in range(1, 6):
        plain.draw(BLANK)
        flipped_s = plain.flip(lambda: calls.append(window.clock()))
        assert len(calls) == n
        assert flipped_s <= calls[-1] <= window.clock()
        plain.flip(None)
        assert len(calls) == n


def test_where_swaps_are_paced_all_is_painted_before_the_wait(
    plain: WindowDisplay, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(window, "finish", lambda: order.append("painted"))
    monkeypatch.setattr(plain, "_wait_for_turn", lambda _: order.append("waited"))
    plain.draw(BLANK)
    plain.flip(lambda: order.append("swapped"))
    assert order == ["painted", "waited", "swapped"]


def test_a_display_without_vertical_blank_is_paced(plain: WindowDisplay) -> None:
    if plain.description["pacing"] == "vertical blank":
        pytest.skip("this display has a vertical blank")
    times = [plain.flip(None) for _ in range(31)]
    assert plain.refresh_hz == 60.0
    assert times[-1] - times[0] > 28.5 / 60  # never faster; a busy machine may be slower
    assert all(b > a for a, b in zip(times, times[1:], strict=False))


def test_the_log_learns_what_the_display_is(plain: WindowDisplay) -> None:
    about = plain.description
    assert (about["kind"], about["size_px"]) == ("window", [641, 480])
    assert {"renderer", "px_per_deg", "measured_hz", "refresh_hz", "pacing"} <= set(about)
    assert {"gl_version", "vsync", "compositor", "mirrored", "screens_px"} <= set(about)
    assert about["screen_px"] in about["screens_px"]  # type: ignore[operator]


def test_a_full_screen_covers_its_screen_and_a_window_does_not(
    display: WindowDisplay, plain: WindowDisplay
) -> None:
    about = display.description
    assert about["full_screen"] and about["covers_screen"]
    assert about["size_px"] == about["screen_px"][2:]  # type: ignore[index]
    assert not plain.description["full_screen"] and not plain.description["covers_screen"]


def test_a_rate_that_is_not_the_rig_files_is_told_and_judged_later(
    screen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "graphics", lambda: {"renderer": "a graphics card"})
    monkeypatch.setattr(WindowDisplay, "_measure", lambda self: 75.02)
    opened = WindowDisplay(rig_file(full_screen=False, window_px=(64, 64), refresh_hz=60.0), {}, "")
    opened.close()
    assert (opened.refresh_hz, opened.description["measured_hz"]) == (60.0, 75.02)


def test_a_rate_that_cannot_be_measured_is_the_rig_files_and_judged_later(
    screen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "graphics", lambda: {"renderer": "a graphics card"})
    monkeypatch.setattr(WindowDisplay, "_measure", lambda self: None)
    opened = WindowDisplay(rig_file(full_screen=False, window_px=(64, 64), refresh_hz=75.0), {}, "")
    opened.close()
    assert (opened.refresh_hz, opened.description["measured_hz"]) == (75.0, None)


def test_a_display_whose_rate_cannot_be_measured_is_refused(
    screen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facts, "graphics", lambda: {"renderer": "a graphics card"})
    monkeypatch.setattr(window, "refresh_rate", lambda flips_s: None)
    with pytest.raises(RigError, match="^the display's refresh rate cannot be measured: "):
        WindowDisplay(rig_file(full_screen=False, window_px=(64, 64)), {}, "")


def test_without_a_display_it_is_one_sentence() -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("there is always a display here")
    script = (
        "from task.rigfile import RigFile; from task.rigs.window import WindowDisplay;"
        "from task.contract.errors import RigError\n"
        "try: WindowDisplay(RigFile.model_validate({'name': 'x', 'triggers': {'device': 'none'}}),"
        " {}, '')\n"
        "except RigError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"DISPLAY": ":987"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("no window can be opened: Cannot connect to "), done.stderr
    assert done.stdout.endswith("; is there a display with OpenGL? DISPLAY is ':987'\n")


# The refresh rate ----------------------------------------------------------------------------


def flips(intervals_s: Iterable[float]) -> list[float]:
    times = [10.0]
    for interval_s in intervals_s:
        times.append(times[-1] + interval_s)
    return times


@pytest.mark.parametrize("refresh_hz", [50.0, 59.94, 60.0, 75.0, 120.0, 144.0, 240.0])
def test_a_steady_rate_is_measured(refresh_hz: float) -> None:
    assert refresh_rate(flips([1 / refresh_hz] * 100)) == pytest.approx(refresh_hz)


def test_frames_that_were_missed_do_not_count() -> None:
    period_s = 1 / 60
    intervals = [period_s * (3 if n % 10 == 0 else 1) for n in range(100)]
    assert refresh_rate(flips(intervals)) == pytest.approx(60)


def test_a_little_jitter_is_averaged_out() -> None:
    intervals = [1 / 60 + (0.0005 if n % 2 else -0.0005) for n in range(100)]
    assert refresh_rate(flips(intervals)) == pytest.approx(60, rel=1e-3)


@pytest.mark.parametrize(
    "intervals",
    [
        [],
        [1 / 60] * 49,
        [0.001] * 100,
        [0.05] * 100,
        [(0.01, 0.02, 0.03, 0.05)[n % 4] for n in range(100)],
        [1 / 60 * (0.81 if n % 2 else 1.19) for n in range(60)],
    ],
    ids=["none", "too few", "too fast", "too slow", "irregular", "jittering"],
)
def test_too_few_or_irregular_flips_give_no_rate(intervals: list[float]) -> None:
    assert refresh_rate(flips(intervals)) is None


def test_fifty_intervals_are_enough() -> None:
    assert refresh_rate(flips([1 / 60] * 50)) == pytest.approx(60)
