"""A real PsychoPy window: what is drawn is what was planned, pixel by pixel."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from task.bitmaps import GROUND, bitmap
from task.contract.catalog import Catalog
from task.contract.errors import RigError
from task.plan import BLANK, MovieItem, PictureItem, Plan, Screen, SoundItem, Step, TextItem
from task.rigfile import RigFile
from task.rigs import window
from task.rigs.window import WindowDisplay, WindowKeys, refresh_rate

ROOT = Path(__file__).parents[3]
BANNER = "DEMONSTRATION - not for patients"
IMAGERY = """[imagery]
items = ["dog", "cat", "cow", "owl", "cup", "hat"]
cue = "word and picture"
"""
PlanOf = Callable[..., Plan]


def rig_file(**screen: object) -> RigFile:
    return RigFile.model_validate({"name": "x", "triggers": {"device": "none"}, "screen": screen})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, pets: Catalog) -> Mapping[str, Path]:
    """A picture for every pet: grey ones, and the dog in colour; a gradient shows any shift."""
    folder = tmp_path_factory.mktemp("pictures")
    made = {}
    for number, name in enumerate(pets.pictures):
        gradient = Image.linear_gradient("L").rotate(30 * number).resize((90, 90))
        if name == "dog":
            gradient = Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180)))
        made[name] = folder / f"{name}.png"
        gradient.save(made[name])
    return made


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
    width, height = display.description["size_px"]  # type: ignore[misc]
    return width, height


def expected(screen: Screen, display: WindowDisplay, files: Mapping[str, Path]) -> Image.Image:
    """The screen as bitmaps pasted together, with the y axis that degrees have."""
    width, height = size_of(display)
    scale = 60.0 * 0.0174550649 * width / 34.5  # tangent of a degree; the rig file's distances
    image = Image.new("RGB", (width, height), (GROUND,) * 3)
    for item in screen:
        assert isinstance(item, PictureItem | TextItem)
        part = bitmap(item, scale, files)
        left = round(width / 2 + item.x_deg * scale - part.width / 2)
        bottom = round(height / 2 + item.y_deg * scale - part.height / 2)
        image.paste(part.convert("RGB"), (left, height - bottom - part.height))
    return image


def drawn(display: WindowDisplay, screen: Screen) -> Image.Image:
    display.draw(screen)
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
        display.prepare(screens)
        for shown in screens:
            above = (0, 0, width, foot)
            found, wanted = drawn(display, shown), expected(shown, display, files)
            assert largest_difference(found.crop(above), wanted.crop(above)) == 0


def test_the_banner_stands_at_the_foot_of_every_screen(
    display: WindowDisplay, files: Mapping[str, Path]
) -> None:
    width, height = size_of(display)
    display.prepare([BLANK, (PictureItem("dog", 6.5),)])
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
    plain.prepare([shown])
    assert largest_difference(drawn(plain, shown), expected(shown, plain, files)) == 0


def test_a_blank_screen_is_the_ground_of_the_pictures_everywhere(plain: WindowDisplay) -> None:
    plain.prepare([BLANK])
    for _ in range(3):
        assert drawn(plain, BLANK).getextrema() == ((GROUND, GROUND),) * 3


def test_a_picture_is_centred(plain: WindowDisplay) -> None:
    shown = (PictureItem("cat", 6.5),)
    plain.prepare([shown])
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
    plain.prepare([picture, cross, BLANK])
    for shown in (picture, cross, picture, BLANK, cross):
        assert largest_difference(drawn(plain, shown), expected(shown, plain, files)) == 0


def test_what_is_no_longer_prepared_cannot_be_drawn(plain: WindowDisplay) -> None:
    shown: Screen = (PictureItem("cat", 6.5),)
    plain.prepare([shown])
    plain.prepare([BLANK])
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
        (SoundItem("a.wav"), "a.wav: this display shows pictures and words only"),
        (MovieItem("a.mp4", 5.0), "a.mp4: this display shows pictures and words only"),
    ],
    ids=["long text", "large picture", "far down", "sound", "movie"],
)
def test_what_cannot_be_shown_is_refused_when_it_is_prepared(
    item: TextItem | PictureItem | SoundItem | MovieItem, message: str, plain: WindowDisplay
) -> None:
    with pytest.raises(RigError) as error:
        plain.prepare([(item,)])
    assert message in str(error.value)


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


def test_a_rate_that_is_not_the_rig_files_is_refused(
    screen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "_renderer", lambda: "a graphics card")
    monkeypatch.setattr(WindowDisplay, "_measure", lambda self: 75.02)
    with pytest.raises(RigError) as error:
        WindowDisplay(rig_file(full_screen=False, window_px=(64, 64), refresh_hz=60.0), {}, "")
    assert str(error.value) == (
        "the display runs at 75.02 Hz, not at 60 Hz; set the display, or refresh_hz under"
        " [screen] in the rig file"
    )


def test_a_display_whose_rate_cannot_be_measured_is_refused(
    screen: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "_renderer", lambda: "a graphics card")
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
    assert done.stdout.endswith("; is there a display (DISPLAY) with OpenGL?\n")


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


# Keys ----------------------------------------------------------------------------------------


class Keyboard:
    """A display of which only the keys are needed."""

    def __init__(self, *keys: str) -> None:
        self.pressed = [(key, 3.25) for key in keys]

    def presses(self) -> Sequence[tuple[str, float]]:
        taken, self.pressed = self.pressed, []
        return taken


def test_keys_are_told_by_their_meaning_and_others_by_their_name() -> None:
    keyboard = Keyboard("y", "num_3", "escape", "f5")
    keys = WindowKeys(keyboard, rig_file())  # type: ignore[arg-type]
    assert [tuple(press) for press in keys.poll()] == [
        ("yes", "y", 3.25),
        ("3", "num_3", 3.25),
        ("stop", "escape", 3.25),
        ("f5", "f5", 3.25),
    ]
    assert keys.poll() == []


def test_what_was_pressed_too_early_is_told_a_stop_too() -> None:
    keys = WindowKeys(Keyboard("n", "escape"), rig_file())  # type: ignore[arg-type]
    step = Step("SEARCH_ON", BLANK, 60, ("yes", "no"))
    assert [press.meaning for press in keys.listen(step, 1.0)] == ["no", "stop"]


def test_a_key_that_the_window_gets_is_a_press(plain: WindowDisplay) -> None:
    from psychopy import event
    from pyglet.window import key

    plain.presses()
    before_s = window.clock()
    event._onPygletKey(key.ESCAPE, 0)
    event._onPygletKey(key.NUM_4, 0)
    ((first, first_s), (second, _)) = plain.presses()
    assert (first, second) == ("escape", "num_4")
    assert before_s <= first_s <= window.clock()
    assert plain.presses() == []


def test_a_key_of_the_real_keyboard_is_a_press(plain: WindowDisplay) -> None:
    xdotool = shutil.which("xdotool")
    if not xdotool:
        pytest.skip("xdotool, which presses keys, is not here")
    plain.flip(None)
    subprocess.run([xdotool, "key", "--clearmodifiers", "y"], check=True)
    found: list[str] = []
    for _ in range(60):
        plain.flip(None)
        found += [key for key, _ in plain.presses()]
    assert found == ["y"]
