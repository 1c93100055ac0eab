"""Ten minutes of a fast stream against a bare flip loop: `python -m benchmarks.stream`.

One process, one window, one run: a minute of a session (150 pictures, 16 frames on and 8 off, codes
to a pseudo-terminal, the log to the disk), a minute of swapping an empty screen, and so on.  Late
frames are counted from the swap times that the display returned; the log must hold every one.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import binomtest, fisher_exact, ttest_rel

from benchmarks.ours import HZ, Streamed, late_swaps, opened, stream_once, write_rig, write_stream
from benchmarks.table import finish, machine, table
from benchmarks.wire import wire
from task.plan import BLANK
from task.rig import Rig
from task.rigs.virtual import display_here

MINUTES = 10
PICTURES = 150  # 24 frames each: 3,600, a minute
WARM_UP_FRAMES = 60
MEDIAN_US, P99_US = 60.0, 300.0


class Compared(NamedTuple):
    """Late frames per frame of one condition less another's, with its 95 % interval."""

    difference: float
    low: float
    high: float
    p: float


def bare(rig: Rig, frames: int) -> list[float]:
    """Swap an empty screen; late swaps, those of the warm-up left out."""
    flips_s: list[float] = []
    for _ in range(WARM_UP_FRAMES + frames + 1):
        rig.display.draw(BLANK)
        flips_s.append(rig.display.flip(None))
    return late_swaps(flips_s[WARM_UP_FRAMES:])


def compare(late: int, frames: int, other_late: int, other_frames: int) -> Compared:
    """Two rates: Newcombe's interval of the difference (doi:10.1002/(SICI)1097-0258(19980430)
    17:8<873::AID-SIM779>3.0.CO;2-I, method 10), and Fisher's exact test.
    """
    rates = late / frames, other_late / other_frames
    mine = binomtest(late, frames).proportion_ci(method="wilson")
    theirs = binomtest(other_late, other_frames).proportion_ci(method="wilson")
    difference = rates[0] - rates[1]
    low = difference - np.hypot(rates[0] - mine.low, theirs.high - rates[1])
    high = difference + np.hypot(mine.high - rates[0], rates[1] - theirs.low)
    counts = np.array([[late, frames - late], [other_late, other_frames - other_late]])
    p = fisher_exact(counts).pvalue
    return Compared(difference, float(low), float(high), float(p))


def measure(folder: Path, minutes: int, pictures: int) -> tuple[list[Streamed], list[int], int]:
    """Segments of ours, late frames of the bare segments between them, frames of each of these."""
    protocol = write_stream(folder / "stream.toml", pictures=pictures)
    frames = 24 * pictures
    ours, bares = [], []
    with wire() as cable:
        rig = opened(protocol, write_rig(folder / "rig.toml", cable.port))
        try:
            for minute in range(minutes):
                ours.append(stream_once(protocol, rig, folder / f"{minute}"))
                bares.append(len(bare(rig, frames)))
        finally:
            rig.close()
        cable.settle()
        written = sum(len(streamed.written_us) for streamed in ours)
        assert len(cable.codes) == written, f"{len(cable.codes)} codes arrived, {written} logged"
    return ours, bares, frames


def report(ours: Sequence[Streamed], bares: Sequence[int], bare_frames: int) -> str:
    """The result in words and a table."""
    written = np.concatenate([streamed.written_us for streamed in ours])
    late = sum(len(streamed.late) for streamed in ours)
    frames = sum(streamed.frames for streamed in ours)
    found = compare(late, frames, sum(bares), bare_frames * len(bares))
    pairs = ttest_rel(
        [1e4 * len(s.late) / s.frames for s in ours], [1e4 * n / bare_frames for n in bares]
    )
    by_minute = pairs.confidence_interval(0.95)
    median, p99 = np.percentile(written, [50, 99])
    rows = [
        {"": "ours", "frames": f"{frames:,}", "late": str(late),
         "late in each segment": ", ".join(str(len(s.late)) for s in ours)},
        {"": "bare loop", "frames": f"{bare_frames * len(bares):,}", "late": str(sum(bares)),
         "late in each segment": ", ".join(map(str, bares))},
    ]  # fmt: skip
    return f"""# Ten minutes of a fast stream

Made by `python -m benchmarks.stream`.  {machine()}.  Xvfb, paced in software at {HZ:g} Hz; \
{len(ours)} segments of ours and as many of a bare loop, in turns, in one window.

flip → byte written, {written.size:,} codes: median {median:.1f} µs (aim ≤ {MEDIAN_US:g}), \
99th percentile {p99:.1f} µs (aim ≤ {P99_US:g}), most {written.max():.1f} µs. \
Codes that the port refused: {sum(s.lost for s in ours)}; every code logged arrived.

{table(rows)}
Late frames (more than 1.5 periods) per 10,000 frames, ours less bare: \
{1e4 * found.difference:+.2f} (95 % interval {1e4 * found.low:+.2f} to {1e4 * found.high:+.2f}; \
Fisher's exact p = {found.p:.2g}). Late frames come in bursts; with the pairs of minutes as the \
units {by_minute.low:+.2f} to {by_minute.high:+.2f}.

Late frames by the display's own times that the log does not have: \
{sum(s.unlogged for s in ours)} of {late}.
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--short", action="store_true", help="15 s of each; writes no file")
    chosen = arguments.parse_args()
    minutes, pictures = (3, 12) if chosen.short else (MINUTES, PICTURES)
    with tempfile.TemporaryDirectory() as name, display_here():
        text = report(*measure(Path(name), minutes, pictures))
    finish(text, __file__, short=chosen.short)


if __name__ == "__main__":
    main()
