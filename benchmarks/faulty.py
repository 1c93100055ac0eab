"""Simulated sessions with faults put in on purpose, and the truth about them.

A script is the order of a task's words and what each of them waits for.  Performed by a person, it
is a run; a recording holds one or several.  Between the lines and the recording words are lost,
changed and added; the log's clock drifts, bends, jumps and steps.  `simulate` draws all this from a
seed and keeps what an aligner must not know: when the word of each row really came, and whether it
is there.

Our own scripts are presented by our presenter on the simulated rig; those of other laboratories
follow the published tasks, without numbers.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.ours import HZ, show
from task import places
from task.contract.codes import MAX_SESSION, Code, announce_presentation, announce_session
from task.rigs.simulated import SimulatedPort, simulated_rig

Times = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Rng = np.random.Generator
Span = tuple[float, float]

FRAME_S = 1 / HZ
LATE_FRAMES = 0.003  # of all words, at most, come a frame late
REFRESH_OFF = 1e-4  # by which a display's rate is off, at most

# Scripts -----------------------------------------------------------------------------------------

NOTHING, ANSWER, BREAK = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """The words of a task, and what each of them waits for.

    Attributes
    ----------
    task : its name
    numbered : whether the words number session and presentation
    code : (n,)
    gap_s : from the word before, at least, (n,)
    wait : for what it waits besides: nothing, a person's answer, the end of a break, (n,)
    jitter_frames : it waits so many frames more, at most, (n,)
    loose_s : by so much the computer is late, at most; 0 where it keeps to the frames
    answers : among these a person's answers are drawn; none where they are as they stand
    period_s : a duration that the task repeats
    """

    task: str
    numbered: bool
    code: Integers
    gap_s: Times
    wait: Integers
    jitter_frames: Integers
    loose_s: float
    answers: tuple[int, ...]
    period_s: float


class Run(NamedTuple):
    """Words on the lines, and when."""

    time_s: Times
    code: Integers


def perform(script: Script, rng: Rng) -> Run:
    """A run: every person takes other times, every computer has its own frames."""
    n = len(script.code)
    waits_s = np.where(
        script.wait == ANSWER,
        np.exp(rng.normal(np.log(0.7), 0.5, n)).clip(0.1, 6),
        np.where(script.wait == BREAK, np.exp(rng.normal(np.log(8), 1, n)).clip(1, 300), 0),
    )
    late = rng.random(n) < max(0, rng.uniform(-LATE_FRAMES, LATE_FRAMES))
    frames = np.round((script.gap_s + waits_s) * HZ) + late
    frames += rng.integers(0, script.jitter_frames + 1)
    loose_s = np.cumsum(rng.uniform(0, 1, n) * script.loose_s)
    period_s = FRAME_S * (1 + rng.uniform(-REFRESH_OFF, REFRESH_OFF))
    return Run(np.cumsum(frames) * period_s + loose_s, script.code)


def answered_anew(script: Script, rng: Rng) -> Script:
    """The same task, other answers."""
    if not script.answers:
        return script
    other = rng.choice(script.answers, len(script.code))
    return replace(script, code=np.where(script.wait == ANSWER, other, script.code))


def numbered(script: Script, session: int) -> Script:
    """The same task with its words announcing a session."""
    if not script.numbered:
        return script
    code = script.code.copy()
    for nth, value in enumerate(announce_session(session)):
        code[np.flatnonzero(script.code == Code.SESSION) + nth] = value
    # The check is linear: another session changes it by the same bits everywhere.
    change = announce_presentation(session, 0)[3] ^ announce_presentation(_PRESENTED, 0)[3]
    code[np.flatnonzero(script.code == Code.TRIAL) + 3] ^= change
    return replace(script, code=code)


_PRESENTED = 1  # the session that `show` announces
_ANSWERS = [code for code in Code if code.name.startswith("ANSWER_")]


def our_screening(rng: Rng) -> Script:
    repeats = int(rng.choice([1, 2, 4], p=[0.7, 0.25, 0.05]))
    return _ours("screening", "screening_500", f"repeats = {repeats}", int(rng.integers(2)), 0.4)


def our_imagery(rng: Rng) -> Script:
    protocol = str(rng.choice(["imagery_8", "imagery_tones"]))
    return _ours("imagery", protocol, "", int(rng.integers(2)), 2.0)


@cache
def _ours(task: str, protocol: str, repeats: str, seed: int, period_s: float) -> Script:
    """A protocol of ours as the simulated rig puts it on the lines, the robot's times taken out."""
    text = (places.PROTOCOLS / f"{protocol}.toml").read_text(encoding="utf-8")
    text = text.replace("schema = 1\n", f"schema = 1\nseed = {seed}\n")
    text = text.replace("repeats = 4", repeats) if repeats else text
    rig = simulated_rig(HZ, pulse_s=FRAME_S / 2, gap_s=FRAME_S / 2, seed=seed)
    assert isinstance(rig.port, SimulatedPort)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{protocol}.toml"
        path.write_text(text, encoding="utf-8")
        show(path, rig, Path(folder) / "session")
    time_s, code = (
        np.array(c) for c in zip(*((t, v) for t, v in rig.port.edges if v), strict=True)
    )
    answer = np.isin(code, _ANSWERS)
    onset = np.maximum.accumulate(
        np.where(
            np.isin(code, [Code.TEXT_ON, Code.QUESTION_ON, Code.RATING_ON, Code.SEARCH_ON]),
            np.arange(len(code)),
            0,
        )
    )
    read = code[onset] == Code.TEXT_ON
    gap_s = np.diff(time_s, prepend=time_s[0])
    return Script(
        task=f"our {task}",
        numbered=True,
        code=code,
        gap_s=np.where(answer, np.minimum(gap_s, 0.2), gap_s),
        wait=np.where(answer, np.where(read, BREAK, ANSWER), NOTHING),
        jitter_frames=np.zeros(len(code), dtype=np.int64),
        loose_s=0.0,
        answers=(),
        period_s=period_s,
    )


