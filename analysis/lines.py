"""What the trigger lines did to the words: lines that are dead, stuck or float.

A line that always rests turns 20 into 4; one that is always up adds its value to every word, and
one that nobody drives comes and goes.  Which, shows where the words of a log are found at their
times with other values than were sent; before anything is found, lines that the log uses and the
recording does not, or the other way round, are suspects.  Words are then compared without them.
Leaving lines out proves nothing: what is found without them must convince as everything must.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

WIDTH = 16  # no system has wider words
EVERY = (1 << WIDTH) - 1
FEWEST_WORDS = 5  # that must have been able to show what a line does
ALWAYS = 0.9  # of the words: a line is dead or stuck
LEAST_DIVERSITY = 0.75  # of what the codes had: fewer, and chance finds words anywhere
LIFTED = 0.1  # more of the words have a stuck line than of the rows
LIKELY = 0.9  # of the rows that look alike without the faulty lines
SOMETIMES = 0.03  # of the words: a line floats


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that cannot be trusted, each by its value in a word (1, 2, 4, ...).

    Attributes
    ----------
    dead : rest when they should be up
    stuck : are up when they should rest
    floating : come and go by themselves
    """

    dead: tuple[int, ...] = ()
    stuck: tuple[int, ...] = ()
    floating: tuple[int, ...] = ()

    @property
    def mask(self) -> int:
        """The bits that are left to compare words by."""
        return EVERY & ~sum({*self.dead, *self.stuck, *self.floating})

    def within(self, bits: int) -> "Lines":
        """Those among some lines, told by their bits."""
        kinds = (self.dead, self.stuck, self.floating)
        return Lines(*(tuple(bit for bit in kind if bit & bits) for kind in kinds))

    def __bool__(self) -> bool:
        return self.mask != EVERY

    def __str__(self) -> str:
        named = [
            (self.dead, "dead", "never up"),
            (self.stuck, "stuck", "always up"),
            (self.floating, "floating", "up by chance"),
        ]
        said = [f"{_listed(bits)} {word} ({means})" for bits, word, means in named if bits]
        return "; ".join(said) if said else "all lines sound"


def _listed(bits: tuple[int, ...]) -> str:
    """`line 4 (value 16)`; lines count from 0, as trigger boxes name them."""
    ordered = sorted(bits)
    word = "line" if len(ordered) == 1 else "lines"
    return f"{word} {', '.join(f'{bit.bit_length() - 1} (value {bit})' for bit in ordered)}"


def restored(seen: Integers, sent: Integers, lines: Lines) -> Integers:
    """Words as they were sent, where what the lines left of them is nearly always one word.

    Parameters
    ----------
    seen : codes of a recording
    sent : codes of a log, all rows of it, above 0
    """
    codes, count = np.unique(sent, return_counts=True)
    left, kind = np.unique(codes & lines.mask, return_inverse=True)
    rows = np.bincount(kind, count)
    likely = count >= LIKELY * rows[kind]
    whole = np.full(EVERY + 1, -1)
    whole[left[kind[likely]]] = codes[likely]
    words = seen & lines.mask
    return np.where(whole[words] < 0, words, whole[words])


def tells_apart(codes: Integers, lines: Lines) -> bool:
    """Whether the codes of a log are still told from one another by what the lines leave of them.

    Parameters
    ----------
    codes : of every row, above 0
    """
    return _diversity(codes & lines.mask) >= LEAST_DIVERSITY * _diversity(codes)


def _diversity(codes: Integers) -> float:
    """How likely two rows differ."""
    _, count = np.unique(codes, return_counts=True)
    return 1 - float(((count / len(codes)) ** 2).sum())


def find_lines(arrived: Mapping[tuple[int, int], int]) -> Lines:
    """What the lines did, from words that were found.

    Parameters
    ----------
    arrived : how often which word was found where which was sent: (sent, seen) -> count
    """
    pairs = np.array([(*key, count) for key, count in arrived.items()], dtype=np.int64)
    dead, stuck, floating = [], [], []
    if not len(pairs):
        return Lines()
    sent, seen, count = pairs.T
    for bit in _bits():
        up = (sent & bit) > 0
        changed = ((sent ^ seen) & bit) > 0
        raised, rested = int(count[up].sum()), int(count[~up].sum())
        fell, rose = int(count[up & changed].sum()), int(count[~up & changed].sum())
        falls = raised >= FEWEST_WORDS and fell >= ALWAYS * raised
        rises = rested >= FEWEST_WORDS and rose >= ALWAYS * rested
        if falls and not rises and not rose:
            dead.append(bit)
        elif rises and not falls and not fell:
            stuck.append(bit)
        elif fell + rose >= max(FEWEST_WORDS, SOMETIMES * (raised + rested)):
            floating.append(bit)
    return Lines(tuple(dead), tuple(stuck), tuple(floating))


def silent(arrived: Mapping[tuple[int, int], int]) -> int:
    """The bits that too few of the words that were found use to show that a line is dead."""
    raised = {bit: sum(n for (sent, _), n in arrived.items() if sent & bit) for bit in _bits()}
    return sum(bit for bit, words in raised.items() if words < FEWEST_WORDS)


def suspects(sent: Integers, seen: Integers) -> Iterator[Lines]:
    """What the lines may have done, the likeliest first, before any word is found.

    Only lines that are never or nearly always up, or whose leaving out turns words that the log
    does not know into words that it knows.

    Parameters
    ----------
    sent, seen : codes of a log and of a recording, above 0, none empty
    """
    used = int(np.bitwise_or.reduce(sent))
    junk = tuple(b for b in _bits() if not used & b and np.any(seen & b))
    dead = tuple(b for b in _bits() if used & b and not np.any(seen & b))
    up = {b: float(np.mean((seen & b) > 0) - np.mean((sent & b) > 0)) for b in _bits() if used & b}
    stuck = tuple(b for b, more in up.items() if np.mean((seen & b) > 0) > ALWAYS and more > LIFTED)
    tried = {EVERY}
    whole = [Lines(floating=junk), Lines(dead, stuck, junk), Lines(dead, (), junk)]
    single = [Lines(floating=(*junk, bit)) for bit in _bits() if used & bit]
    known = np.isin(seen, sent).mean()
    for lines in (*whole, *single):
        if lines.mask in tried or not tells_apart(sent, lines):
            continue
        constant = bool(lines.dead or lines.stuck)
        if constant or np.isin(seen & lines.mask, sent & lines.mask).mean() >= known + SOMETIMES:
            tried.add(lines.mask)
            yield lines


def _bits() -> list[int]:
    return [1 << n for n in range(WIDTH)]
