"""How the trials of a plan run: which codes they send, and when each may be heard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from analysis.planned import Place
from task.contract.sessionlog import Kind

SOONEST_ANSWER_S = 0.1
EARLY_S, LATE_S = 0.05, 0.12  # how far a code may lie from its planned time
HELD_UP_S = 0.9  # so late it may be if the display was held up; a pause takes longer
AGREEING_S = 0.03  # two ways of reckoning a time differ by less
DRAWN_OUT = 0.015  # share by which a display may be slower or faster than planned
ANSWERED_S = 0.25  # what may pass between the last moment for an answer and the next code


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial of the plan, and what of it is heard.

    Attributes
    ----------
    number : of its first presentation
    codes, lengths_s, asks : of each step: its code, its length, whether an answer ends it
    start : number of the first trial of its block
    last : whether it ends its block
    practised : whether its block may be shown again until it is answered rightly
    opens, closes : codes around its block
    waits : the patient reads, and the next may take its time
    sounds : an empty screen may come before it
    """

    number: int
    place: Place
    kind: str
    item: str | None
    codes: tuple[str, ...]
    lengths_s: tuple[float, ...]
    asks: tuple[bool, ...]
    start: int
    last: bool
    practised: bool
    opens: frozenset[str]
    closes: frozenset[str]
    waits: bool
    sounds: bool

    def left_s(self, step: int = 0) -> tuple[float, float]:
        """Shortest and longest time from a step's onset to the end of the trial."""
        shortest_s = longest_s = 0.0
        for length_s, asks in zip(self.lengths_s[step:], self.asks[step:], strict=True):
            low_s, high_s = _span_s(length_s, asks=asks)
            shortest_s, longest_s = shortest_s + low_s, longest_s + high_s
        return shortest_s, longest_s

    def fixed_s(self, step: int = 0) -> float | None:
        """The same where no answer has a say in it."""
        return None if any(self.asks[step:]) else sum(self.lengths_s[step:])


class Moment(NamedTuple):
    """When a step began.

    Attributes
    ----------
    low_s, high_s : between these
    word : position of its code among those heard, None where it was not heard
    late : whether it came later than planned
    """

    low_s: float
    high_s: float
    word: int | None
    late: bool = False

    @property
    def time_s(self) -> float | None:
        """None where it cannot be told."""
        return self.low_s if self.low_s == self.high_s else None


def trials_of(plan: Mapping[str, Any]) -> dict[int, Trial]:
    """Trials of a plan by the number of their first presentation."""
    frame_s = 1 / float(plan["refresh_hz"])
    found: dict[int, Trial] = {}
    for b, block in enumerate(plan["blocks"]):
        start = len(found) + 1
        practice = {"PRACTICE"} if block["kind"] == Kind.PRACTICE else set[str]()
        for t, trial in enumerate(block["trials"]):
            steps = trial["steps"]
            asks = tuple(bool(step["answers"]) for step in steps)
            found[len(found) + 1] = Trial(
                number=len(found) + 1,
                place=Place(b, t),
                kind=trial["kind"],
                item=trial.get("item"),
                codes=tuple(step["code"] for step in steps),
                lengths_s=tuple(step["frames"] * frame_s for step in steps),
                asks=asks,
                start=start,
                last=t + 1 == len(block["trials"]),
                practised=bool(practice) or block.get("rounds", 1) > 1,
                opens=frozenset({"SESSION", "BLOCK_START", *(f"{p}_START" for p in practice)}),
                closes=frozenset({"BLOCK_END", *(f"{p}_END" for p in practice)}),
                waits=trial["kind"] == Kind.TEXT and asks[0],
                sounds=any(i.get("medium") in ("tone", "sound") for i in steps[0]["screen"]),
            )
    return found


