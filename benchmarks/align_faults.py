"""Aligning sessions with faults put in on purpose: `python -m benchmarks.align_faults`.

Sessions are drawn by `faulty.simulate`, each from a seed of its own, and aligned.  A match is wrong
if its word lies more than 5 ms from where the row's own word was recorded, or would have been.
Where the log's clock steps by 10 ms its own stamps are off by more: there a match is wrong if it is
off by more than a step and its tenth, and those off by less are counted apart.
Recall is the share of the words that are in the recording as they were sent (or else changed by a
dead or floating line) which were found.  Inferred times are not judged where nothing can tell them:
of rows stamped wrongly, and of those between two settings of the log's clock from which fewer than
30 words are in the recording.

Without numbers a session may be too regular to be told from itself shifted.  That is judged by the
true times, apart from the aligner: it is clear if the best shift by more than 20 ms explains less
than 80 % of the rows that the truth explains, and at least 30 fewer; lines that are dead or float
are left out of the comparison.

`--one SEED` shows a single session: what was drawn, what was found, and where the two differ.
"""

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from analysis.align import Alignment
from analysis.evidence import AlignmentRefused
from analysis.locate import locate
from benchmarks.faulty import FAULTS, OWN, Flags, Integers, Session, Times, simulate
from benchmarks.table import finish, machine, table

