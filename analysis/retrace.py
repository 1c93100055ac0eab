"""Which trial of its plan each presentation in a recording was: the readings that need least faith.

A reading says of every beginning that was heard which trial it was, and by which step the task came
there.  Its price is the number of words that must have been lost, or have come from nowhere, for it
to be true; a silence may hide what had room in it, for losses come in bursts.  A trial is named
only if every reading that names another is dearer by more words than chance takes together; how
many that are follows from the words that the best reading itself misses.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, pairwise
from math import ceil, inf, log
from typing import Any, NamedTuple

from analysis.course import (
    DRAWN_OUT,
    EARLY_S,
    HELD_UP_S,
    LATE_S,
    Trial,
    cut_at,
    moments,
    trials_of,
)
from analysis.heard import SWEEP, Head, Stretch
from analysis.moves import MARKS, Move, Way, moves

LOST_TOGETHER = 1e-5  # odds at which a reading is no longer thought possible
FEWEST_APART = 3  # words, however few are lost in all
_DEAREST = 14  # readings that cost so many words more than another are not followed up
# Prices, in words
_UNHEARD = 6  # going on elsewhere without having heard why ...
_SILENCE = 2  # ... where a silence has room for it
_HIDDEN = 3  # more presentations in a row are not lost but in a silence
_UNTIMELY = 3  # a trial that comes when it should not ...
_HELD_UP = 2  # ... later than planned, but too soon for a pause
_IN_STEP = 2  # taking for noise what comes at a word's distance from the next, besides the words
_NUMBERED = 4  # ... and a number that arrived whole
_NO_BEGINNING = 5  # a presentation of which neither onset nor number was heard
_HELD_S = 1.0  # shortest pause
_HALF_FRAME_S = 0.008
_SHORTEST_S = 0.15  # what onset and number take
_RUN_UP_S = 1.0  # longest empty screen before a trial that sounds
_GO_ON = frozenset({"RESUME", "SKIP", "REPEAT"})
# After these nothing is shown until another mark.
_STANDSTILL = frozenset(
    {"PAUSE", "STOP", "RUN_END", "BLOCK_END", "PRACTICE_END", "SESSION", "RUN_START", SWEEP}
)
_NOT_AFTER = {"PAUSE": ("BLOCK_END", "PRACTICE_END", "BLOCK_START", "PRACTICE_START")}
_OPENING = frozenset({"SESSION", "BLOCK_START", "RUN_START"})


@dataclass(frozen=True, slots=True)
class Read:
    """A beginning, read.

    Attributes
    ----------
    head : its position among the beginnings; -1 where none was heard
    trial : number of the trial that it is by the best reading
    way : how the task came there
    marks : codes between the one before and this one that are thereby explained
    cut : its last step if it was cut short, counted from 0; None where it came to its end
    others : what else it may have been: numbers of trials, None for nothing at all
    """

    head: int
    trial: int
    way: Way
    marks: frozenset[str] = MARKS
    cut: int | None = None
    others: tuple[int | None, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether the presentation came to its end."""
        return self.cut is None


@dataclass(frozen=True, slots=True)
class Reading:
    """The best reading of a session.

    Attributes
    ----------
    reads : in the order of time; beginnings that it takes for none are left out
    price : words that were lost or came from nowhere, by this reading
    words : all that were heard
    """

    reads: tuple[Read, ...]
    price: float
    words: int


class _State(NamedTuple):
    """Up to here: the trial shown last, the furthest that was ever shown, and where it began."""

    trial: int
    furthest: int
    head: int


class _Link(NamedTuple):
    """From one state to the next: at a beginning, or, without one, past it."""

    before: _State
    after: _State
    price: float
    read: Read | None
    cut: int | None = None  # the last step of the presentation before, if it was cut short


class _Followed(NamedTuple):
    """Codes held against a trial.

    Attributes
    ----------
    whole, cut : prices if it came to its end, and if it was cut short
    last : its last step, if it was cut short
    earliest_s, latest_s : when it was over, if it came to its end
    heard_s, over_s : its last code that was heard, and its soonest end reckoned from there
    gaps : after a step, the price if that was the last of its codes, and how long the silence is
        beyond what it may have lasted
    """

    whole: float
    cut: float
    last: int
    earliest_s: float
    latest_s: float
    heard_s: float
    over_s: float
    gaps: tuple[tuple[int, float, float], ...]


