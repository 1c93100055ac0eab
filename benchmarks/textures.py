"""Time and memory to make pictures ready: `python -m benchmarks.textures` (Linux).

Ours (`task.rigs.window`) against one `psychopy.visual.ImageStim` for each picture, in turns, each
run in a process of its own with a window that fills the screen.  Memory is the peak of the resident
set above that of the same process with its empty window.  An ImageStim is ready once it has been
drawn (its shader and its texture are made then); ours once `prepare` has ended.  Ours are drawn
once as well before memory is read.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from task import __version__
from task.rigfile import RigFile
from task.rigs.virtual import display_here

SIDE_PX = 512
PICTURES = 500
MANY = 2000
TURNS = ("imagestim", "ours") * 3
PAGE = Path(__file__).with_suffix(".md")
RIG = RigFile.model_validate({"name": "benchmark", "triggers": {"device": "none"}})


def paint(folder: Path, *, colour: bool) -> None:
    """Objects with the detail of photographs on a plain ground, as such sets have them."""
    rng = random.Random(7)
    noise = [Image.effect_noise((SIDE_PX, SIDE_PX), 60) for _ in range(7)]
    layers = [n.filter(ImageFilter.GaussianBlur(1.5)) for n in noise]
    for number in range(PICTURES):
        outline = Image.new("L", (SIDE_PX, SIDE_PX), 0)
        box = [rng.randint(40, 120) for _ in range(2)] + [rng.randint(390, 470) for _ in range(2)]
        ImageDraw.Draw(outline).ellipse(box, fill=255)
        planes = []
        for _ in range(3 if colour else 1):
            shift = rng.randrange(SIDE_PX), rng.randrange(SIDE_PX)
            plane = Image.new("L", (SIDE_PX, SIDE_PX), 128)
            plane.paste(ImageChops.offset(rng.choice(layers), *shift), (0, 0), outline)
            planes.append(plane)
        image = Image.merge("RGB", planes) if colour else planes[0]
        image.save(folder / f"{number:04d}.png", compress_level=4)


# One run, in a process of its own ---------------------------------------------------------------


def memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def measured(method: str, files: dict[str, Path]) -> dict[str, float]:
    """Seconds and megabytes until every picture has been drawn once."""
    from pyglet import gl

    from task.rigs.window import WindowDisplay

    display = WindowDisplay(RIG, files, "")
    for _ in range(5):
        display.flip(None)
    scale = display.description["px_per_deg"]
    assert isinstance(scale, float)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    empty_mb = memory_mb("VmRSS")
    began_s = time.perf_counter()
    cpu_s = time.process_time()
    ready_s = began_s
    if method == "ours":
        from task.plan import PictureItem

        screens = [(PictureItem(name, SIDE_PX / scale),) for name in files]
        for _ in display.prepare(screens):
            pass
        gl.glFinish()
        ready_s = time.perf_counter()
        for screen in screens:
            display.draw(screen)
    else:
        from psychopy import visual

        kept = []
        for file in files.values():
            stimulus = visual.ImageStim(
                display._window, str(file), size=(SIDE_PX, SIDE_PX), units="pix", autoLog=False
            )
            stimulus.draw()
            kept.append(stimulus)
        gl.glFinish()
        ready_s = time.perf_counter()
    gl.glFinish()
    return {
        "s": ready_s - began_s,
        "drawn_s": time.perf_counter() - began_s,
        "cpu_s": time.process_time() - cpu_s,
        "mb": memory_mb("VmHWM") - empty_mb,
    }


def run(method: str, folders: list[Path]) -> dict[str, float]:
    """The same in a process of its own, which ends without tidying up."""
    command = [sys.executable, "-m", "benchmarks.textures", method, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(method, folders[0].name, {k: round(v, 2) for k, v in result.items()}, flush=True)
    return result


# The table ---------------------------------------------------------------------------------------


def row(what: str, of: list[dict[str, float]], than: list[dict[str, float]] | None) -> str:
    def middle(runs: list[dict[str, float]], key: str) -> float:
        return statistics.fmean(run[key] for run in runs)

    def spread(key: str) -> str:
        values = sorted(run[key] for run in of)
        digits = 0 if key == "mb" else 2
        return " to ".join(dict.fromkeys(f"{v:.{digits}f}" for v in (values[0], values[-1])))

    cells = [what, *(spread(key) for key in ("s", "drawn_s", "cpu_s", "mb"))]
    cells += [f"1/{middle(than, key) / middle(of, key):.1f}" if than else "" for key in ("s", "mb")]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Every run, and the page."""
    results: dict[tuple[str, str], list[dict[str, float]]] = {}
    with display_here(), tempfile.TemporaryDirectory() as name:
        sets = {kind: Path(name) / kind for kind in ("grey", "colour")}
        for kind, folder in sets.items():
            folder.mkdir()
            paint(folder, colour=kind == "colour")
        for kind, folder in sets.items():
            for method in TURNS:
                results.setdefault((kind, method), []).append(run(method, [folder]))
        many = [run("ours", [sets["grey"]] * (MANY // PICTURES))]
        size_kb = {
            kind: sum(f.stat().st_size for f in folder.iterdir()) / PICTURES / 1000
            for kind, folder in sets.items()
        }
    rows = []
    for kind in sets:
        ours, theirs = results[kind, "ours"], results[kind, "imagestim"]
        rows.append(row(f"{PICTURES} {kind}, ImageStim", theirs, None))
        rows.append(row(f"{PICTURES} {kind}, ours", ours, theirs))
    rows.append(row(f"{MANY} grey, ours", many, None))
    sizes = ", ".join(f"{kb:.0f} kB {kind}" for kind, kb in size_kb.items())
    PAGE.write_text(
        "# Pictures made ready\n\n"
        f"Made by `python -m benchmarks.textures` with imagery {__version__}: PNG files of"
        f" {SIDE_PX} by {SIDE_PX} pixels ({sizes}) shown at their size; {os.cpu_count()} cores,"
        " Mesa's software renderer on Xvfb; three runs in alternating order, smallest to largest,"
        " ratios of the means.  `ready`: seconds until the last can be shown; `drawn`: until each"
        " has been drawn once too; `CPU`: of both; MB: peak above the same process with an empty"
        " window.\n\n"
        "| pictures | ready, s | drawn, s | CPU, s | MB | of ImageStim's time | of its memory |\n"
        "|---|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    if len(sys.argv) > 2:
        named = [sorted(Path(folder).iterdir()) for folder in sys.argv[2:]]
        all_files = {f"{n}-{f.stem}": f for n, files in enumerate(named) for f in files}
        print(json.dumps(measured(sys.argv[1], all_files)), flush=True)
        os._exit(0)
    main()
