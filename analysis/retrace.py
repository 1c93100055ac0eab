"""Which trial of its plan each presentation in a recording was: the readings that need least faith.

A reading says of every beginning that was heard which trial it was, and by which of the operator's
commands the task came there.  Its price is the number of words that must have been lost or have
come from nowhere for it to be true.  A trial is named only if every reading that names another is
dearer by more words than chance loses together; the share of words lost is the recording's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache, lru_cache
from math import ceil, inf, log
from typing import Any, NamedTuple

from analysis.course import (
    DRAWN_OUT,
    EARLY_S,
    HELD_UP_S,
    LATE_S,
    Trial,
    moments,
    trials_of,
)
from analysis.heard import Head

LOST_TOGETHER = 1e-5  # odds at which a reading is no longer thought possible
FEWEST_APART = 3  # words, however few are lost in all
_DEAREST = 20  # words: readings that cost so many more than another are not followed up
_UNHEARD = 6  # words: price of going on at another place without having heard why
_SILENCE = 2  # words: the same, if a silence has room for what must have been shown
_SILENT = 5  # words of a presentation's beginning: onset and number
_NUMBERED = 4  # words: price of taking a number that arrived whole for noise, besides its words
_UNTIMELY = 3  # words: price of a trial that comes when it should not
_HELD_UP = 2  # words: price of one that comes later than planned, but too soon for a pause
_HELD_S = 1.0  # shortest pause
_AT_ONCE_S = 0.008  # half a frame
_ANNOUNCED_S = 0.15  # shortest presentation, cut short
_RUN_UP_S = 1.0  # longest empty screen before a trial that sounds
_OPENING = frozenset({"SESSION", "BLOCK_START", "RUN_START", "STOP", "RUN_END", "PAUSE"})
_GO_ON = frozenset({"RESUME", "SKIP", "REPEAT"})
# After these nothing is shown until the next of these codes.
_STANDSTILL = frozenset({"PAUSE", "STOP", "RUN_END", "BLOCK_END", "PRACTICE_END"})
_RUN_MARKS = frozenset(
    {
        *("PAUSE", "STOP", "RUN_END", "BLOCK_END", "PRACTICE_END", "PRACTICE_START", "RESUME"),
        *("REPEAT", "SKIP", "GAP"),
    }
)
MARKS = _RUN_MARKS | {"SESSION", "RUN_START", "BLOCK_START"}


class Way(StrEnum):
    """How the task came to a presentation."""

    BEGIN = "begin"
    NEXT = "next"
    PASSED = "passed"  # the one before was cut short, and by the protocol's rule left so
    AGAIN = "again"
    BLOCK = "block again"
    SKIP = "skip"
    RUN = "another run"
    SILENT = "one between them was not heard to begin"
    UNHEARD = "what lies between was not heard"


@dataclass(frozen=True, slots=True)
class Read:
    """A beginning, read.

    Attributes
    ----------
    head : its position among the beginnings
    trial : number of the trial that it is by the best reading
    way : how the task came there
    whole : whether the presentation came to its end
    others : what else it may have been: numbers of trials, None for nothing at all
    marks : what may be heard between the one before and this one
    """

    head: int
    trial: int
    way: Way
    whole: bool
    others: tuple[int | None, ...]
    marks: frozenset[str]


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
    """Up to here: the trial shown last, the furthest that was ever shown, and its beginning."""

    trial: int
    furthest: int
    head: int


class _Move(NamedTuple):
    """A step of the task from one trial to another: what is heard of it."""

    to: int
    way: Way
    marks: frozenset[str]
    optional: frozenset[str]
    whole: bool


class _Link(NamedTuple):
    before: _State
    after: _State
    price: float
    way: Way
    whole: bool  # whether the trial before came to its end
    marks: frozenset[str]


class _Followed(NamedTuple):
    """Codes held against a trial: the price if it came to its end, and if not; when it was over."""

    whole: float
    cut: float
    earliest_s: float
    latest_s: float
    last_s: float  # its last code that was heard
    over_s: float  # the soonest end, from there


def retrace(
    plan: Mapping[str, Any], heads: Sequence[Head], time_s: Sequence[float], name: Sequence[str]
) -> Reading:
    """Read what was shown.

    Parameters
    ----------
    plan : as in `plan.json`
    heads : the session's, as from `heard.heads_of`
    time_s, name : of the words that they point to
    """
    return _Retracing(plan, heads, time_s, name).best()


class _Retracing:
    """Every reading that is not absurd, as a net of states between the beginnings."""

    def __init__(
        self,
        plan: Mapping[str, Any],
        heads: Sequence[Head],
        time_s: Sequence[float],
        name: Sequence[str],
    ) -> None:
        self._trials = trials_of(plan)
        self._keeps = plan.get("interrupted") == "keep"
        self._heads, self._time_s, self._name = heads, time_s, name
        self._ahead = self._anchors()
        self._moves = cache(self._moves_from)
        self._between = cache(self._codes_between)
        self._follow = cache(self._followed)

    def best(self) -> Reading:
        """The best reading, and what else is possible."""
        words = sum(len(head.words) + len(head.tail) for head in self._heads)
        layers, links = self._forward()
        after = self._backward(layers, links)
        price = after[0][next(iter(layers[0]))]
        share = (price + 1) / (words + price + 1)
        apart = max(FEWEST_APART, ceil(log(LOST_TOGETHER) / log(share)))
        reads = self._told(layers, links, after, price + apart)
        return Reading(tuple(reads), price, words)

    # The net ----------------------------------------------------------------------------

    def _forward(self) -> tuple[list[dict[_State, float]], list[list[_Link]]]:
        layers: list[dict[_State, float]] = [{_State(0, 0, -1): 0.0}]
        links: list[list[_Link]] = []
        for j, head in enumerate(self._heads):
            reached: dict[_State, float] = {}
            found: list[_Link] = []
            for state, paid in layers[-1].items():
                price = len(head.words) + (_NUMBERED if head.number is not None else 0)
                none = _Link(state, state, price, Way.NEXT, False, MARKS)
                for link in (none, *self._places(state, j)):
                    found.append(link)
                    total = paid + link.price
                    reached[link.after] = min(total, reached.get(link.after, inf))
            most = min(reached.values()) + _DEAREST
            layers.append({state: price for state, price in reached.items() if price <= most})
            links.append([link for link in found if link.after in layers[-1]])
        return layers, links

    def _backward(
        self, layers: Sequence[Mapping[_State, float]], links: Sequence[Sequence[_Link]]
    ) -> list[dict[_State, float]]:
        """What is still to be paid from every state on."""
        after = [{state: self._end(state, len(self._heads))[0] for state in layers[-1]}]
        for each in reversed(links):
            ahead: dict[_State, float] = {}
            for link in each:
                price = link.price + after[-1].get(link.after, inf)
                ahead[link.before] = min(price, ahead.get(link.before, inf))
            after.append(ahead)
        return after[::-1]

    def _told(
        self,
        layers: Sequence[Mapping[_State, float]],
        links: Sequence[Sequence[_Link]],
        after: Sequence[Mapping[_State, float]],
        most: float,
    ) -> list[Read]:
        """The cheapest way through the net, with what else costs less than `most`."""
        state = next(iter(layers[0]))
        reads: list[Read] = []
        for j, each in enumerate(links):
            ways = [link for link in each if link.before == state]
            link = min(ways, key=lambda way: way.price + after[j + 1].get(way.after, inf))
            state = link.after
            if state.head == j:
                reads[-1:] = [replace(read, whole=link.whole) for read in reads[-1:]]
                found = _possible(j, layers[j + 1], after[j + 1], most)
                others = tuple(other for other in found if other != state.trial)
                reads.append(Read(j, state.trial, link.way, False, others, link.marks))
        reads[-1:] = [replace(read, whole=self._end(state, len(links))[1]) for read in reads[-1:]]
        return reads

    # One step of a reading --------------------------------------------------------------

    def _places(self, state: _State, j: int) -> Iterator[_Link]:
        """Where beginning `j` may stand if the trial before it is that of `state`."""
        head = self._heads[j]
        lost = 0 if head.code else 1
        if state.head >= 0:
            for move in self._moves(state.trial):
                if self._fits(state, move.to, head):
                    price = lost + self._price(state, j, move)
                    furthest = max(state.furthest, move.to)
                    after = _State(move.to, furthest, j)
                    marks = move.marks | move.optional | {"GAP"}
                    yield _Link(state, after, price, move.way, move.whole, marks)
        elif self._fits(state, 1, head):
            yield _Link(state, _State(1, 1, j), lost, Way.BEGIN, False, MARKS)
        for to, furthest, price in self._jumps(state, j):
            way = Way.UNHEARD if state.head >= 0 else Way.BEGIN
            whole = self._end(state, j)[1]
            after = _State(to, furthest, j)
            yield _Link(state, after, lost + price, way, whole, MARKS)

    def _fits(self, state: _State, to: int, head: Head) -> bool:
        """Whether a trial begins with this code, and has or had this number."""
        trial = self._trials.get(to)
        if trial is None or (head.code and head.code != trial.codes[0]):
            return False
        if head.number is None:
            return True
        return head.number == to if to > state.furthest else head.number > len(self._trials)

    def _jumps(self, state: _State, j: int) -> Iterator[tuple[int, int, float]]:
        """Where a presentation may stand if what came before it was not heard.

        The next number of the plan bounds it: first presentations come in the plan's order.
        """
        head, (ahead, number) = self._heads[j], self._ahead[j]
        furthest, began = state.furthest, state.head < 0
        if number and number <= furthest:
            return
        paid = 0.0 if began else self._end(state, j)[0]
        room_s = inf if began else self._room_s(state, j)

        def price(to: int, *, again: bool) -> float:
            silent = not began and room_s > self._shortest_s(state.trial, to, again=again)
            return paid + (_SILENCE if silent else _UNHEARD)

        if ahead == j:
            yield number, number, price(number, again=False)
            return
        lowest = self._lowest(state, number)
        last = number - 1 if number else len(self._trials)
        for to in range(lowest, last + 1):
            if not number and to > furthest and price(to, again=False) == paid + _UNHEARD:
                break
            if to > furthest and self._fits(state, to, head):
                yield to, to, price(to, again=False)
            shown = _State(0, number - 1 if number else max(furthest, to), -1)
            if self._fits(shown, to, head):
                yield to, shown.furthest, price(to, again=True)

    def _lowest(self, state: _State, number: int) -> int:
        """The first trial of the earliest block that a presentation may belong to.

        What is shown again ends with trials that are not, or in the block before them.
        """
        earliest = self._trials[state.trial].start if state.head >= 0 else 1
        if not number:
            return earliest
        start = self._trials[number].start
        return max(earliest, self._trials[start - 1].start if start > 1 else 1)

    def _shortest_s(self, trial: int, to: int, *, again: bool) -> float:
        """What a silence must last to hide how the task came from one trial to another."""
        first = self._trials[to].start if to < trial else trial + 1
        whole_s = sum(self._trials[n].left_s()[0] for n in range(first, to))
        return (
            whole_s + (_HELD_S if again else 0.0) + (_ANNOUNCED_S if again and to > trial else 0.0)
        )

    def _room_s(self, state: _State, j: int) -> float:
        """The longest silence between two beginnings in which something may have been shown."""
        followed = self._follow(state.trial, state.head, j)
        steps, marks = self._between(state.head, j)
        after = [at for at in sorted((*steps, *marks)) if self._time_s[at] > followed.last_s]
        times_s = [*(self._time_s[at] for at in after), self._heads[j].time_s]
        names = [*(self._name[at] for at in after), ""]
        since_s, stands, room_s = followed.over_s, False, 0.0
        for name, time_s in zip(names, times_s, strict=True):
            if not (stands and name in MARKS):
                room_s = max(room_s, time_s - since_s)
            since_s = time_s + (_HELD_S if name in _GO_ON else 0.0)
            stands = name in _STANDSTILL
        return room_s

    def _anchors(self) -> list[tuple[int, int]]:
        """For every beginning the next one with a number of the plan: where, and which."""
        found: list[tuple[int, int]] = []
        ahead = (len(self._heads), 0)
        for j in range(len(self._heads) - 1, -1, -1):
            number = self._heads[j].number
            if number is not None and 1 <= number <= len(self._trials):
                ahead = j, number
            found.append(ahead)
        return found[::-1]

    def _moves_from(self, number: int) -> tuple[_Move, ...]:
        return tuple(self._all_moves(self._trials[number]))

    def _all_moves(self, trial: Trial) -> Iterator[_Move]:
        """Every step that the task can take after a trial."""
        n, none = trial.number, frozenset[str]()
        onward = self._trials.get(n + 1)
        begin = self._trials[trial.start]
        held = frozenset({"PAUSE", "RESUME"})
        if onward and not trial.last:
            yield _Move(n + 1, Way.NEXT, none, none, whole=True)
            if self._keeps:
                yield _Move(n + 1, Way.PASSED, held, none, whole=False)
            elif onward.sounds:
                yield _Move(n + 1, Way.NEXT, held, none, whole=True)
            if not self._trials[n + 1].last:
                yield _Move(n + 2, Way.SILENT, none, none, whole=True)
        if onward and trial.last:
            between = trial.closes | onward.opens
            yield _Move(n + 1, Way.NEXT, between, held | {"REPEAT"}, whole=True)
            if self._keeps:
                yield _Move(n + 1, Way.PASSED, between | held, none, whole=False)
        if trial.last and trial.practised:
            yield _Move(trial.start, Way.BLOCK, begin.opens, held | {"REPEAT"}, whole=True)
        if not self._keeps:
            yield _Move(n, Way.AGAIN, held, none, whole=False)
        repeated = frozenset({"PAUSE", "REPEAT"}) | begin.opens
        yield _Move(trial.start, Way.BLOCK, repeated, none, whole=False)
        later = self._later_block(trial)
        if later:
            skipped = frozenset({"PAUSE", "SKIP"}) | trial.closes | later.opens
            yield _Move(later.number, Way.SKIP, skipped, none, whole=False)
        run = frozenset({"RUN_START", "SESSION", "BLOCK_START"})
        yield _Move(n, Way.RUN, run, _RUN_MARKS, whole=False)
        if onward:
            yield _Move(n + 1, Way.RUN, run, _RUN_MARKS, whole=True)
            if self._keeps:
                yield _Move(n + 1, Way.RUN, run, _RUN_MARKS, whole=False)
        for to in {trial.start, later.number if later else trial.start}:
            for whole in (True, False):
                yield _Move(to, Way.RUN, run, _RUN_MARKS, whole)

    def _later_block(self, trial: Trial) -> Trial | None:
        number = trial.number
        while number in self._trials and self._trials[number].start == trial.start:
            number += 1
        return self._trials.get(number)

    # What it costs ----------------------------------------------------------------------

    def _price(self, state: _State, j: int, move: _Move) -> float:
        trial = self._trials[state.trial]
        steps, marks = self._between(state.head, j)
        heard = frozenset(self._name[at] for at in marks)
        price = len(move.marks - heard) + len(heard - move.marks - move.optional - {"GAP"})
        names, codes = tuple(self._name[at] for at in steps), trial.codes[1:]
        within = move.way in (Way.NEXT, Way.SILENT) and not trial.last and not move.marks
        if move.way is Way.SILENT:
            silent = self._trials[state.trial + 1]
            price += _SILENT + _apart(codes + silent.codes[1:], names)
            return price + self._untimely(state, j, silent)
        followed = self._follow(state.trial, state.head, j)
        price += followed.whole if move.whole else followed.cut
        if within:
            price += self._untimely(state, j)
        elif not self._parted(state, j, steps, move):
            price += _UNTIMELY
        if move.whole and not within and self._held_within(trial, steps, marks):
            price += _UNTIMELY
        return price

    def _held_within(self, trial: Trial, steps: Sequence[int], marks: Sequence[int]) -> bool:
        """Whether a pause began before a presentation was over."""
        first = next((at for at in marks if self._name[at] in trial.closes | _OPENING), None)
        if first is None or self._name[first] != "PAUSE":
            return False
        if not trial.practised:
            return True
        # What was not understood is talked over when the last answer was given.
        last = [at for at in steps if self._name[at] == trial.codes[-1]]
        over_s = self._time_s[last[-1]] + trial.lengths_s[-1] if last else 0.0
        return self._time_s[first] < over_s - _AT_ONCE_S

    def _parted(self, state: _State, j: int, steps: Sequence[int], move: _Move) -> bool:
        """Whether the time between two beginnings has room for a pause, a run or a block's name."""
        stood_s = max([self._heads[state.head].time_s, *(self._time_s[at] for at in steps)])
        held = bool(move.marks & {"PAUSE", "RUN_START"})
        least_s = _HELD_S if held else 0.0
        return self._heads[j].time_s - stood_s >= least_s - EARLY_S

    def _end(self, state: _State, j: int) -> tuple[float, bool]:
        """What is paid up to beginning `j` if nothing is known of what led there, and whether the
        presentation came to its end."""
        if state.head < 0:
            return 0, False
        steps, marks = self._between(state.head, j)
        trial = self._trials[state.trial]
        followed = self._follow(state.trial, state.head, j)
        whole, cut = followed.whole, followed.cut
        if self._held_within(trial, steps, marks):
            return cut, False
        return min(cut, whole), whole <= cut

    def _codes_between(self, i: int, j: int) -> tuple[list[int], list[int]]:
        """Positions of the codes of steps, and of marks, from one beginning to another."""
        tail = [at for head in self._heads[i:j] for at in head.tail]
        marks = [at for at in tail if self._name[at] in MARKS]
        steps = [at for at in tail if self._name[at].endswith(("_ON", "_OFF"))]
        return steps, marks

    def _followed(self, number: int, i: int, j: int) -> _Followed:
        """What is heard between two beginnings, as the steps of a trial."""
        trial, (steps, _) = self._trials[number], self._between(i, j)
        heard = [(self._time_s[at], self._name[at]) for at in steps]
        found = moments(trial, self._heads[i].time_s, heard)
        matched = [n for n, moment in enumerate(found) if moment.word is not None]
        price = len(heard) - len(matched) + sum(moment.late for moment in found)
        whole = price + len(found) - 1 - len(matched)
        cut = price + max(matched, default=0) - len(matched)
        shortest_s, longest_s = trial.left_s(len(found) - 1)
        latest = max(matched, default=0)
        return _Followed(
            whole=whole,
            cut=cut,
            earliest_s=found[-1].low_s + shortest_s,
            latest_s=found[-1].high_s + longest_s,
            last_s=found[latest].low_s,
            over_s=found[latest].low_s + trial.left_s(latest)[0],
        )

    def _untimely(self, state: _State, j: int, silent: Trial | None = None) -> float:
        """Price of beginning `j` if it should come when the trial before it is over."""
        trial, began_s = self._trials[state.trial], self._heads[state.head].time_s
        followed = self._follow(state.trial, state.head, j)
        low_s, high_s = followed.earliest_s, followed.latest_s
        if silent:
            low_s, high_s = (began_s + s for s in trial.left_s())
            shortest_s, longest_s = silent.left_s()
            low_s, high_s = low_s + shortest_s, high_s + longest_s
        follower = self._trials[trial.number + (2 if silent else 1)]
        held_up_s = min(HELD_UP_S, follower.left_s()[0] / 2)  # or another had room before it
        if follower.sounds or (silent and silent.sounds):
            high_s += _RUN_UP_S
        if trial.waits or (silent and silent.waits):
            high_s = inf  # pictures are made ready
        onset_s, slack_s = self._heads[j].time_s, DRAWN_OUT * (low_s - began_s)
        if onset_s < low_s - EARLY_S - slack_s or onset_s > high_s + held_up_s + slack_s:
            return _UNTIMELY
        return _HELD_UP if onset_s > high_s + LATE_S + slack_s else 0


def _possible(
    j: int, layer: Mapping[_State, float], after: Mapping[_State, float], most: float
) -> list[int | None]:
    """What a beginning is by any reading that is cheap enough."""
    found = {
        state.trial if state.head == j else None
        for state, price in layer.items()
        if state in after and price + after[state] < most
    }
    return sorted(found, key=lambda number: number or 0)


@lru_cache(maxsize=4096)
def _apart(planned: tuple[str, ...], heard: tuple[str, ...]) -> int:
    """Words that were lost, and that came from nowhere."""
    return len(planned) + len(heard) - 2 * _common(planned, heard)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for a in one:
        above = row[:]
        for n, b in enumerate(other):
            row[n + 1] = above[n] + 1 if a == b else max(row[n], above[n + 1])
    return row[-1]