def retrace(plan: Mapping[str, Any], stretch: Stretch) -> Reading:
    """Read what was shown.

    Parameters
    ----------
    plan : as in `plan.json`
    stretch : what was heard of one session
    """
    return _Retracing(plan, stretch).best()


class _Retracing:
    """Every reading that is not absurd, as a net of states between the beginnings."""

    def __init__(self, plan: Mapping[str, Any], stretch: Stretch) -> None:
        self._trials = trials_of(plan)
        self._shortest_s = [0.0, *accumulate(t.left_s()[0] for t in self._trials.values())]
        self._heads = stretch.heads
        self._time_s, self._name = stretch.words.time_s, stretch.words.name
        self._next = _next_numbered(stretch.heads, len(self._trials))
        self._again = _last_again(stretch.heads, len(self._trials))
        keeps = plan.get("interrupted") == "keep"
        self._moves = cache(lambda number: tuple(moves(self._trials, number, keeps=keeps)))
        self._between = cache(self._codes_between)
        self._follow = cache(self._followed)

    def best(self) -> Reading:
        """The cheapest reading, and what else is possible."""
        words = sum(len(head.words) + len(head.tail) for head in self._heads)
        layers, links = self._forward()
        ahead = self._backward(layers, links)
        price = min(ahead[0].values())
        share = (price + 1) / (words + price + 1)
        apart = max(FEWEST_APART, ceil(log(LOST_TOGETHER) / log(share)))
        reads = self._cheapest(layers, links, ahead, price + apart)
        return Reading(tuple(reads), price, words)

    # The net ----------------------------------------------------------------------------

    def _forward(self) -> tuple[list[dict[_State, float]], list[list[_Link]]]:
        """States after each beginning with what they cost, and the links between them."""
        layers: list[dict[_State, float]] = [{_State(0, 0, -1): 0.0}]
        links: list[list[_Link]] = []
        for j in range(len(self._heads)):
            reached: dict[_State, float] = {}
            found = [(link, p) for s, p in layers[-1].items() for link in self._links(s, j)]
            for link, paid in found:
                reached[link.after] = min(paid + link.price, reached.get(link.after, inf))
            most = min(reached.values()) + _DEAREST
            layers.append({state: price for state, price in reached.items() if price <= most})
            links.append([link for link, _ in found if link.after in layers[-1]])
        return layers, links

    def _backward(
        self, layers: Sequence[Mapping[_State, float]], links: Sequence[Sequence[_Link]]
    ) -> list[dict[_State, float]]:
        """What is still to be paid from every state on."""
        ahead = [{state: self._end(state, len(self._heads))[0] for state in layers[-1]}]
        for each in reversed(links):
            before: dict[_State, float] = {}
            for link in each:
                price = link.price + ahead[-1].get(link.after, inf)
                before[link.before] = min(price, before.get(link.before, inf))
            ahead.append(before)
        return ahead[::-1]

    def _cheapest(
        self,
        layers: Sequence[Mapping[_State, float]],
        links: Sequence[Sequence[_Link]],
        ahead: Sequence[Mapping[_State, float]],
        most: float,
    ) -> list[Read]:
        """The cheapest way through the net; what else costs less than `most` is added."""
        state = next(iter(layers[0]))
        reads: list[Read] = []
        for j, each in enumerate(links):
            mine = [link for link in each if link.before == state]
            link = min(mine, key=lambda link: link.price + ahead[j + 1].get(link.after, inf))
            state = link.after
            if link.read:
                possible = _possible(j, layers[j + 1], ahead[j + 1], most)
                others = tuple(other for other in possible if other != link.read.trial)
                reads[-1:] = [replace(read, cut=link.cut) for read in reads[-1:]]
                reads.append(replace(link.read, others=others))
        cut = self._end(state, len(links))[1]
        reads[-1:] = [replace(read, cut=cut) for read in reads[-1:]]
        return reads

    # Links ------------------------------------------------------------------------------

    def _links(self, state: _State, j: int) -> Iterator[_Link]:
        """What beginning `j` may be if the trial before it is that of `state`."""
        head = self._heads[j]
        yield _Link(state, state, _noise(head), None)
        lost = 0 if head.code else 1
        for move in self._moves(state.trial) if state.trial else ():
            if self._fits(state.furthest, move.to, head):
                after = _State(move.to, max(state.furthest, move.to), j)
                cut = None if move.whole else self._follow(state.trial, state.head, j).last
                read = Read(j, move.to, move.way, move.explained)
                yield _Link(state, after, lost + self._price(state, j, move), read, cut)
        if not state.trial and self._fits(0, 1, head):
            yield _Link(state, _State(1, 1, j), lost, Read(j, 1, Way.BEGIN))
        way = Way.UNHEARD if state.trial else Way.BEGIN
        for to, furthest, price, cut in self._jumps(state, j):
            after = _State(to, furthest, j)
            yield _Link(state, after, lost + price, Read(j, to, way), cut)

    def _fits(self, furthest: int, to: int, head: Head) -> bool:
        """Whether a trial begins with this code, and has or had this number."""
        trial = self._trials.get(to)
        if trial is None or (head.code and head.code != trial.codes[0]):
            return False
        if head.number is None:
            return True
        return head.number == to if to > furthest else head.number > len(self._trials)

    def _jumps(self, state: _State, j: int) -> Iterator[tuple[int, int, float, int | None]]:
        """Where a presentation may stand if what led there was not heard; the price of it, and the
        last step of the one before, if that was cut short.

        First presentations come in the plan's order: the next of them whose number was heard is
        further than all that was shown before it.
        """
        head, (ahead, number) = self._heads[j], self._next[j]
        furthest = state.furthest
        if number and number <= furthest:
            return
        rooms = self._rooms(state, j)
        if ahead == j:
            yield number, number, *self._hidden(state, number, rooms, certain=True)
            return
        for to in self._within_reach(state, number, max(room_s for _, _, room_s in rooms)):
            if to > furthest and self._fits(furthest, to, head):
                yield to, to, *self._hidden(state, to, rooms)
            shown = number - 1 if number else max(furthest, to)
            if self._fits(shown, to, head) and self._counts(state, to, j):
                yield to, shown, *self._hidden(state, to, rooms, again=to > furthest)

    def _counts(self, state: _State, to: int, j: int) -> bool:
        """Whether as many presentations may have been shown again unheard as it takes.

        They are numbered one after the other, beyond the plan's.
        """
        number, last = self._heads[j].number, self._again[j]
        if number is None or last is None or not state.trial:
            return True
        if to > state.trial:
            unheard = min(to - 1, state.furthest) - state.trial
        else:
            unheard = 0 if to == state.trial else to - self._trials[state.trial].start
        lost = self._heads[state.head].number is None and state.trial < state.furthest
        return unheard + lost < number - last

    def _within_reach(self, state: _State, number: int, room_s: float) -> Iterator[int]:
        """Trials that may be shown before the first presentation of `number`, as far as is known.

        A pass that is shown again ends with trials that are new, or in the block before them.
        """
        stop = number or len(self._trials) + 1
        before = self._trials[max(self._trials[number].start - 1, 1)].start if number else 1
        if not state.trial:
            yield from range(before, stop)
            return
        start = self._trials[state.trial].start
        for first, last in ((start, state.trial - 1), (state.trial, stop - 1)):
            for to in range(max(first, before), last + 1):
                if to > first + _HIDDEN and self._needed_s(first, to - 1) > room_s:
                    break
                yield to

    def _hidden(
        self,
        state: _State,
        to: int,
        rooms: Sequence[tuple[int | None, float, float]],
        *,
        again: bool = False,
        certain: bool = False,
    ) -> tuple[float, int | None]:
        """Price of going from one trial to another unheard, and where the one before was cut.

        Parameters
        ----------
        again : the other was shown before, unheard too
        certain : the other's number was heard: as much as it takes was lost
        """
        cut, paid, _ = rooms[0]
        if not state.trial:
            return _UNHEARD, None
        first = state.trial if to > state.trial else self._trials[state.trial].start - 1
        last = to if again else to - 1  # the last that was not heard to begin
        needed_s = self._needed_s(first, last)
        prices = [(price + _SILENCE, n) for n, price, room_s in rooms if room_s > needed_s]
        several = 1 if certain else max(1, last - first)
        prices.append((paid + _UNHEARD * several, cut))
        return min(prices, key=lambda each: each[0])

    def _needed_s(self, first: int, last: int) -> float:
        """What a silence must last to hide the trials from one to another, and how the last began;
        what follows of that may be heard."""
        whole_s = self._shortest_s[last - 1] - self._shortest_s[first] if last > first else 0.0
        return _SHORTEST_S + whole_s * (1 - DRAWN_OUT) - EARLY_S

    def _rooms(self, state: _State, j: int) -> list[tuple[int | None, float, float]]:
        """Silences before beginning `j` in which something may have been shown: the last step heard
        before it (None for all of them), what that costs, and for how long."""
        paid, cut = self._end(state, j)
        if not state.trial:
            return [(cut, paid, 0.0)]
        gaps = self._follow(state.trial, state.head, j).gaps
        return [(cut, paid, self._room_s(state, j)), *gaps]

    def _room_s(self, state: _State, j: int) -> float:
        """The longest silence after a trial's last code.

        A stray code in it says little: bursts may follow each other.
        """
        followed = self._follow(state.trial, state.head, j)
        _, marks = self._between(state.head, j)
        heard = [(self._name[at], self._time_s[at]) for at in marks]
        since_s, stands, room_s = followed.over_s, "", 0.0
        for name, time_s in (*heard, ("", self._heads[j].time_s)):
            if time_s > followed.heard_s:
                explained = stands and name not in ("", *_NOT_AFTER.get(stands, ()))
                room_s = max(room_s, 0.0 if explained else time_s - since_s)
                since_s = time_s + (_HELD_S if name in _GO_ON else 0.0)
                stands = name if name in _STANDSTILL else ""
        return room_s

    # Prices -----------------------------------------------------------------------------

    def _price(self, state: _State, j: int, move: Move) -> float:
        """What a step costs from the trial of `state` to beginning `j`."""
        trial, (steps, marks) = self._trials[state.trial], self._between(state.head, j)
        heard = frozenset(self._name[at] for at in marks)
        price: float = len(move.marks - heard) + len(heard - move.explained)
        if move.way is Way.SILENT:
            silent = self._trials[move.to - 1]
            names = [self._name[at] for at in steps]
            planned = [*trial.codes[1:], *silent.codes[1:]]
            differ = len(planned) + len(names) - 2 * _common(planned, names)
            return price + _NO_BEGINNING + differ + self._untimely(state, j, silent)
        followed = self._follow(state.trial, state.head, j)
        price += followed.whole if move.whole else followed.cut
        if move.at_once:
            return price + self._untimely(state, j)
        if move.whole and self._held_within(trial, steps, marks):
            price += _UNTIMELY
        return price + (0 if self._held_long(state, j, move) else _UNTIMELY)

    def _end(self, state: _State, j: int) -> tuple[float, int | None]:
        """What is paid up to beginning `j` if it is not known what led there, and the last step of
        the presentation, if it was cut short."""
        if not state.trial:
            return 0, None
        followed = self._follow(state.trial, state.head, j)
        held = self._held_within(self._trials[state.trial], *self._between(state.head, j))
        if held or followed.cut < followed.whole:
            return followed.cut, followed.last
        return followed.whole, None

    def _followed(self, number: int, i: int, j: int) -> _Followed:
        """What is heard between two beginnings, as the steps of a trial."""
        trial, (steps, _) = self._trials[number], self._between(i, j)
        heard = [(self._time_s[at], self._name[at]) for at in steps]
        found = moments(trial, self._heads[i].time_s, heard)
        matched = [n for n, moment in enumerate(found) if moment.word is not None]
        late = sum(moment.late for moment in found)
        last, cut = cut_at(found, len(heard))
        latest = max(matched, default=0)
        shortest_s, longest_s = trial.left_s(len(found) - 1)
        gaps = []
        for n, (step, after) in enumerate(pairwise([0, *matched])):
            price = late + step - n + len(heard) - n
            over_s = found[step].low_s + trial.left_s(step)[0]
            gaps.append((step, price, found[after].low_s - over_s))
        return _Followed(
            whole=late + len(heard) + len(found) - 1 - 2 * len(matched),
            cut=late + cut,
            last=last,
            earliest_s=found[-1].low_s + shortest_s,
            latest_s=found[-1].high_s + longest_s,
            heard_s=found[latest].low_s,
            over_s=found[latest].low_s + trial.left_s(latest)[0],
            gaps=tuple(gap for gap in gaps if gap[2] > 0),
        )

    def _untimely(self, state: _State, j: int, silent: Trial | None = None) -> float:
        """Price of a beginning that should come when the trial before it is over."""
        trial, began_s = self._trials[state.trial], self._heads[state.head].time_s
        followed = self._follow(state.trial, state.head, j)
        low_s, high_s = followed.earliest_s, followed.latest_s
        if silent:
            spans = zip(trial.left_s(), silent.left_s(), strict=True)
            low_s, high_s = (began_s + own_s + its_s for own_s, its_s in spans)
        follower = self._trials[trial.number + (2 if silent else 1)]
        if follower.sounds or (silent and silent.sounds):
            high_s += _RUN_UP_S
        if trial.waits or (silent and silent.waits):
            high_s = inf  # pictures are made ready
        onset_s, slack_s = self._heads[j].time_s, DRAWN_OUT * (low_s - began_s)
        held_up_s = min(HELD_UP_S, follower.left_s()[0] / 2)  # longer, and another had room
        if onset_s < low_s - EARLY_S - slack_s or onset_s > high_s + held_up_s + slack_s:
            return _UNTIMELY
        return _HELD_UP if onset_s > high_s + LATE_S + slack_s else 0

    def _held_within(self, trial: Trial, steps: Sequence[int], marks: Sequence[int]) -> bool:
        """Whether a pause began before a presentation was over."""
        ends = trial.closes | _OPENING | _STANDSTILL
        first = next((at for at in marks if self._name[at] in ends), None)
        if first is None or self._name[first] != "PAUSE":
            return False
        if not trial.practised:
            return True
        # What was not understood is talked over after the last answer.
        last = [at for at in steps if self._name[at] == trial.codes[-1]]
        over_s = self._time_s[last[-1]] + trial.lengths_s[-1] if last else 0.0
        return self._time_s[first] < over_s - _HALF_FRAME_S

    def _held_long(self, state: _State, j: int, move: Move) -> bool:
        """Whether the time between two beginnings has room for a pause or a run."""
        if not move.marks & {"PAUSE", "RUN_START"}:
            return True
        steps, _ = self._between(state.head, j)
        stood_s = max([self._heads[state.head].time_s, *(self._time_s[at] for at in steps)])
        return self._heads[j].time_s - stood_s >= _HELD_S - EARLY_S

    def _codes_between(self, i: int, j: int) -> tuple[list[int], list[int]]:
        """Positions of the codes of steps, and of marks, from one beginning to another."""
        tail = [at for head in self._heads[i:j] for at in head.tail]
        marks = [at for at in tail if self._name[at] in MARKS]
        steps = [at for at in tail if self._name[at].endswith(("_ON", "_OFF"))]
        return steps, marks