SESSIONS, SHORT, ENOUGH = 10_000, 200, 10_000  # fewer write no file
PROCESSES = 2
CHUNK = 10
TOLD_EVERY = 100
WRONG_S = 0.005
STEP_SHARE = 1.1  # of a step of the log's clock, by which its stamps are off
STRETCH_WORDS = 30
# What is clear without numbers
RIVAL_S = 0.02
RIVAL_SHARE, RIVAL_ROWS = 0.8, 30
RIVAL_SLACK_S = 0.003
RIVAL_SAMPLE, RIVALS = 200, 10
# What is listed
WORST = 40
LEAST_RECALL = 0.98
NEAR_ROWS = 12  # of a session shown alone: rows this near are told together


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a session.

    Attributes
    ----------
    numbers, clear : whether it was read by its numbers; if not, whether it can be told from itself
    refused : the refusal, its numbers left out; empty where it was accepted
    rows, found, whole, wrong : of the log, those with a word, those whose word is in the recording
        as it was sent, those with a wrong one
    within_step : those whose word is off by more than 5 ms, but not by a step of the log's clock
    recall, recall_altered : share found of the words that are there as sent, or sent and altered
    inferred, beyond, far : rows whose inferred time is judged; those off by more than they say; by
        5 ms more than that
    took_s : to align
    """

    seed: int
    task: str
    laid_on: str
    numbers: bool
    clear: bool
    faults: tuple[str, ...]
    refused: str
    rows: int
    found: int
    whole: int
    wrong: int
    within_step: int
    recall: float
    recall_altered: float
    inferred: int
    beyond: int
    far: int
    took_s: float


def aligned(session: Session) -> Alignment:
    """Lay the log on the recording; the one place where the aligner is called.

    Raises
    ------
    AlignmentRefused
    """
    return locate(session.sent, session.seen.assign(port="lines"), session.number)


def outcome(seed: int) -> Outcome:
    """Simulate a session, align and judge it."""
    session = simulate(seed)
    numbers = session.number is not None
    begun_s = time.perf_counter()
    try:
        found, refused = aligned(session), ""
    except AlignmentRefused as refusal:
        found, refused = None, re.sub(r"[+-]?\d+(\.\d+)?", "#", refusal.what)
    except Exception as error:
        error.add_note(f"session of seed {seed}")
        raise
    took_s = time.perf_counter() - begun_s
    measures = _measures(session, found) if found else {}
    return Outcome(
        seed=seed,
        task=session.task,
        laid_on=session.laid_on,
        numbers=numbers,
        clear=numbers or session.laid_on != OWN or is_clear(session),
        faults=tuple(session.faults),
        refused=refused,
        rows=int((session.sent["code"] > 0).sum()),
        took_s=took_s,
        **{**_NOTHING, **measures},
    )


_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("found", "whole", "wrong", "within_step", "inferred", "beyond", "far"), 0),
    **dict.fromkeys(("recall", "recall_altered"), np.nan),
}


def _measures(session: Session, found: Alignment) -> dict[str, Any]:
    off_s = _off_s(session, found)
    wrong = ~(off_s <= max(WRONG_S, STEP_SHARE * session.tick_s))
    right = np.zeros(len(session.sent), bool)
    right[found.pairs["sent"].to_numpy()[~wrong]] = True
    there = session.whole | session.altered
    guessed = ~found.measured.to_numpy() & _can_be_told(session) & found.time_s.notna().to_numpy()
    away_s = np.abs(found.time_s.to_numpy() - session.true_s)[guessed]
    said_s = found.uncertainty_s.to_numpy()[guessed]
    return {
        "found": len(wrong),
        "whole": int(session.whole.sum()),
        "wrong": int(wrong.sum()),
        "within_step": int((~wrong & (off_s > WRONG_S)).sum()),
        "recall": _mean(right[session.whole]),
        "recall_altered": _mean(right[there]),
        "inferred": int(guessed.sum()),
        "beyond": int((away_s > said_s).sum()),
        "far": int((away_s > said_s + WRONG_S).sum()),
    }


def _can_be_told(session: Session) -> Flags:
    """Rows whose time follows from other rows, if their own word is not there."""
    words = np.bincount(session.stretch, session.whole)
    told: Flags = (words[session.stretch] >= STRETCH_WORDS) & ~session.misstamped
    return told


def _off_s(session: Session, found: Alignment) -> Times:
    """How far the word of each match is from where it should be; NaN on a foreign recording."""
    seen_s = session.seen["time_s"].to_numpy()[found.pairs["seen"].to_numpy()]
    off_s: Times = np.abs(seen_s - session.true_s[found.pairs["sent"].to_numpy()])
    return off_s


def _mean(flags: Flags) -> float:
    return float(flags.mean()) if len(flags) else np.nan


# What can be told from itself --------------------------------------------------------------------


def is_clear(session: Session) -> bool:
    """Whether no shift of the log explains nearly as much as the truth does."""
    explained, rival = explained_and_rival(session)
    return rival < RIVAL_SHARE * explained and explained - rival >= RIVAL_ROWS


def explained_and_rival(session: Session) -> tuple[int, int]:
    """Rows that have a word of their code near their true time, and near the best shifted one.

    Lines that are dead or float are left out.
    """
    sent = session.sent["code"].to_numpy() & session.mask
    code, true_s = sent[sent > 0], session.true_s[sent > 0]
    near_s = RIVAL_SLACK_S + session.tick_s
    words = session.seen.assign(code=session.seen["code"] & session.mask)
    words = words[np.isin(words["code"], code)].sort_values(["code", "time_s"])
    if words.empty:
        return 0, 0
    seen_code, seen_s = words["code"].to_numpy(), words["time_s"].to_numpy()
    some = np.arange(0, len(code), max(1, len(code) // RIVAL_SAMPLE))
    first, stop = (np.searchsorted(seen_code, code[some], side) for side in ("left", "right"))
    shift_s = np.concatenate(
        [seen_s[a:b] - at for a, b, at in zip(first, stop, true_s[some], strict=True)]
    )
    shift_s = shift_s[np.abs(shift_s) > RIVAL_S]
    shifts = _crowded(shift_s, near_s) if len(shift_s) else ()
    counts = [_near(code, true_s + shift, seen_code, seen_s, near_s) for shift in (0.0, *shifts)]
    return counts[0], max(counts[1:], default=0)


def _crowded(shift_s: Times, near_s: float) -> Times:
    """The shifts around which most lie."""
    place = ((shift_s - shift_s.min()) / near_s).astype(int)
    count = np.bincount(place, minlength=2)
    both = count[:-1] + count[1:]
    best = np.argsort(both)[-RIVALS:]
    return np.asarray(shift_s.min() + (best + 1) * near_s)


def _near(code: Integers, at_s: Times, seen_code: Integers, seen_s: Times, near_s: float) -> int:
    """How many rows have a word of their code near a time; words are sorted by code, then time."""
    early = min(seen_s.min(), at_s.min()) - 1
    lane = max(seen_s.max(), at_s.max()) - early + 1
    spot = seen_code * lane + (seen_s - early)
    wanted = code * lane + (at_s - early)
    found = np.searchsorted(spot, wanted + near_s) > np.searchsorted(spot, wanted - near_s)
    return int(found.sum())


# The campaign ------------------------------------------------------------------------------------


def campaign(seeds: Sequence[int], processes: int = PROCESSES) -> list[Outcome]:
    """Outcomes of many sessions."""
    if processes == 1:
        return list(_told(map(outcome, seeds), len(seeds)))
    with ProcessPoolExecutor(processes) as pool:
        return list(_told(pool.map(outcome, seeds, chunksize=CHUNK), len(seeds)))


def _told(outcomes: Iterable[Outcome], sessions: int) -> Iterable[Outcome]:
    for number, found in enumerate(outcomes, start=1):
        if number % TOLD_EVERY == 0 or number == sessions:
            print(f"{number}/{sessions}", file=sys.stderr, flush=True)
        yield found


def report(outcomes: Sequence[Outcome]) -> str:
    """The result as words and tables."""
    every = pd.DataFrame([asdict(o) for o in outcomes])
    own, foreign = every[every["laid_on"] == OWN], every[every["laid_on"] != OWN]
    numbers, clear = own["numbers"], own["clear"]
    kinds = {
        "with numbers": own[numbers],
        "without, clear": own[~numbers & clear],
        "without, unclear": own[~numbers & ~clear],
        "all": own,
    }
    foreign_kinds = {
        f"{laid_on}, {'with' if named else 'without'} numbers": part
        for (laid_on, named), part in foreign.groupby(["laid_on", "numbers"])
    }
    tasks = {str(task): part for task, part in own.groupby("task")}
    parts = [
        f"# Sessions with faults\n\nMade by `python -m benchmarks.align_faults`.  {machine()}."
        f"  {len(every):,} sessions, {every['rows'].median():.0f} rows in the median;"
        f" {1e3 * every['took_s'].mean():.0f} ms to align one on average,"
        f" {1e3 * every['took_s'].median():.0f} in the median.\n",
        "## Logs laid on their own recording\n",
        table([_row("session", kind, part) for kind, part in kinds.items() if len(part)]),
        "`wrong`: matches more than 5 ms off the truth, or a step of a log's clock that steps by"
        " 10 ms; `within a 10 ms step`: matches of such logs more than 5 ms off, but not so much."
        " `sessions with one`: a wrong match, with the one-sided"
        " exact 95 % upper bound of their share among those accepted. `altered too`: words that a"
        " dead or floating line changed count as there. `beyond`: inferred times that are off by"
        " more than they say, and by 5 ms more than that.\n",
        "## Logs laid on what is not theirs\n",
        table([_foreign_row(k, p) for k, p in {**foreign_kinds, "all": foreign}.items()]),
        "## Refusals\n",
        table(_refusals(own, foreign)),
        "## By task\n",
        table([_row("task", task, part) for task, part in tasks.items()]),
        "## By fault\n",
        table([_fault_row(name, own) for name in FAULTS]),
        "`alone`: sessions that have no other fault; `with others`: all that have it.\n",
        "## Seeds\n",
        _seeds(own, foreign),
    ]
    return "\n".join(parts)


def _row(title: str, kind: str, part: pd.DataFrame) -> dict[str, str]:
    accepted = part[part["refused"] == ""]
    wrong = int((accepted["wrong"] > 0).sum())
    inferred = max(1, int(accepted["inferred"].sum()))
    recall = accepted["recall"].dropna()
    return {
        title: kind,
        "sessions": f"{len(part)}",
        "accepted": f"{len(accepted)}",
        "matches": f"{accepted['found'].sum():,}",
        "wrong": f"{accepted['wrong'].sum()}",
        "within a 10 ms step": f"{accepted['within_step'].sum()}",
        "sessions with one": f"{wrong} ({_bound(wrong, len(accepted))})",
        "recall of all": f"{_pooled(accepted):.5f}",
        "median": f"{recall.median():.4f}",
        "1 %": f"{recall.quantile(0.01):.4f}",
        "≥ 0.99": _percent((recall >= 0.99).mean()),
        "≥ 0.98": _percent((recall >= 0.98).mean()),
        "altered too, median": f"{accepted['recall_altered'].median():.4f}",
        "inferred": f"{accepted['inferred'].sum():,}",
        "beyond": f"{_percent(accepted['beyond'].sum() / inferred)},"
        f" {_percent(accepted['far'].sum() / inferred)}",
    }


def _pooled(accepted: pd.DataFrame) -> float:
    """Share of the words that are in any of the recordings which were found."""
    some = accepted[accepted["whole"] > 0]
    return float((some["recall"] * some["whole"]).sum() / max(1, some["whole"].sum()))


def _foreign_row(kind: str, part: pd.DataFrame) -> dict[str, str]:
    accepted = int((part["refused"] == "").sum())
    return {
        "laid on": kind,
        "sessions": f"{len(part)}",
        "refused": f"{len(part) - accepted}",
        "accepted": f"{accepted} ({_bound(accepted, len(part))})",
        "share refused": _percent(1 - accepted / max(1, len(part))),
    }


def _refusals(own: pd.DataFrame, foreign: pd.DataFrame) -> list[dict[str, str]]:
    mine, theirs = (Counter(part["refused"]) for part in (own, foreign))
    return [
        {
            "what was said": said,
            "own recording": f"{mine[said]}",
            "another one": f"{theirs[said]}",
        }
        for said, _ in (mine + theirs).most_common()
        if said
    ]


def _fault_row(name: str, own: pd.DataFrame) -> dict[str, str]:
    having = own[[name in faults for faults in own["faults"]]]
    alone = having[having["faults"].str.len() == 1]
    row = {"fault": name}
    for title, part in (("alone", alone), ("with others", having)):
        clear = part[part["clear"]]
        accepted = part[part["refused"] == ""]
        row |= {
            f"{title}": f"{len(part)}",
            f"{title}: refused, of clear": f"{(clear['refused'] != '').sum()} of {len(clear)}",
            f"{title}: wrong": f"{(accepted['wrong'] > 0).sum()}",
            f"{title}: recall, least": f"{accepted['recall'].min():.3f}",
            f"{title}: 5 %": f"{accepted['recall'].quantile(0.05):.3f}",
        }
    return row


def _seeds(own: pd.DataFrame, foreign: pd.DataFrame) -> str:
    accepted = own[own["refused"] == ""]
    numbers = own[own["numbers"] & (own["refused"] != "")]
    clear = own[~own["numbers"] & own["clear"] & (own["refused"] != "")]
    listed = {
        "wrong matches": accepted[accepted["wrong"] > 0].sort_values("wrong", ascending=False),
        "accepted on what is not theirs": foreign[foreign["refused"] == ""],
        f"recall below {LEAST_RECALL}": accepted[accepted["recall"] < LEAST_RECALL].sort_values(
            "recall"
        ),
        "refused with numbers": numbers,
        "refused without numbers though clear": clear,
    }
    lines = []
    for title, part in listed.items():
        lines.append(f"{title}: {len(part)}\n")
        lines += [_seed(o) for o in part.head(WORST).itertuples()]
        lines.append("")
    return "\n".join(lines) + "\n"


def _seed(o: object) -> str:
    """A line on one session."""
    given = {name: getattr(o, name) for name in Outcome.__slots__}
    said = given["refused"] or f"{given['wrong']} wrong, recall {given['recall']:.4f}"
    return f"- {given['seed']} {given['task']}: {said} ({', '.join(given['faults']) or 'no fault'})"


def _bound(count: int, of: int) -> str:
    """Exact upper bound of a share (Clopper-Pearson, one-sided, 95 %)."""
    if not of:
        return "–"
    bound = binomtest(count, of, alternative="less").proportion_ci(0.95, "exact").high
    return f"< {_percent(bound)}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


# A single session --------------------------------------------------------------------------------


def show_one(seed: int) -> None:
    """Print all about one session."""
    session = simulate(seed)
    print(f"seed {seed}: {session.task} on {session.laid_on}, session number {session.number}")
    print(
        f"{len(session.sent)} rows, {len(session.seen)} words; whole {session.whole.sum()},"
        f" altered {session.altered.sum()}; faults {dict(session.faults)}"
    )
    print(*session.told, sep="\n")
    if session.laid_on == OWN:
        print("rows explained by the truth, and by the best shift: ", explained_and_rival(session))
    try:
        found = aligned(session)
    except AlignmentRefused as refusal:
        print(f"\n{refusal}\n{refusal.evidence}")
        return
    print(f"\n{found.verdict}\n{found.evidence}\n{_measures(session, found)}")
    _show_clock(session, found)
    if session.laid_on == OWN:
        _show_differences(session, found)


def _show_clock(session: Session, found: Alignment) -> None:
    """Pieces of the clock, and how far off they are."""
    rows = np.flatnonzero(session.sent["code"].to_numpy() > 0)
    log_s = session.sent["time_s"].to_numpy()[rows]
    for piece in found.clock.pieces:
        here = slice(piece.first_row, piece.last_row + 1)
        off_s = piece(log_s[here]) - session.true_s[rows[here]]
        print(
            f"rows {rows[piece.first_row]} to {rows[piece.last_row]}: rate {1e6 * piece.rate:+.1f}"
            f" ppm, off by {1e3 * np.median(off_s):+.2f} ms"
        )


def _show_differences(session: Session, found: Alignment) -> None:
    """Wrong matches, words that are there but were not found, and inferred times off too far."""
    off_s = found.time_s.to_numpy() - session.true_s
    measured = found.measured.to_numpy()
    far = np.abs(off_s) > found.uncertainty_s.to_numpy() + WRONG_S
    _show_rows("wrong", measured & ~(np.abs(off_s) <= WRONG_S), off_s)
    _show_rows("there and not found", session.whole & ~measured, off_s)
    _show_rows("inferred, further off than said", ~measured & _can_be_told(session) & far, off_s)


def _show_rows(title: str, which: Flags, off_s: Times) -> None:
    """Where in the log rows are, and how far they were put from the truth."""
    rows = np.flatnonzero(which)
    print(f"{title}: {len(rows)} rows")
    for run in np.split(rows, np.flatnonzero(np.diff(rows) > NEAR_ROWS) + 1 if len(rows) else []):
        if len(run):
            off_ms = 1e3 * np.median(off_s[run])
            print(f"  {run[0]} to {run[-1]}: {len(run)}, off by {off_ms:+.2f} ms")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--sessions", type=int, default=SESSIONS)
    arguments.add_argument("--seed", type=int, default=0, help="of the first session")
    arguments.add_argument("--processes", type=int, default=PROCESSES)
    arguments.add_argument("--short", action="store_true", help=f"{SHORT} sessions; writes no file")
    arguments.add_argument("--one", type=int, metavar="SEED", help="show one session")
    chosen = arguments.parse_args()
    if chosen.one is not None:
        show_one(chosen.one)
        return
    sessions = SHORT if chosen.short else chosen.sessions
    found = campaign(range(chosen.seed, chosen.seed + sessions), chosen.processes)
    finish(report(found), __file__, short=sessions < ENOUGH)


if __name__ == "__main__":
    main()