# Code, least gap before it (s), what it waits for, frames of jitter.
_Rows = Sequence[tuple[int, float, int, int]]


def new_old(rng: Rng) -> Script:
    """Pictures to learn or to recognise (Faraut et al. 2018, doi:10.1038/sdata.2018.10)."""
    answers = (20, 21) if rng.random() < 0.5 else (31, 32, 33, 34, 35, 36)
    shown_s = float(rng.choice([1.0, 2.0]))
    trial = [(1, 0.05, 0, 0), (2, shown_s, 0, 0), (3, 0.55, 0, 0), (answers[0], 0.1, ANSWER, 0)]
    rows = [(55, 0.0, 0, 0), *([*trial, (6, 1.0, 0, 0)] * int(rng.integers(100, 201)))]
    return answered_anew(_lab("new/old", rng, [*rows, (66, 0.5, 0, 0)], answers, shown_s), rng)


def lab_screening(rng: Rng) -> Script:
    """Pictures at a fixed rate, or with up to 12 frames of jitter; breaks between blocks."""
    jitter = int(rng.choice([0, 1, 3, 6, 12]))
    on, off = int(rng.integers(12, 31)), int(rng.integers(8, 25))
    each, every = (on + off) * FRAME_S, int(rng.choice([50, 100, 250]))
    rows = [(61, 0.0, 0, 0)]
    for trial in range(int(rng.uniform(300, 900) / (each + jitter * FRAME_S / 2))):
        paused = trial % every == 0
        rows.append((20, 1.0, BREAK, 0) if paused else (20, off * FRAME_S, NOTHING, jitter))
        rows.append((21, on * FRAME_S, NOTHING, 0))
    return _lab(f"lab screening, jitter {jitter}", rng, [*rows, (60, 1.0, 0, 0)], (), each)


def lab_imagery(rng: Rng) -> Script:
    """Blocks of pictures to see and then to imagine, rated, with small codes."""
    rows: list[tuple[int, float, int, int]] = [(61, 0.0, 0, 0)]
    seen_s, imagined_s = float(rng.choice([1.0, 1.5])), float(rng.choice([3.0, 5.0]))
    for _ in range(int(rng.integers(4, 11))):
        rows.append((10, 1.0, BREAK, 0))
        rows += [(1, 0.5, 0, 0), (2, seen_s, 0, 0)] * 8
        rows.append((9, 20.0, BREAK, 0))
        trial = [(3, 1.0, 0, 0), (4, 0.5, 0, 0), (5, imagined_s, 0, 0), (6, 0.5, 0, 0)]
        rows += [*trial, (11, 0.1, ANSWER, 0)] * 8
    answers = (11, 12, 13, 14, 15)
    script = _lab("lab imagery", rng, [*rows, (60, 1.0, 0, 0)], answers, imagined_s + 2.0)
    return answered_anew(script, rng)


