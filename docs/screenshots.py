"""Draw the screens that README.md and a reader's eye need: `python docs/screenshots.py`.

docs/images/task.png      the screens of the imagery task, light
docs/images/operator.png  what the operator sees when the task stands still, dark

They are drawn by the window that patients look at, and taken from its hidden buffer.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from task import places
from task.bitmaps import DARK, LIGHT, Theme
from task.desk import Desk
from task.plan import BLANK, Screen
from task.planning import plan_file
from task.protocol import read_protocol
from task.rig import OPERATOR_KEYS
from task.rigfile import RigFile
from task.rigs.virtual import display_here
from task.rigs.window import WindowDisplay

IMAGES = Path(__file__).parent / "images"
TASK = ("TEXT_ON", "ENCODE_ON", "SEARCH_ON", "CUE_ON", "IMAGERY_ON", "RATING_ON")
DESKS = (
    Desk("Pause"),
    Desk("Pause", ending=True),
    Desk("Pause", note="the nurse came in, lights on"),
    Desk(
        "TRIGGERS LOST",
        alarm=True,
        about="Check the cable of the trigger box",
        going_on="go on without triggers",
    ),
    Desk("The triggers are back"),
    Desk("The practice was not understood\n(3 answers not right)"),
)
WINDOW_PX, TILE_PX, GAP_PX = (1280, 800), (480, 300), 10
COLUMNS = 3


def of_the_task() -> tuple[list[Screen], Mapping[str, Path]]:
    """The first screen of every kind, and the files of the pictures."""
    file = read_protocol(places.find_protocol("imagery_8"))
    catalog = places.catalog_of(file)
    plan = plan_file(file, catalog, seed=0, refresh_hz=60.0, spacing_frames=2)
    steps = [step for block in plan.blocks for trial in block.trials for step in trial.steps]
    first = {step.code: step.screen for step in reversed(steps)}
    return [first.get(code, BLANK) for code in TASK], {
        picture.id: picture.path for picture in catalog.pictures.values()
    }


def taken(screens: Sequence[Screen], files: Mapping[str, Path], theme: Theme) -> list[Image.Image]:
    """Pictures of screens."""
    rig = RigFile.model_validate(
        {
            "name": "screenshots",
            "triggers": {"device": "none"},
            "screen": {"full_screen": False, "window_px": WINDOW_PX, "refresh_hz": 60.0},
        }
    )
    display, made = WindowDisplay(rig, files, "", theme), []
    for screen in screens:
        for _ in display.prepare([screen]):
            pass
        display.draw(screen)
        made.append(display.pixels().convert("RGB"))
        display.flip(None)
    display.close()
    return made


def sheet(images: Sequence[Image.Image]) -> Image.Image:
    """Pictures beside and below each other."""
    across, down = (size + GAP_PX for size in TILE_PX)
    rows = -(-len(images) // COLUMNS)
    made = Image.new("RGB", (COLUMNS * across - GAP_PX, rows * down - GAP_PX), "white")
    for number, image in enumerate(images):
        row, column = divmod(number, COLUMNS)
        small = image.resize(TILE_PX, Image.Resampling.LANCZOS)
        made.paste(small, (column * across, row * down))
    return made


if __name__ == "__main__":
    with display_here():
        screens, files = of_the_task()
        sheet(taken(screens, files, LIGHT)).save(IMAGES / "task.png", optimize=True)
        desks = [desk.screen(OPERATOR_KEYS) for desk in DESKS]
        sheet(taken(desks, {}, DARK)).save(IMAGES / "operator.png", optimize=True)
