"""Streams of codes, what a recording makes of them, and when each word really was in it."""

import numpy as np
import pandas as pd

from analysis.align import Alignment, align
from analysis.identity import identify
from task.contract.codes import Code, announce_presentation, announce_session

SESSION = 12_345
FRAME_S = 1 / 60
TRUE_S = 0.005  # a word further from the truth than this is another word

# Streams, and what becomes of them ---------------------------------------------------------------

Stream = list[tuple[float, int]]


def screening(
    rng: np.random.Generator, trials: int, numbered: bool = True, jitter: int = 0
) -> Stream:
    """Pictures every 0.4 s in blocks of 100, pauses between them; each with its number."""
    words: Stream = []
    at = 2.0
    for trial in range(trials):
        if trial % 100 == 0:
            at += round(rng.uniform(10, 40) / FRAME_S) * FRAME_S
            words += spaced(at, (Code.BLOCK_START, *announce_session(SESSION)), numbered)
            at += 1.0
        number = announce_presentation(SESSION, trial)
        words += spaced(at, (Code.IMAGE_ON, *number), numbered)
        words.append((at + 16 * FRAME_S, Code.IMAGE_OFF))
        at += (24 + int(rng.integers(0, jitter + 1))) * FRAME_S
    return words


def spaced(at: float, codes: tuple[int, ...], numbered: bool) -> Stream:
    words = [(at + 2 * k * FRAME_S, int(code)) for k, code in enumerate(codes)]
    return words if numbered else words[:1]


def imagery(rng: np.random.Generator, start: float, blocks: int) -> Stream:
    """Blocks of 8 pictures and 8 cues at a person's pace, without numbers."""
    words: Stream = []
    at = start
    for _ in range(blocks):
        words.append((at, Code.BLOCK_START))
        for _ in range(8):
            at += 2.0
            words += [(at, Code.ENCODE_ON), (at + 1.5, Code.ENCODE_OFF)]
        at += rng.uniform(20, 40)
        for _ in range(8):
            words += [(at, Code.CUE_ON), (at + 0.5, Code.IMAGERY_ON), (at + 5.5, Code.IMAGERY_OFF)]
            words.append((at + 6.0, Code.RATING_ON))
            at += 6.0 + rng.uniform(0.4, 2.5)
            words += [(at, Code.ANSWER_1), (at + 0.1, Code.RATING_OFF)]
            at += 1.0
        at += rng.uniform(5, 30)
    return words


class Recorded:
    """A log, its recording, and when each row really was in the recording."""

    def __init__(
        self,
        stream: Stream,
        rng: np.random.Generator,
        *,
        drift_ppm: float = 0.0,
        lost: float = 0.0,
        unsent: float = 0.0,
        replaced: float = 0.0,
        bounced: float = 0.0,
        jump_s: float = 0.0,
        kept: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        time_s, code = (np.array(column) for column in zip(*sorted(stream), strict=True))
        n = len(time_s)
        self.true_s = time_s * (1 + drift_ppm * 1e-6) + rng.normal(0, 1e-4, n).clip(-3e-4, 3e-4)
        log_s = time_s + 1e6 + jump_s * (np.arange(n) > rng.uniform(0.3, 0.7) * n)
        seen = code ^ np.where(rng.random(n) < replaced, 1 << rng.integers(0, 8, n), 0)
        first, last = (round(share * n) for share in kept)
        here = (rng.random(n) >= lost) & (np.arange(n) >= first) & (np.arange(n) < last)
        self.whole = here & (seen == code)
        extra = rng.choice(np.flatnonzero(here), round(unsent * here.sum()))
        again = np.flatnonzero(here & (rng.random(n) < bounced))
        self.sent = pd.DataFrame({"time_s": log_s, "code": code})
        self.seen = pd.DataFrame(
            {
                "time_s": np.concatenate(
                    [
                        self.true_s[here],
                        self.true_s[extra] + rng.uniform(-1, 1, len(extra)),
                        self.true_s[again] + rng.uniform(3e-4, 3e-3, len(again)),
                    ]
                ),
                "code": np.concatenate([seen[here], rng.choice(code, len(extra)), seen[again]]),
            }
        ).sort_values("time_s", ignore_index=True)

    def numbered(self) -> "Recorded":
        self.sent["trial"] = identify(self.sent["code"], SESSION)
        self.seen["trial"] = identify(self.seen["code"], SESSION)
        return self

    def align(self) -> Alignment:
        return align(self.sent, self.seen)

    def off_s(self, found: Alignment) -> np.ndarray:
        """How far each word taken is from where the row's own word was."""
        seen_s = self.seen["time_s"].to_numpy()[found.pairs["seen"]]
        return np.abs(seen_s - self.true_s[found.pairs["sent"]])

    def recall(self, found: Alignment) -> float:
        return float(found.measured.to_numpy()[self.whole].mean())
