"""Damaged recordings: an answer or a refusal in words: `python -m benchmarks.fuzz_readers`.

Real files of every system, and built ones of systems without a real file, are damaged in all the
ways that `benchmarks.damage` knows, and read as anybody reads them: the file by itself, and the
folder that it lies in, for events beside a sound file of the same kind.  Every reading must end in
one of

refused    a `UserError`: every line begins with the path and is one sentence; the file is named
same       exactly what the sound file gives
different  something else, where nothing in the file contradicts it

and whatever a file is refused for, its folder must be refused for, too: nothing is lost silently.
Anything else is a fault of ours: another exception, a warning (they are errors here), more than 20
s, more than 4 GB, a dead process, a refusal that is none in words.  `--one SEED` shows one of them.

What is read differently and rightly so is a matter of judgement: the tables say how often it
happens, by file and kind of damage, and `--different` lists each with what became different.
"""

import argparse
import faulthandler
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.readers import open_recording, read_analog, read_events, read_log, read_units
from analysis.recording import Units
from analysis.trace import Trace
from benchmarks.damage import damaged, kinds_for
from benchmarks.specimens import Specimen, specimens
from benchmarks.table import finish, machine, table
from task.contract.errors import UserError

MUTANTS, SHORT, ENOUGH = 8_000, 300, 5_000
PROCESSES = 2
SLOW_S = 20.0
MOST_BYTES = 4 * 2**30
LONGEST_LINE = 400
REFUSED, SAME, DIFFERENT = RIGHT = ("refused", "same", "different")
TOLD_EVERY = 500
_ABOUT = (
    "`different`: read, and not as the sound file.  So are, because formats have no check sums:"
    " samples, waveforms, words and letters of notes that were changed into others; whole records,"
    " lines or spikes that are gone, or doubled once; files without a count of what they hold, cut"
    " between two records; a time that is that of its neighbour; a clock that is shifted as a whole"
    " or leaps ahead; another sound file under this name; logs that end early, as after a crash."
)