def _noise(head: Head) -> float:
    """Price of taking a beginning for none."""
    in_step = _IN_STEP if len(head.words) > 1 else 0
    return len(head.words) + in_step + (0 if head.number is None else _NUMBERED)


def _next_numbered(heads: Sequence[Head], n_trials: int) -> list[tuple[int, int]]:
    """For every beginning the next one with a number of the plan: where, and which, or 0."""
    found: list[tuple[int, int]] = []
    ahead = (len(heads), 0)
    for j in range(len(heads) - 1, -1, -1):
        number = heads[j].number
        if number is not None and number <= n_trials:
            ahead = j, number
        found.append(ahead)
    return found[::-1]


def _last_again(heads: Sequence[Head], n_trials: int) -> list[int | None]:
    """For every beginning the last number before it of a presentation shown again, if known."""
    known = n_trials if heads and heads[0].number == 1 else None  # heard from the first one on
    found: list[int | None] = []
    for head in heads:
        found.append(known)
        if head.number is not None and head.number > n_trials:
            known = max(known or 0, head.number)
    return found


def _possible(
    j: int, layer: Mapping[_State, float], ahead: Mapping[_State, float], most: float
) -> list[int | None]:
    """What a beginning is by any reading that is cheap enough."""
    found = {
        state.trial if state.head == j else None
        for state, price in layer.items()
        if price + ahead.get(state, inf) < most
    }
    return sorted(found, key=lambda number: number or 0)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for a in one:
        above = row[:]
        for n, b in enumerate(other):
            row[n + 1] = above[n] + 1 if a == b else max(row[n], above[n + 1])
    return row[-1]
