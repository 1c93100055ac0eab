"""How well logs and recordings of a real laboratory are brought together, as a table.

`python -m benchmarks.align_newold [folder]` takes 83 logs of Faraut et al. 2018
(doi:10.1038/sdata.2018.10), and lays each on the whole recording and on its own run alone, on every
other folder's recording and on every other run of its own.

What is right: the longest common subsequence of the codes of a log and of its run.  But for the
header row, which was never sent, the two differ by a handful of words, so it leaves no choice.  A
match is wrong if it is another word than that one or its time steps back, unless the line bounced
and the same word came twice within 50 ms (counted by itself).
"""

import json
import sys
import time
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.align import Alignment
from analysis.evidence import AlignmentRefused
from analysis.locate import locate
from analysis.readers import read_events, read_log

BOUNCE_S = 0.05
REPEATS = 3  # of each alignment, for its time


def main(folder: Path) -> None:
    expected = json.loads((folder / "expected.json").read_text())["pairs"]
    events = {pair["folder"]: read_events(events_file(folder, pair)) for pair in expected}
    rows = [row for pair in expected for row in both_ways(folder, pair, events[pair["folder"]])]
    table = pd.DataFrame(rows)
    pd.set_option("display.width", 200, "display.max_rows", None, "display.max_columns", None)
    print(table.round(2).to_string(index=False))
    print(summary(table).round(3).to_string(), "\n")
    print("laid on what is not theirs:")
    for said, count in foreign(folder, expected, events).items():
        print(f"  {count:5d}  {said}")


def events_file(folder: Path, pair: dict[str, Any]) -> Path:
    return folder / "events" / pair["folder"] / "eventsRaw.mat"


def log_file(folder: Path, pair: dict[str, Any]) -> Path:
    return folder / "events" / pair["folder"] / f"newold{pair['run']}.txt"


def both_ways(folder: Path, pair: dict[str, Any], words: pd.DataFrame) -> list[dict[str, Any]]:
    sent = read_log(log_file(folder, pair))
    words = words[words["code"] != 0].reset_index(drop=True)
    run = words[words["run"] == pair["run"]]
    return [
        one(pair, "whole recording", sent, words, run),
        one(pair, "own run", sent, run.reset_index(drop=True), run.reset_index(drop=True)),
    ]


def one(
    pair: dict[str, Any], laid_on: str, sent: pd.DataFrame, words: pd.DataFrame, run: pd.DataFrame
) -> dict[str, Any]:
    took_s = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = locate(sent[["time_s", "code"]], words)
        took_s.append(time.perf_counter() - start)
    residual_ms = found.pairs["residual_s"].abs() * 1e3
    on_clock_ms = residual_ms[~found.pairs["placed"]]
    return {
        "folder": pair["folder"],
        "run": pair["run"],
        "laid_on": laid_on,
        "expected": pair["code_matched"],
        "matched": len(found.pairs),
        "placed": int(found.pairs["placed"].sum()),
        **wrong(sent, words, run, found),
        "drift_ppm": found.drift_ppm,
        "drift_off_ppm": found.drift_ppm - pair["drift_ppm"],
        "step_ms": found.tick_s * 1e3,
        "step_off_ms": found.tick_s * 1e3 - pair["log_step_ms"],
        "median_ms": on_clock_ms.median(),
        "expected_median_ms": min(pair["residual_median_ms"], pair["bent_median_ms"]),
        "p99_ms": on_clock_ms.quantile(0.99),
        "pieces": len(found.clock.pieces),
        "rival": found.evidence.rival,
        "took_ms": min(took_s) * 1e3,
    }


def wrong(
    sent: pd.DataFrame, words: pd.DataFrame, run: pd.DataFrame, found: Alignment
) -> dict[str, int]:
    """Matches that are not those of the longest common subsequence."""
    truth = common(sent["code"].tolist(), run["code"].tolist(), run.index.to_list())
    pairs = found.pairs
    code, time_s = words["code"].to_numpy(), words["time_s"].to_numpy()
    right = pairs["sent"].map(truth).to_numpy(float)
    other = np.flatnonzero(right != pairs["seen"])
    known = np.isfinite(right[other])
    near = np.zeros(len(other), bool)
    seen = pairs["seen"].to_numpy()[other]
    near[known] = np.abs(time_s[seen[known]] - time_s[right[other][known].astype(int)]) < BOUNCE_S
    same = code[seen] == sent["code"].to_numpy()[pairs["sent"].to_numpy()[other]]
    steps = np.diff(time_s[pairs["seen"]])
    return {
        "wrong": int((~(near & same)).sum()) + int((steps < 0).sum()),
        "twins": int((near & same).sum()),
    }


def common(sent: list[int], seen: list[int], places: list[int]) -> dict[int, int]:
    """Row of the log -> row of the recording, of the longest common subsequence."""
    blocks = SequenceMatcher(None, sent, seen, autojunk=False).get_matching_blocks()
    return {b.a + k: places[b.b + k] for b in blocks for k in range(b.size)}


def summary(table: pd.DataFrame) -> pd.DataFrame:
    def of(part: pd.DataFrame) -> pd.Series:
        coarse = part["step_ms"] > 5
        return pd.Series(
            {
                "pairs": len(part),
                "matched": part["matched"].sum(),
                "expected": part["expected"].sum(),
                "recall": part["matched"].sum() / part["expected"].sum(),
                "worst pair": (part["matched"] / part["expected"]).min(),
                "wrong": part["wrong"].sum(),
                "twins of a bouncing word": part["twins"].sum(),
                "found by place": part["placed"].sum(),
                "drift off, 1 ms logs (ppm)": part["drift_off_ppm"][~coarse].abs().max(),
                "drift off, 10 ms logs (ppm)": part["drift_off_ppm"][coarse].abs().max(),
                "99 %, 1 ms logs, worst (ms)": part["p99_ms"][~coarse].max(),
                "99 %, 10 ms logs, worst (ms)": part["p99_ms"][coarse].max(),
                "median of medians, 1 ms (ms)": part["median_ms"][~coarse].median(),
                "median of medians, 10 ms (ms)": part["median_ms"][coarse].median(),
                "best rival (rows)": part["rival"].max(),
                "median time (ms)": part["took_ms"].median(),
                "longest time (ms)": part["took_ms"].max(),
            }
        )

    return pd.DataFrame({name: of(part) for name, part in table.groupby("laid_on")})


def foreign(
    folder: Path, expected: list[dict[str, Any]], events: dict[str, pd.DataFrame]
) -> Counter[str]:
    """Logs laid on other recordings, and on other runs of their own: what became of them."""
    outcomes: Counter[str] = Counter()
    for pair in expected:
        sent = read_log(log_file(folder, pair))[["time_s", "code"]]
        mine = events[pair["folder"]]
        for name, words in events.items():
            if name != pair["folder"]:
                same = np.isin(words["time_s"], mine["time_s"]).mean() > 0.5
                kind = "same recording, other folder" if same else "another folder's recording"
                outcomes[f"{kind}: {outcome(sent, words)}"] += 1
        for run, words in mine.groupby("run"):
            if run != pair["run"]:
                outcomes[f"another run of its own recording: {outcome(sent, words)}"] += 1
    return outcomes


def outcome(sent: pd.DataFrame, words: pd.DataFrame) -> str:
    try:
        locate(sent, words)
    except AlignmentRefused:
        return "refused"
    return "ACCEPTED"


if __name__ == "__main__":
    beside = Path(__file__).parents[2] / "shared" / "data" / "human_newold"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else beside)