Contents = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one damaged file.

    Attributes
    ----------
    how : one of `RIGHT`, or what is wrong
    said : the refusal, or what is different, or the traceback
    """

    seed: int
    specimen: str
    kind: str
    how: str
    said: str
    took_s: float


# Reading -----------------------------------------------------------------------------------------


def contents(specimen: Specimen, place: Path, *, by_folder: bool) -> Contents:
    """Everything that anybody could read of the specimen, as arrays by name."""
    path = place if by_folder or specimen.whole_folder else place / specimen.victim
    if specimen.what == "events":
        return _columns(read_events(path))
    if specimen.what == "units":
        return _of_units(read_units(path))
    if specimen.what == "log":
        return _columns(read_log(path))
    channel = specimen.channel or (Path(specimen.victim).stem if by_folder else None)
    return _of_trace(read_analog(path, channel))


def _columns(frame: pd.DataFrame) -> Contents:
    return {str(name): frame[name].to_numpy() for name in frame}


def _of_units(units: Units) -> Contents:
    found = {"labels": units.table.index.to_numpy(), **_columns(units.table)}
    for label, spikes_s in zip(units.table.index, units.spikes_s, strict=True):
        found[f"spikes of {label}"] = spikes_s
        waveforms = units.read_waveforms(label)
        if waveforms:
            found[f"waveforms of {label}"] = np.array(waveforms.values)
            found[f"rate of {label}"] = np.array([waveforms.rate_hz])
    return found


def _of_trace(trace: Trace) -> Contents:
    found = {}
    for name in ("start_s", "period_s"):
        found[name] = np.array([getattr(piece, name) for piece in trace.pieces])
    return {**found, "values": np.concatenate([piece.values for piece in trace.pieces])}


def difference(sound: Contents, found: Contents) -> str:
    """What is not as in the sound file; '' if nothing."""
    said = []
    for name in dict.fromkeys([*sound, *found]):
        if name not in sound or name not in found:
            said.append(f"{name} {'lost' if name in sound else 'new'}")
        elif len(sound[name]) != len(found[name]):
            said.append(f"{name}: {len(sound[name])} -> {len(found[name])}")
        elif count := _differing(sound[name], found[name]):
            said.append(f"{name}: {count} of {len(found[name])}")
    return "; ".join(said[:8]) + (f"; {len(said) - 8} more" if said[8:] else "")


def _differing(one: np.ndarray, other: np.ndarray) -> int:
    if one.shape != other.shape:
        return max(len(one), 1)
    if one.dtype.kind == other.dtype.kind == "f":
        one, other = one.view(f"u{one.itemsize}"), other.view(f"u{other.itemsize}")
    elif "O" in (one.dtype.kind, other.dtype.kind):
        one, other = one.astype(str), other.astype(str)
    return int((one != other).reshape(len(one), -1).any(axis=1).sum()) if len(one) else 0


# Judging -----------------------------------------------------------------------------------------


def outcome(seed: int) -> Outcome:
    """Damage one file and read it."""
    rng = random.Random(seed)
    known = sound_specimens()
    specimen = known[seed % len(known)]
    kind = rng.choice(kinds_for(specimen))
    other = rng.choice(_others(specimen, rng))
    made = damaged(kind, specimen, other, rng)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        how, said = judged(specimen, Path(folder), made)
    return Outcome(seed, specimen.name, kind, how, said, time.perf_counter() - begun)


@cache
def sound_specimens() -> tuple[Specimen, ...]:
    """The files as they are."""
    with tempfile.TemporaryDirectory() as scratch:
        return tuple(specimens(Path(scratch)))


def _others(specimen: Specimen, rng: random.Random) -> list[bytes]:
    """Files to mix it up with: half of the time those with the same ending."""
    ending = Path(specimen.victim).suffix
    others = [s for s in sound_specimens() if s is not specimen]
    alike = [s for s in others if Path(s.victim).suffix == ending]
    return [s.contents[s.victim] for s in (alike if alike and rng.random() < 0.5 else others)]


def judged(specimen: Specimen, scratch: Path, made: bytes) -> tuple[str, str]:
    """How both readings end, and what was said."""
    alone, together = scratch / "alone", scratch / "recording"
    _lay_out(specimen, alone, {specimen.victim: made})
    how, said = _read(specimen, alone, by_folder=False)
    if how not in RIGHT or specimen.what == "log":
        return how, said
    _lay_out(specimen, together, {specimen.victim: made, **_beside(specimen)})
    how_there, said_there = _read(specimen, together, by_folder=True)
    if how_there not in RIGHT:
        return how_there, f"read by its folder: {said_there}"
    if how == REFUSED != how_there and not _told(together, specimen.victim):
        return "lost silently", f"refused by itself ({said}), but its folder gives {said_there}"
    if how == SAME != how_there:  # a file beside it must not change what is in it
        return "differs by folder", said_there
    return how, said


def _told(place: Path, victim: str) -> bool:
    """Whether the folder says what became of the file."""
    return any(victim in said for said in open_recording(place).said)


def _beside(specimen: Specimen) -> dict[str, bytes]:
    """A sound file that must not hide the damaged one: of its kind, or with other units."""
    if specimen.what == "events" and specimen.victim != "eventsRaw.mat":
        return {f"sound_{specimen.victim}": specimen.contents[specimen.victim]}
    if specimen.what == "units" and specimen.whole_folder:
        recorder = next(s for s in sound_specimens() if s.name == "Blackrock .nev 2.3 units")
        return {"recorder.nev": recorder.contents[recorder.victim]}
    return {}


def _lay_out(specimen: Specimen, place: Path, changed: Mapping[str, bytes]) -> None:
    for name, content in {**specimen.contents, **changed}.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@cache
def _sound(name: str, by_folder: bool) -> Contents:
    specimen = next(s for s in sound_specimens() if s.name == name)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "sound"
        _lay_out(specimen, place, _beside(specimen) if by_folder else {})
        return contents(specimen, place, by_folder=by_folder)


def _read(specimen: Specimen, place: Path, *, by_folder: bool) -> tuple[str, str]:
    sound = _sound(specimen.name, by_folder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = contents(specimen, place, by_folder=by_folder)
    except UserError as error:
        wrong = unclear(str(error), place)
        return (f"refused, but {wrong}" if wrong else REFUSED), str(error)
    except MemoryError:
        return "memory", traceback.format_exc()
    except Warning:
        return "warning", traceback.format_exc()
    except Exception:  # noqa: BLE001  whatever it is, it is a bug
        return "traceback", traceback.format_exc()
    said = difference(sound, found)
    return (DIFFERENT, said) if said else (SAME, "")


def unclear(said: str, place: Path) -> str:
    """What is wrong with a refusal; '' if it says clearly what is the matter, and where."""
    lines = said.split("\n")
    wrong = {
        "without a word": not said,
        "a line does not begin with the path": not all(li.startswith(str(place)) for li in lines),
        "with what is no matter of the user's": "Traceback" in said or "more memory" in said,
        "too long": max(map(len, lines)) > LONGEST_LINE + len(str(place)),
        "with signs that cannot be shown": not all(line.isprintable() for line in lines),
    }
    return next((what for what, is_so in wrong.items() if is_so), "")


# Many --------------------------------------------------------------------------------------------


def _work(pipe: Connection) -> None:
    """A process that judges one seed after the other, within its memory."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    os.environ["OMP_NUM_THREADS"] = "1"
    while True:
        pipe.send(outcome(pipe.recv()))


