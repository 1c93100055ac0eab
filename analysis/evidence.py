"""Whether a log and a recording belong together: the numbers, and what they must reach.

Every check has a name.  Who knows better may override one by that name, which is recorded; where
not even a clock was found there is nothing to override.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from analysis.matching import FEWEST_ROWS
from analysis.rival import clear_lead
from task.contract.errors import UserError

LEAST_SHARE = 0.5  # of the rows when the recording heard anything: 30 % may be lost, some replaced
LEAST_NUMBERED = 0.01  # of numbered rows: heavy losses leave few announcements whole
MOST_PPM = 550.0  # quartz clocks stay below 100; up to 500 must pass, however short the run
MOST_JUMPS = 6
OFTEN_JUMPS, OFTEN_S = 3, 60.0  # so many, and one within so short a time each: no clock is set so
Check = Literal["share", "numbers", "rival", "drift", "jumps"]
CHECKS: tuple[str, ...] = get_args(Check)

WRONG_FILES = "check that this is the recording of this log, and the port that carried the codes"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why an alignment is believed, or not.

    Attributes
    ----------
    rows : rows of the log that were sent (code above 0)
    heard : of these, rows at times when the recording heard anything
    matched : rows whose word was found on the clock
    rival : rows that the best other clock explains
    numbered, agreeing : matched rows that carry a number, and those whose word carries the same
    contradicting : rows whose word, by code and time, carries another number
    jumps : how often one of the clocks was set, between two runs of the log aside
    span_s : of the log, on a clock
    drift_ppm : recording against log; NaN where no clock was found
    tolerance_s : how near to the clock a word had to be
    tick_s : step of the log's clock; NaN where it shows none by which its stamps are off
    overridden : checks that failed and were overridden
    """

    rows: int
    heard: int = 0
    matched: int = 0
    rival: int = 0
    numbered: int = 0
    agreeing: int = 0
    contradicting: int = 0
    jumps: int = 0
    span_s: float = np.nan
    drift_ppm: float = np.nan
    tolerance_s: float = np.nan
    tick_s: float = np.nan
    overridden: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """Of the rows that could be heard, those explained."""
        return self.matched / self.heard if self.heard else 0.0


class AlignmentRefused(UserError):  # noqa: N818 - refusing is what it does; nothing is in error
    """Log and recording cannot be brought together.

    Attributes
    ----------
    what : what was found and what was needed
    advice : what the user can do
    evidence : the numbers
    check : the check that failed, by the name that overrides it; '' where no clock was found
    tried : what was looked at in vain
    """

    def __init__(
        self, what: str, advice: str, evidence: Evidence, check: str = "", tried: str = ""
    ) -> None:
        looked = f"; tried: {tried}" if tried else ""
        regardless = f"; to go on all the same: --accept {check}" if check else ""
        super().__init__(
            f"log and recording cannot be aligned: {what}{looked}; {advice}{regardless}"
        )
        self.what = what
        self.advice = advice
        self.evidence = evidence
        self.check = check
        self.tried = tried

    def after(self, tried: str) -> "AlignmentRefused":
        """The same refusal, with what was tried."""
        return AlignmentRefused(self.what, self.advice, self.evidence, self.check, tried)


def judge(found: Evidence, accept: Collection[str] = ()) -> tuple[str, ...]:
    """Refuse what does not convince.

    Parameters
    ----------
    accept : checks that may fail

    Returns
    -------
    Those of them that did

    Raises
    ------
    AlignmentRefused
        Over the first that failed and may not.
    """
    overridden = []
    for refusal in _failed(found):
        if refusal.check not in accept:
            raise refusal
        overridden.append(refusal.check)
    return tuple(overridden)


def _failed(found: Evidence) -> Iterator[AlignmentRefused]:
    if found.matched < FEWEST_ROWS or found.share < LEAST_SHARE:
        clock = found.matched >= FEWEST_ROWS  # fewer make none that one could go on with
        yield AlignmentRefused(
            f"on the best clock {found.matched} of {found.heard} rows have their word within"
            f" {found.tolerance_s * 1e3:.0f} ms, and at least {FEWEST_ROWS} and"
            f" {LEAST_SHARE:.0%} are needed",
            WRONG_FILES,
            found,
            "share" if clock else "",
        )
    few = LEAST_NUMBERED * found.numbered if found.numbered >= FEWEST_ROWS else 0
    if found.agreeing < max(found.contradicting, few):
        yield AlignmentRefused(
            f"codes and times agree, but of {found.numbered} numbered rows {found.agreeing} have a"
            f" word with the same number and {found.contradicting} one with another",
            "this looks like another session of the same protocol"
            if found.contradicting
            else "see that the words with the numbers, 128 and above, are recorded too",
            found,
            "numbers",
        )
    if not clear_lead(found.matched, found.rival, found.heard):
        yield AlignmentRefused(
            f"the best clock explains {found.matched} rows, but one that is off by more than"
            f" {4e3 * found.tolerance_s:.0f} ms explains {found.rival}: the words come too"
            " regularly to tell the two apart",
            "name the port, or the stretch of the recording, that holds this run alone",
            found,
            "rival",
        )
    if abs(found.drift_ppm) > MOST_PPM:
        yield AlignmentRefused(
            f"the clocks drift apart by {found.drift_ppm:+.0f} ppm, more than the {MOST_PPM:.0f}"
            " that a sound pair of clocks may",
            "check the sampling rate from which the recording's times were computed",
            found,
            "drift",
        )
    often = found.jumps >= OFTEN_JUMPS and found.span_s < OFTEN_S * found.jumps
    if found.jumps > MOST_JUMPS or often:
        yield AlignmentRefused(
            f"log and recording agree only in {found.jumps + 1} pieces, each on a clock of its own,"
            f" within {found.span_s:.0f} s",
            WRONG_FILES,
            found,
            "jumps",
        )
