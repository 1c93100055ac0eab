"""Sessions of our presenter for the benchmarks: protocol, rig file, and the whole way through."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from task import places
from task.contract.catalog import MANIFEST
from task.contract.sessionlog import read_log
from task.plan import Plan
from task.planning import plan_file
from task.protocol import ProtocolFile, read_protocol
from task.rig import Rig
from task.rigfile import Screen, read_rig
from task.rigs.bedside import open_rig
from task.room import px_per_deg
from task.session import Outcome, run_session

HZ = 60.0
LATE_PERIODS = 1.5
PICTURE_PX = 512
WINDOW_PX = (800, 600)  # no larger than needed: a software renderer pays for every pixel

_RIG = """schema = 1
name = "benchmark"

[screen]
full_screen = false
window_px = [{width}, {height}]
refresh_hz = {hz}

[triggers]
{triggers}
"""
_PROTOCOL = """schema = 1
name = "{name}"
stimuli = "objects"
{pictures}
[look]
picture_deg = {picture_deg}
fixation = false
[screening]
repeats = {repeats}
image_s = {image_s}
blank_s = {blank_s}
break_s = 0
[texts]
text_s = 0
"""


def write_rig(path: Path, port: str | None, *, hz: float = HZ, apart_s: float = 0.005) -> Path:
    """A rig file with a window and a raw-byte box at `port`, or with none.

    `apart_s` is the box's pulse and gap: in virtual time they would be waited for.
    """
    triggers = f'device = "serial"\nport = "{port}"' if port else 'device = "none"'
    triggers += f"\npulse_s = {apart_s}\ngap_s = {apart_s}"
    width, height = WINDOW_PX
    path.write_text(_RIG.format(width=width, height=height, hz=hz, triggers=triggers))
    return path


def write_stream(
    path: Path,
    *,
    pictures: int,
    repeats: int = 1,
    image_s: float = 0.2667,
    blank_s: float = 0.1333,
) -> Path:
    """A screening of so many pictures, 512 pixels wide, without texts or breaks."""
    ids = sorted(file.stem for file in (places.STIMULI / "objects" / "images").glob("*.png"))
    chosen = ", ".join(f'"{name}"' for name in ids[:pictures])
    screen = Screen()
    scale = px_per_deg(WINDOW_PX[0], screen.width_cm, screen.distance_cm)
    text = _PROTOCOL.format(
        name=path.stem,
        pictures=f"[pictures]\nids = [{chosen}]",
        picture_deg=round(PICTURE_PX / scale, 6),
        repeats=repeats,
        image_s=image_s,
        blank_s=blank_s,
    )
    path.write_text(text)
    return path


def made_plan(file: ProtocolFile, *, hz: float = HZ) -> Plan:
    """The plan of a stream, always the same."""
    return plan_file(file, places.catalog_of(file), seed=0, refresh_hz=hz, spacing_frames=2)


def opened(protocol: Path, rig: Path) -> Rig:
    """The rig of a file with the pictures of a protocol at hand."""
    file, machine = read_protocol(protocol), read_rig(rig)
    pictures = places.catalog_of(file).pictures.values()
    return open_rig(machine, {p.id: p.path for p in pictures}, file.protocol.banner, 0)


def show(protocol: Path, rig: Rig, folder: Path, *, hz: float = HZ, **more: Any) -> Outcome:
    """One session on an open rig, in a new folder."""
    file = read_protocol(protocol)
    folder.mkdir(parents=True)
    run: Callable[..., Outcome] = run_session
    return run(
        folder,
        file,
        None,
        places.catalog_of(file),
        places.set_folder(file) / MANIFEST,
        made_plan(file, hz=hz),
        rig,
        subject="benchmark",
        session=1,
        **more,
    )


class WatchedDisplay:
    """A display whose swaps are kept: what the presenter was told, counted apart from it."""

    def __init__(self, display: Any) -> None:
        self._display = display
        self.flips_s: list[float] = []

    def flip(self, on_flip: Callable[[], None] | None) -> float:
        """Swap, and keep the time."""
        time_s: float = self._display.flip(on_flip)
        self.flips_s.append(time_s)
        return time_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._display, name)


class Streamed(NamedTuple):
    """What the log of a stream says, beside what its display was asked for."""

    frames: int
    late: list[float]  # swap times that came late, by the display's own account
    unlogged: int  # of these, how many the log does not have
    written_us: list[float]  # from each code's flip to the end of its write
    lost: int


def stream_once(protocol: Path, rig: Rig, folder: Path, **more: Any) -> Streamed:
    """One session, and its log against the swaps of its display, between first and last picture."""
    watched = WatchedDisplay(rig.display)
    show(protocol, replace(rig, display=watched), folder, **more)
    events = read_log(folder).events
    codes = [event for event in events if event.code]
    shown_s = [event.time_s for event in codes if event.name in ("IMAGE_ON", "IMAGE_OFF")]
    flips_s = [f for f in watched.flips_s if shown_s[0] - 1e-6 <= f <= shown_s[-1] + 1e-6]
    late = late_swaps(flips_s)
    logged = {event.time_s for event in events if event.name == "LATE_FRAME"}
    return Streamed(
        frames=len(flips_s) - 1,
        late=late,
        unlogged=sum(round(time_s, 7) not in logged for time_s in late),
        written_us=[1e6 * (event.detail["sent_s"][1] - event.time_s) for event in codes],
        lost=sum(bool(event.detail.get("lost")) for event in codes),
    )


def late_swaps(flips_s: Sequence[float]) -> list[float]:
    """Swaps that came more than one and a half periods after the one before."""
    return [b for a, b in pairwise(flips_s) if b - a > LATE_PERIODS / HZ]