def _lab(task: str, rng: Rng, rows: _Rows, answers: tuple[int, ...], period_s: float) -> Script:
    code, gap_s, wait, jitter = (np.array(column) for column in zip(*rows, strict=True))
    loose_s = float(rng.choice([0.0, 0.001, 0.02]))
    return Script(task, False, code, gap_s, wait, jitter, loose_s, answers, period_s)


SCRIPTS: Mapping[Callable[[Rng], Script], float] = {
    our_screening: 0.2,
    our_imagery: 0.25,
    new_old: 0.25,
    lab_screening: 0.15,
    lab_imagery: 0.15,
}
# Tasks that have codes in common, by what stands before the comma.
_OTHERS: Mapping[str, tuple[Callable[[Rng], Script], ...]] = {
    "our screening": (our_imagery,),
    "our imagery": (our_screening,),
    "new/old": (lab_imagery, lab_screening),
    "lab screening": (new_old,),
    "lab imagery": (new_old,),
}

# Faults ------------------------------------------------------------------------------------------

OWN, ANOTHER_SESSION, ANOTHER_RUN, ANOTHER_TASK = (
    "its own",
    "another session",
    "another run",
    "another task",
)
_OWN_SHARE = 0.65
_ALONE = 0.3  # of the sessions have one fault only,
_EACH = 0.2  # and the others each fault with this probability
_BY_NUMBER = 0.85  # of the sessions that number their words are read by the numbers


def _share(most: float) -> Callable[[Rng], float]:
    return lambda rng: float(rng.uniform(0, most))


def _times(most: int) -> Callable[[Rng], float]:
    return lambda rng: float(rng.integers(1, most + 1))


# How strong each is: a share of the words, a part of the run, how often, or as it says.
FAULTS: Mapping[str, Callable[[Rng], float]] = {
    "words lost": _share(0.3),
    "stretches lost": _times(4),
    "recording begins late": _share(0.45),
    "recording ends early": _share(0.45),
    "unsent words": _share(0.2),
    "words above 255": _share(0.2),
    "bounce": _share(0.2),
    "storms": _times(3),
    "drift": lambda rng: float(rng.uniform(-500, 500)),  # ppm
    "clock jumps": _times(2),
    "clock jumps by periods": _times(2),
    "clock bends": lambda rng: float(rng.uniform(0.025, 0.08)),  # s
    "rows stamped wrongly": _times(6),
    "header rows": _times(2),
    "replaced words": _share(0.05),
    "flipped bits": _share(0.1),
    "dead line": lambda rng: float(rng.integers(0, 8)),  # which
    "floating lines": _share(1.0),
    "aborted start": lambda rng: float(rng.uniform(0.02, 0.7)),  # how far it came
    "other sessions": _times(3),
    "other task": _times(2),
}
_LINES, _EVERY_LINE = 0xFF, 0xFFFF  # of our words; of the recorder's
_USUAL_PPM = 50.0
_STRETCH_S = (2.0, 180.0)
_BOUNCE_S = (3e-4, 4.4e-3)
_STORM_WORDS = (100, 800)
_JUMP_S = (0.005, 3 * 3600.0)
_MOST_PERIODS = 10
_BEND_S = (100.0, 300.0)  # a computer that warms up
_WAVE_S = (240.0, 900.0)  # one that is steered
_MISSTAMP_S = (0.01, 1.001)
_LATE_STAMP_S = 2e-4  # from a word to its stamp in the log, at most
_RECORDER_S = (1e-4, 3e-4)  # error of the recorder's stamps: standard deviation, and largest
_TICKS_S = (1e-6, 86.4e-6, 1e-3, 10.0144e-3)
_EPOCHS_S = (6.37e10, 1.7e9, 5e3)  # days of MATLAB, Unix, since the computer started
_STARTS_S = (0.0, 1e5, 1.6e9)  # of the recorder's clock
_BEGINS_S = 10.0  # the first run, after the recording
_BETWEEN_S = (20.0, 300.0)  # two runs
_MARGIN_S = 60.0  # unsent words come from so long before the run to as long after it


