"""Ways of bringing a log and a recording together, side by side: `python -m benchmarks.align`.

83 logs of Faraut et al. 2018 (doi:10.1038/sdata.2018.10), each laid on its own run of the recording
and on the whole of it, by ours and by what is used elsewhere:

counting           row n of the log is word n, as hand-written scripts have it (rows never sent are
                   left out, which is more than most of them do)
first and last     the log is stretched between the first and the last word, as open-ephys tools do
                   with the first and last pulse; the nearest word within 10 ms is a row's own
codes              the longest common run of codes (`difflib`)
cross-correlation  `sync_timestamps` of the International Brain Laboratory: times in bins of 0.1 s,
                   correlated, the nearest word taken, a line through all; its own code, fetched
                   (`pip install --no-deps --target FOLDER ibl-neuropixel==1.5.0`, then `--ibl
                   FOLDER`; without it, it is left out)

What is right is known as in `align_newold`: the words that carry the run's number.  A match is
wrong if its word lies more than 5 ms from the right one.  (In one pair a line was slow to settle:
the first of two equal words, 20 to 35 ms apart, stands where the log expects it, but only the
second carries the number.)  Every method is timed in the same run, the best of three.
"""

import argparse
import importlib
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.evidence import AlignmentRefused
from analysis.locate import locate
from analysis.readers import read_events, read_log
from benchmarks.align_newold import common, events_file, log_file
from benchmarks.table import finish, machine, table

WRONG_S = 0.005
NEAR_S = 0.010
REPEATS = 3


class Matched(NamedTuple):
    """Rows of the log (those that were sent), the words they were given, and the drift."""

    rows: np.ndarray
    words: np.ndarray
    drift_ppm: float


Method = Callable[[pd.DataFrame, pd.DataFrame], Matched | None]


def ours(sent: pd.DataFrame, seen: pd.DataFrame) -> Matched | None:
    try:
        found = locate(sent, seen)
    except AlignmentRefused:
        return None
    pairs = found.pairs
    return Matched(pairs["sent"].to_numpy(), pairs["seen"].to_numpy(), found.drift_ppm)


def counting(sent: pd.DataFrame, seen: pd.DataFrame) -> Matched:
    n = min(len(sent), len(seen))
    return with_drift(sent, seen, np.arange(n), np.arange(n))


def first_and_last(sent: pd.DataFrame, seen: pd.DataFrame) -> Matched:
    log_s, seen_s = times(sent), times(seen)
    scaled = seen_s[0] + (log_s - log_s[0]) * np.ptp(seen_s) / np.ptp(log_s)
    nearest = np.abs(seen_s[:, None] - scaled).argmin(axis=0)
    near = np.abs(seen_s[nearest] - scaled) <= NEAR_S
    rows = np.flatnonzero(near)
    drift = (np.ptp(seen_s) / np.ptp(log_s) - 1) * 1e6
    return Matched(rows, nearest[near], float(drift))


def codes(sent: pd.DataFrame, seen: pd.DataFrame) -> Matched:
    matcher = SequenceMatcher(None, sent["code"].tolist(), seen["code"].tolist(), autojunk=False)
    blocks = matcher.get_matching_blocks()
    rows = np.concatenate([np.arange(b.a, b.a + b.size) for b in blocks]).astype(int)
    words = np.concatenate([np.arange(b.b, b.b + b.size) for b in blocks]).astype(int)
    return with_drift(sent, seen, rows, words)


def cross_correlation(sync: Callable[..., Any]) -> Method:
    def match(sent: pd.DataFrame, seen: pd.DataFrame) -> Matched | None:
        log_s, seen_s = times(sent) - times(sent)[0], times(seen) - times(seen)[0]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _, drift, rows, words = sync(log_s, seen_s, return_indices=True)
        except (IndexError, ValueError, TypeError):  # it has no refusal: this is how it fails
            return None
        return Matched(rows, words, float(drift))

    return match


def with_drift(
    sent: pd.DataFrame, seen: pd.DataFrame, rows: np.ndarray, words: np.ndarray
) -> Matched:
    """Matches, and the drift of the least-squares line that one would draw through them."""
    log_s, seen_s = times(sent)[rows], times(seen)[words]
    x = log_s - log_s.mean()
    slope = float(x @ (seen_s - seen_s.mean()) / (x @ x))
    return Matched(rows, words, (slope - 1) * 1e6)