class _Worker:
    """One such process; another one when it dies or takes too long."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_work, args=(there,), daemon=True)
        self._process.start()
        there.close()

    def judge(self, seed: int) -> Outcome:
        self._pipe.send(seed)
        try:
            if self._pipe.poll(SLOW_S):
                found: Outcome = self._pipe.recv()
                return found
            how = "slow"
        except (EOFError, ConnectionResetError):
            how = "died"
        self.stop()
        self._start()
        return Outcome(seed, *name_of(seed), how, "", SLOW_S)

    def stop(self) -> None:
        self._process.kill()
        self._process.join()


def name_of(seed: int) -> tuple[str, str]:
    """Specimen and kind of damage of a seed."""
    rng = random.Random(seed)
    specimen = sound_specimens()[seed % len(sound_specimens())]
    return specimen.name, rng.choice(kinds_for(specimen))


def campaign(seeds: Sequence[int], processes: int = PROCESSES) -> list[Outcome]:
    """Outcomes of all seeds, in their order."""
    for specimen in sound_specimens():  # so that workers need not, and imports are done
        _sound(specimen.name, False)
        if specimen.what != "log":
            _sound(specimen.name, True)
    parts = [seeds[n::processes] for n in range(processes)]
    with ThreadPoolExecutor(processes) as pool:
        found = [one for part in pool.map(_judge_all, parts) for one in part]
    return sorted(found, key=lambda one: one.seed)


def _judge_all(seeds: Sequence[int]) -> list[Outcome]:
    worker = _Worker()
    found = []
    try:
        for number, seed in enumerate(seeds, start=1):
            found.append(worker.judge(seed))
            if number % TOLD_EVERY == 0:
                print(f"{number}/{len(seeds)}", file=sys.stderr, flush=True)
    finally:
        worker.stop()
    return found


# Telling -----------------------------------------------------------------------------------------


def report(found: Sequence[Outcome]) -> str:
    """The result in words and tables: by file, and by kind of damage."""
    faults = [one for one in found if one.how not in RIGHT]
    slowest = max(found, key=lambda one: one.took_s)
    return (
        f"# Damaged recordings\n\nMade by `python -m benchmarks.fuzz_readers`.  {machine()}\n\n"
        f"{len(found):,} damaged files of {len({one.specimen for one in found})} kinds, each"
        " read by itself and by its folder.  Faults of ours (tracebacks, warnings, silent"
        f" losses, over 20 s or 4 GB, unclear refusals): {len(faults)}.  The slowest took"
        f" {slowest.took_s:.1f} s"
        f" ({slowest.specimen}, {slowest.kind}).\n\n"
        f"{table(_rows(found, 'specimen', 'file'))}\n{table(_rows(found, 'kind', 'damage'))}\n"
        f"{_ABOUT}\n"
        + "".join(f"\n- {one.how}, seed {one.seed}: {one.specimen}, {one.kind}" for one in faults)
    )


def _rows(found: Sequence[Outcome], by: str, title: str) -> list[dict[str, str]]:
    rows = []
    for name in dict.fromkeys(getattr(one, by) for one in found):
        these = [one for one in found if getattr(one, by) == name]
        counts = Counter(one.how if one.how in RIGHT else "fault" for one in these)
        shares = {how: f"{counts[how]} ({counts[how] / len(these):.0%})" for how in RIGHT}
        rows.append(
            {title: name, "damaged": f"{len(these)}", **shares, "faults": f"{counts['fault']}"}
        )
    return rows


def show(found: Sequence[Outcome], wanted: Callable[[str], bool]) -> None:
    for one in found:
        if wanted(one.how):
            print(f"{one.how} | seed {one.seed} | {one.specimen} | {one.kind} | {one.said}")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--mutants", type=int, default=MUTANTS)
    arguments.add_argument("--seed", type=int, default=0, help="the first")
    arguments.add_argument("--short", action="store_true", help=f"{SHORT}; writes no file")
    arguments.add_argument("--different", action="store_true", help="list what is read differently")
    arguments.add_argument("--refused", action="store_true", help="list the refusals")
    arguments.add_argument("--one", type=int, metavar="SEED", help="show one")
    chosen = arguments.parse_args()
    if chosen.one is not None:
        print(outcome(chosen.one))
        return
    count = SHORT if chosen.short else chosen.mutants
    found = campaign(range(chosen.seed, chosen.seed + count))
    show(found, lambda how: how not in RIGHT)
    show(found, lambda how: chosen.different and how == DIFFERENT)
    show(found, lambda how: chosen.refused and how == REFUSED)
    finish(report(found), __file__, short=count < ENOUGH)


if __name__ == "__main__":
    main()