def draw_faults(rng: Rng) -> dict[str, float]:
    """Some faults, and how strong they are."""
    if rng.random() < _ALONE:
        chosen = [str(rng.choice(list(FAULTS)))]
    else:
        chosen = [name for name in FAULTS if rng.random() < _EACH]
    return {name: FAULTS[name](rng) for name in chosen}


# A session ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """A log and a recording, and what only the simulation knows.

    Attributes
    ----------
    seed, task : how it was drawn
    laid_on : what the recording is of: `its own` session, or another one
    number : of the session, if its words are to be read by their numbers
    faults : and how strong they are
    sent, seen : `time_s`, `code` of the log and of the recording
    true_s : when the word of each row was recorded, or would have been; NaN if it is not of this
        recording, (n_sent,)
    whole : rows whose word is in the recording as it was sent, (n_sent,)
    altered : rows whose word is there, but changed by a dead or floating line, (n_sent,)
    stretch : how often the log's clock had been set before each row, (n_sent,)
    misstamped : rows whose stamp is wrong, (n_sent,)
    tick_s : step of the log's clock
    mask : the bits of a word that neither a dead nor a floating line spoils
    told : what was drawn, in words
    """

    seed: int
    task: str
    laid_on: str
    number: int | None
    faults: Mapping[str, float]
    sent: pd.DataFrame
    seen: pd.DataFrame
    true_s: Times
    whole: Flags
    altered: Flags
    stretch: Integers
    misstamped: Flags
    tick_s: float
    mask: int
    told: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    """Words in the world's time; `row` is that of the log, -1 where they are none of its words."""

    time_s: Times
    code: Integers
    row: Integers

    def __getitem__(self, chosen: Integers | Flags) -> "_Words":
        return _Words(self.time_s[chosen], self.code[chosen], self.row[chosen])

    def __add__(self, other: "_Words") -> "_Words":
        pairs = zip(self._columns, other._columns, strict=True)
        return _Words(*(np.concatenate(pair) for pair in pairs))

    @property
    def _columns(self) -> tuple[Times, Integers, Integers]:
        return self.time_s, self.code, self.row