def times(words: pd.DataFrame) -> np.ndarray:
    return words["time_s"].to_numpy(float)


# Judging -----------------------------------------------------------------------------------------


def judged(
    name: str, method: Method, pair: dict[str, Any], sent: pd.DataFrame, seen: pd.DataFrame
) -> dict[str, Any]:
    own = seen[seen["run"] == pair["run"]]
    truth = common(sent["code"].tolist(), own["code"].tolist(), own.index.to_list())
    took_s = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = method(sent, seen)
        took_s.append(time.perf_counter() - start)
    right = wrong = 0
    off_ppm = np.nan
    if found is not None:
        seen_s = times(seen)
        for row, word in zip(found.rows.tolist(), found.words.tolist(), strict=True):
            near = row in truth and abs(seen_s[word] - seen_s[truth[row]]) <= WRONG_S
            right, wrong = right + near, wrong + (row in truth and not near)
        off_ppm = abs(found.drift_ppm - pair["drift_ppm"])
    return {
        "method": name,
        "expected": len(truth),
        "right": right,
        "wrong": wrong,
        "refused": found is None,
        "off_ppm": off_ppm,
        "took_ms": min(took_s) * 1e3,
    }


def compared(folder: Path, methods: dict[str, Method]) -> Iterator[dict[str, Any]]:
    pairs = json.loads((folder / "expected.json").read_text())["pairs"]
    for n, pair in enumerate(pairs):
        print(f"\r{n + 1}/{len(pairs)}", end="", file=sys.stderr, flush=True)
        sent = read_log(log_file(folder, pair))
        sent = sent[sent["code"] > 0].reset_index(drop=True)
        words = read_events(events_file(folder, pair))
        words = words[words["code"] > 0].reset_index(drop=True)
        run = words[words["run"] == pair["run"]].reset_index(drop=True)
        for laid_on, seen in (("own run", run), ("whole recording", words)):
            for name, method in methods.items():
                yield {"laid on": laid_on, **judged(name, method, pair, sent, seen)}


def summary(rows: pd.DataFrame) -> Iterator[dict[str, str]]:
    for (laid_on, name), part in rows.groupby(["laid on", "method"], sort=False):
        share = part["right"] / part["expected"]
        off = part["off_ppm"].dropna()
        yield {
            "laid on": str(laid_on),
            "method": str(name),
            "recall": f"{part['right'].sum() / part['expected'].sum():.5f}",
            "worst pair": f"{share.min():.3f}",
            "pairs all right": f"{int(((share == 1) & (part['wrong'] == 0)).sum())} of {len(part)}",
            "wrong matches": f"{part['wrong'].sum()}",
            "pairs with a wrong match": f"{int((part['wrong'] > 0).sum())}",
            "failed or refused": f"{int(part['refused'].sum())}",
            "drift off, median (ppm)": f"{off.median():.2f}" if len(off) else "",
            "worst (ppm)": f"{off.max():.3g}" if len(off) else "",
            "time, median (ms)": f"{part['took_ms'].median():.2f}",
        }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    beside = Path(__file__).parents[2] / "shared" / "data" / "human_newold"
    parser.add_argument("--folder", type=Path, default=beside, help="the recordings")
    parser.add_argument("--ibl", type=Path, help="folder that ibl-neuropixel was installed into")
    chosen = parser.parse_args(arguments)
    methods: dict[str, Method] = {
        "ours": ours,
        "counting": counting,
        "first and last": first_and_last,
        "codes (difflib)": codes,
    }
    if chosen.ibl:
        sys.path.append(str(chosen.ibl))
        sync = importlib.import_module("ibldsp.utils").sync_timestamps
        methods["cross-correlation (ibllib)"] = cross_correlation(sync)
    rows = list(summary(pd.DataFrame(list(compared(chosen.folder, methods)))))
    text = (
        "# Alignment, side by side\n\nMade by `python -m benchmarks.align --ibl FOLDER`: 83 logs of"
        " Faraut et al. 2018 (doi:10.1038/sdata.2018.10), matched by five methods in one run; the"
        " script says how each works.\n\n"
        f"{table(rows)}\n{machine()}\n"
    )
    finish(text, __file__, short=chosen.ibl is None)


if __name__ == "__main__":
    main(sys.argv[1:])