def onsets_of(trials: Mapping[int, Trial]) -> dict[str, float]:
    """Codes that begin a trial, and for how long at least none but its number follows them."""
    found: dict[str, float] = {}
    for trial in trials.values():
        alone_s = SOONEST_ANSWER_S if trial.asks[0] else min(trial.lengths_s[0], HELD_UP_S)
        found[trial.codes[0]] = min(alone_s, found.get(trial.codes[0], HELD_UP_S))
    return found


def moments(
    trial: Trial, onset_s: float, heard: Sequence[tuple[float, str]], until_s: float | None = None
) -> list[Moment]:
    """When each step of a presentation began.

    Parameters
    ----------
    onset_s : when it began
    heard : times and names of the codes after it
    until_s : when it was over, if that is known
    """
    low_s = high_s = onset_s
    held_up_s = min(HELD_UP_S, trial.left_s()[0] / 2)  # later, it may be another's
    found = [Moment(low_s, high_s, None)]
    for n, name in enumerate(trial.codes[1:], start=1):
        shortest_s, longest_s = _span_s(trial.lengths_s[n - 1], asks=trial.asks[n - 1])
        low_s, high_s = low_s + shortest_s, high_s + longest_s
        left_s = trial.fixed_s(n)
        ends_s = None if until_s is None or left_s is None else until_s - left_s
        after_s = found[-1].low_s
        named = [(at, t) for at, (t, other) in enumerate(heard) if other == name and t > after_s]
        moment = _nearest(named, low_s, high_s, ends_s, held_up_s)
        found.append(moment or Moment(low_s, high_s, None))
        low_s, high_s = found[-1].low_s, found[-1].high_s
    return _from_behind(trial, found, until_s)


def cut_at(found: Sequence[Moment], n_heard: int) -> tuple[int, int]:
    """The last step of a presentation that was cut short, if the fewest words were lost or came
    from nowhere; and how many those are, of so many that were heard after its onset."""
    prices = [(n_heard, 0)]
    matched = 0
    for n, moment in enumerate(found[1:], start=1):
        if moment.word is not None:
            matched += 1
            prices.append((n - matched + n_heard - matched, -n))
    price, last = min(prices)
    return -last, price


def _from_behind(trial: Trial, found: list[Moment], until_s: float | None) -> list[Moment]:
    """The same, lost codes reckoned also from what came after them.

    Where the two ways of reckoning differ the display was held up, nobody knows when.
    """
    after_s = until_s
    for n in range(len(found) - 1, 0, -1):
        moment = found[n]
        if moment.word is None and after_s is not None and not trial.asks[n]:
            back_s = after_s - trial.lengths_s[n]
            known = moment.time_s is None or abs(back_s - moment.low_s) < AGREEING_S
            low_s, high_s = min(back_s, moment.low_s), max(back_s, moment.high_s)
            moment = Moment(back_s, back_s, None) if known else Moment(low_s, high_s, None)
            found[n] = moment
        after_s = moment.time_s
    return found


def _nearest(
    named: Sequence[tuple[int, float]],
    low_s: float,
    high_s: float,
    ends_s: float | None,
    held_up_s: float,
) -> Moment | None:
    """The word that comes when it may, reckoned from what was before it or from the end."""
    early_s, late_s = low_s - EARLY_S, high_s + LATE_S
    near = [
        (max(low_s - time_s, time_s - high_s, 0.0), abs(time_s - (ends_s or 0.0)), time_s, at)
        for at, time_s in named
        if early_s <= time_s <= late_s or (ends_s is not None and abs(time_s - ends_s) <= LATE_S)
    ]
    if not near and ends_s is None:
        near = [
            (0.0, time_s, time_s, at)
            for at, time_s in named
            if late_s < time_s <= high_s + held_up_s
        ]
    if not near:
        return None
    *_, time_s, at = min(near)
    return Moment(time_s, time_s, at, late=time_s > late_s)


def _span_s(length_s: float, *, asks: bool) -> tuple[float, float]:
    """Shortest and longest time that a step may last."""
    if asks:
        return min(SOONEST_ANSWER_S, length_s), length_s + ANSWERED_S
    return length_s, length_s