@dataclass(frozen=True, slots=True, eq=False)
class _Log:
    """Rows of a log.

    Attributes
    ----------
    sent_s : when each was sent, in the world's time
    time_s, code : what the log says of it
    stretch : how often the clock had been set by then
    misstamped : where the stamp alone is wrong
    """

    sent_s: Times
    time_s: Times
    code: Integers
    stretch: Integers
    misstamped: Flags
    tick_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What a session is made of: its task and number, its recording, its faults; and the dice.

    `told` collects what happens on the way, in words.
    """

    make: Callable[[Rng], Script]
    script: Script
    number: int
    laid_on: str
    faults: Mapping[str, float]
    rng: Rng
    told: list[str]

    def strength(self, fault: str) -> float:
        """How strong a fault is; 0 where there is none."""
        return self.faults.get(fault, 0)

    @property
    def dead(self) -> int:
        """The dead line, as its value in a word; 0 where there is none."""
        return 1 << int(self.faults["dead line"]) if "dead line" in self.faults else 0

    @property
    def mask(self) -> int:
        """The bits of a word that neither a dead nor a floating line spoils."""
        lines = _LINES if "floating lines" in self.faults else _EVERY_LINE
        return lines & ~self.dead

    def times(self, fault: str) -> range:
        """Once for each time that a fault happens."""
        return range(int(self.strength(fault)))


def simulate(seed: int) -> Session:
    """The session of a seed."""
    rng = np.random.default_rng(seed)
    told: list[str] = []
    make = list(SCRIPTS)[rng.choice(len(SCRIPTS), p=list(SCRIPTS.values()))]
    script, number = make(rng), int(rng.integers(MAX_SESSION))
    by_number = script.numbered and rng.random() < _BY_NUMBER
    negatives = (ANOTHER_SESSION, ANOTHER_SESSION, ANOTHER_RUN, ANOTHER_TASK)
    laid_on = OWN if rng.random() < _OWN_SHARE else str(rng.choice(negatives))
    faults = draw_faults(rng)

    drawn = _Drawn(make, script, number, laid_on, faults, rng, told)
    own = perform(numbered(script, number), rng)
    words, begun_s, span_s = _played(own, drawn)
    words = _heard(_on_the_lines(words, drawn), span_s, drawn)
    log = _logged(own, begun_s, drawn)
    words, true_s = _stamped(words, log, drawn)
    whole, altered = _there(words, log)
    return Session(
        seed=seed,
        task=script.task,
        laid_on=laid_on,
        number=number if by_number else None,
        faults=faults,
        sent=pd.DataFrame({"time_s": log.time_s, "code": log.code}),
        seen=pd.DataFrame({"time_s": words.time_s, "code": words.code}),
        true_s=true_s if laid_on == OWN else np.full(len(true_s), np.nan),
        whole=whole,
        altered=altered,
        stretch=log.stretch,
        misstamped=log.misstamped,
        tick_s=log.tick_s,
        mask=drawn.mask,
        told=tuple(told),
    )


def _played(own: Run, drawn: _Drawn) -> tuple[_Words, float, Span]:
    """All runs of a recording, one after the other.

    Returns
    -------
    their words; when the log's own run began, if it is there; from when to when it, or what is
    there in its place, lasted
    """
    rng = drawn.rng
    kinds = [ANOTHER_SESSION for _ in drawn.times("other sessions")]
    kinds += [ANOTHER_TASK for _ in drawn.times("other task")]
    runs = [(kind, _another(kind, drawn)) for kind in kinds]
    first = int(rng.integers(0, len(runs) + 1))
    before, after = runs[:first], runs[first:]
    if "aborted start" in drawn.faults and drawn.laid_on == OWN:
        for _ in range(int(rng.integers(1, 3))):
            before.append(("aborted start", _aborted(len(own.code), drawn)))
    middle = own if drawn.laid_on == OWN else _another(drawn.laid_on, drawn)
    at_s, words = _BEGINS_S, list[_Words]()
    begun_s, span_s = 0.0, (0.0, 0.0)
    for kind, run in [*before, (drawn.laid_on, middle), *after]:
        row = np.arange(len(run.code)) if run is own else np.full(len(run.code), -1)
        words.append(_Words(at_s + run.time_s, run.code, row))
        drawn.told.append(f"{kind}: {len(row)} words from {at_s:.1f} s on")
        end_s = float(words[-1].time_s[-1])
        if run is middle:
            begun_s, span_s = at_s, (at_s, end_s)
        at_s = end_s + float(rng.uniform(*_BETWEEN_S))
    return reduce(_Words.__add__, words), begun_s, span_s


def _another(kind: str, drawn: _Drawn) -> Run:
    """A run of another session."""
    rng, script = drawn.rng, drawn.script
    if kind == ANOTHER_RUN:
        script = drawn.make(rng)
    elif kind == ANOTHER_TASK:
        others = _OTHERS[script.task.partition(",")[0]]
        script = others[int(rng.integers(len(others)))](rng)
    elif rng.random() < 0.5:  # else the same answers, too: only their times differ
        script = answered_anew(script, rng)
    return perform(numbered(script, int(rng.integers(MAX_SESSION))), rng)


def _aborted(words: int, drawn: _Drawn) -> Run:
    """The same task begun before; what numbers its sessions gave it another number."""
    rng = drawn.rng
    run = perform(numbered(drawn.script, int(rng.integers(MAX_SESSION))), rng)
    stop = max(1, round(drawn.strength("aborted start") * words))
    return Run(run.time_s[:stop], run.code[:stop])


def _on_the_lines(words: _Words, drawn: _Drawn) -> _Words:
    """What a cable makes of words; and rests between them, where a recorder keeps such."""
    rng = drawn.rng
    n, table = len(words.code), np.unique(words.code)
    code = words.code.copy()
    replaced = rng.random(n) < drawn.strength("replaced words")
    code[replaced] = rng.choice(table, replaced.sum())
    flipped = rng.random(n) < drawn.strength("flipped bits")
    code[flipped] ^= 1 << rng.integers(0, 8, flipped.sum())
    row = np.where(code == words.code, words.row, -1)
    rest = 0
    if drawn.dead:
        rest = drawn.dead if rng.random() < 0.5 else 0
        code = code | rest if rest else code & ~drawn.dead
        drawn.told.append(f"line {drawn.dead} is stuck at {int(rest > 0)}")
    floating = rng.random(n) < drawn.strength("floating lines")
    code[floating] |= rng.integers(1, 256, floating.sum()) * (_LINES + 1)
    lines = _Words(words.time_s, code, np.where(code > 0, row, -1))
    if rng.random() > 0.3:
        return lines
    drawn.told.append(f"rests are recorded, as {rest}")
    pulse_s = np.minimum(0.01, np.diff(words.time_s, append=np.inf) / 2)
    return lines + _Words(words.time_s + pulse_s, np.full(n, rest), np.full(n, -1))


def _heard(words: _Words, span_s: Span, drawn: _Drawn) -> _Words:
    """What a recording keeps of the words, and what it has besides."""
    rng = drawn.rng
    start_s, end_s = span_s
    kept = rng.random(len(words.code)) >= drawn.strength("words lost")
    for _ in drawn.times("stretches lost"):
        from_s = rng.uniform(start_s, end_s)
        to_s = from_s + np.exp(rng.uniform(*np.log(_STRETCH_S)))
        kept &= (words.time_s < from_s) | (words.time_s >= to_s)
        drawn.told.append(f"lost from {from_s:.1f} to {to_s:.1f} s")
    words = words[kept]
    words += _unsent(words, span_s, drawn)
    late, early = (drawn.strength(f"recording {how}") for how in ("begins late", "ends early"))
    length_s = end_s - start_s
    from_s = start_s + late * length_s if late else -np.inf
    to_s = end_s - early * length_s if early else np.inf
    drawn.told.append(f"the recording has {from_s:.1f} to {to_s:.1f} s")
    return words[(words.time_s >= from_s) & (words.time_s < to_s)]


def _unsent(words: _Words, span_s: Span, drawn: _Drawn) -> _Words:
    """Words that nobody sent: at random, the same again at once, hundreds within a second."""
    rng, table = drawn.rng, np.unique(drawn.script.code)
    during = (words.time_s >= span_s[0]) & (words.time_s <= span_s[1])
    n = int((during & (words.code > 0)).sum())
    bounced = rng.random(len(words.code)) < drawn.strength("bounce")
    again = words[bounced & (words.code > 0)]
    times = [again.time_s + rng.uniform(*_BOUNCE_S, len(again.code))]
    codes = [again.code]
    anywhere = (span_s[0] - _MARGIN_S, span_s[1] + _MARGIN_S)
    for name, low in (("unsent words", 0), ("words above 255", 256)):
        more = round(drawn.strength(name) * n)
        times.append(rng.uniform(*anywhere, more))
        codes.append(rng.integers(low, 1 << 16, more) if low else rng.choice(table, more))
    for _ in drawn.times("storms"):
        more, at_s = int(rng.integers(*_STORM_WORDS)), rng.uniform(*span_s)
        some = rng.choice(table, int(rng.integers(1, len(table) + 1)), replace=False)
        times.append(at_s + rng.uniform(0, 1, more))
        codes.append(rng.choice(some, more))
        drawn.told.append(f"{more} words of {len(some)} codes within a second from {at_s:.1f} s on")
    time_s, code = np.concatenate(times), np.concatenate(codes)
    return _Words(time_s, code, np.full(len(code), -1))


def _logged(own: Run, begun_s: float, drawn: _Drawn) -> _Log:
    """The log that the stimulus computer wrote."""
    rng, script = drawn.rng, drawn.script
    n = len(own.code)
    sent_s = begun_s + own.time_s
    off_s = float(rng.choice(_EPOCHS_S)) + rng.uniform(0, _LATE_STAMP_S, n)
    stretch = np.zeros(n, dtype=np.int64)
    for row, size_s in _jumps(n, drawn):
        off_s[row:] += size_s
        stretch[row:] += 1
        drawn.told.append(f"the log's clock is set by {size_s:+.4f} s at row {row}")
    if "clock bends" in drawn.faults:
        off_s += _bend(sent_s - begun_s, drawn)
    tick_s = _TICKS_S[0] if script.numbered else float(rng.choice(_TICKS_S))
    stamp_s = np.floor((sent_s + off_s) / tick_s) * tick_s
    misstamped = np.zeros(n, bool)
    for row in rng.integers(0, n, int(drawn.strength("rows stamped wrongly"))).tolist():
        size_s = rng.choice([-1, 1]) * rng.uniform(*_MISSTAMP_S)
        stamp_s[row] += size_s
        misstamped[row] = True
        drawn.told.append(f"row {row} is stamped {size_s:+.3f} s off")
    header = int(drawn.strength("header rows"))
    before_s = np.sort(rng.uniform(0.5, 30, header))[::-1]
    return _Log(
        np.concatenate([sent_s[0] - before_s, sent_s]),
        np.concatenate([stamp_s[0] - before_s, stamp_s]),
        np.concatenate([np.zeros(header, dtype=np.int64), own.code]),
        np.concatenate([np.zeros(header, dtype=np.int64), stretch]),
        np.concatenate([np.zeros(header, bool), misstamped]),
        tick_s,
    )


def _stamped(words: _Words, log: _Log, drawn: _Drawn) -> tuple[_Words, Times]:
    """The words by the recorder's clock, in its order; and where each row's own is by that."""
    rng = drawn.rng
    start_s = float(rng.choice(_STARTS_S))
    rate = 1e-6 * drawn.faults.get("drift", rng.uniform(-_USUAL_PPM, _USUAL_PPM))
    drawn.told.append(f"drift {rate * 1e6:+.1f} ppm; the log steps by {log.tick_s:g} s")
    usual_s, largest_s = _RECORDER_S
    error_s = rng.normal(0, usual_s, len(words.row)).clip(-largest_s, largest_s)
    stamp_s = np.round(start_s + words.time_s * (1 + rate) + error_s, 6)
    words = replace(words, time_s=stamp_s)[np.argsort(stamp_s, kind="stable")]
    true_s = start_s + log.sent_s * (1 + rate)
    own = words[words.row >= 0]
    true_s[_log_row(own, log)] = own.time_s
    return words, true_s


def _there(words: _Words, log: _Log) -> tuple[Flags, Flags]:
    """Rows whose word is there as it was sent, and those whose word is there but changed."""
    own = words[words.row >= 0]
    row = _log_row(own, log)
    as_sent = own.code == log.code[row]
    whole, altered = np.zeros((2, len(log.code)), bool)
    whole[row], altered[row] = as_sent, ~as_sent
    return whole, altered


def _log_row(own: _Words, log: _Log) -> Integers:
    """Rows of a log, its header counted."""
    header: int = np.flatnonzero(log.code > 0)[0]
    return own.row + header


def _jumps(rows: int, drawn: _Drawn) -> list[tuple[int, float]]:
    """From which row on the clock is set, and by how much."""
    rng, period_s = drawn.rng, drawn.script.period_s
    sizes_s = [np.exp(rng.uniform(*np.log(_JUMP_S))) for _ in drawn.times("clock jumps")]
    for _ in drawn.times("clock jumps by periods"):
        sizes_s.append(period_s * rng.integers(1, _MOST_PERIODS + 1))
    return [(int(rng.integers(1, rows)), float(rng.choice([-1, 1]) * size)) for size in sizes_s]


def _bend(passed_s: Times, drawn: _Drawn) -> Times:
    """By how much the log's clock is ahead: warming up, or steered to and fro."""
    rng, size_s = drawn.rng, drawn.strength("clock bends")
    if rng.random() < 0.5:
        within_s = rng.uniform(*_BEND_S)
        drawn.told.append(f"the log warms up: {size_s * 1e3:.0f} ms within {within_s:.0f} s")
        return size_s * np.exp(-passed_s / within_s)
    wave_s = rng.uniform(*_WAVE_S)
    drawn.told.append(f"the log is steered: {size_s * 1e3:.0f} ms to and fro in {wave_s:.0f} s")
    return size_s / 2 * np.sin(2 * np.pi * passed_s / wave_s)
