"""What the words on one port say, read with a session's code table and nothing else.

Names of codes, sessions and presentation numbers that were announced, and where presentations
begin.  A line that never rose or never fell shows in the words themselves; what it hid is restored
where one value only fits the others.  Which trial a presentation was is not decided here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, product
from math import inf
from typing import Any

from analysis.lines import ALWAYS, Lines
from task.contract.codes import (
    MAX_PRESENTATION,
    SWEEP_OFFSETS,
    SWEEP_VALUES,
    announce_presentation,
    announce_session,
)

Book = Mapping[tuple[int, ...], int]  # payload words as they are heard -> what they announce
SWEEP = "SWEEP"
_BYTE = 0xFF
_BITS = tuple(1 << line for line in range(8))
_PAYLOAD = 0x80
_SESSION_WORDS, _TRIAL_WORDS = 4, 3
_FEWEST_WORDS = 30  # fewer prove no line dead
_AS_MANY_UNHEARD = 2  # times what was heard may have been shown
_BOUNCE = 0.5  # in units of the spacing: the same word again so soon is the same
_LATE = 1.5  # in units of the spacing, by which an announcement may be drawn out
_FEWEST_PULSES = 3  # of a sweep, to know it
_SWEEP_OFF = 0.4  # in units of the spacing, by which a pulse of a sweep may be off


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one port.

    Attributes
    ----------
    time_s : ascending
    value : as read from the lines that can be trusted
    name : of the code, `SWEEP` for a pulse of a sweep, empty for payload and unknown values
    lines : those that never rose or never fell; nothing was read from them
    spacing_s : from one word to the next, at least
    restored : how many words stand for codes of which only a part arrived
    """

    time_s: tuple[float, ...]
    value: tuple[int, ...]
    name: tuple[str, ...]
    lines: Lines
    spacing_s: float
    restored: int

    @property
    def live(self) -> int:
        """The lines that words are read from, as bits."""
        return self.lines.mask & _BYTE


@dataclass(frozen=True, slots=True)
class Announced:
    """A session or a presentation that was announced whole: where, its number, all its words."""

    at: int
    number: int
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """Where a presentation begins.

    Attributes
    ----------
    time_s : of its onset; one spacing before its number where the onset was lost
    code : name of its onset, empty where that was lost
    number : None where it was lost
    words : positions of onset and number, as far as they were heard
    tail : positions of the codes that follow, up to the next head
    """

    time_s: float
    code: str
    number: int | None
    words: tuple[int, ...]
    tail: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A session's part of a recording.

    Attributes
    ----------
    words : of the whole port
    session : its number
    own : positions of its words, ascending
    before : of these, codes before the first presentation
    heads : where presentations begin
    names : where the session was announced
    """

    words: Words
    session: int
    own: tuple[int, ...]
    before: tuple[int, ...]
    heads: tuple[Head, ...]
    names: tuple[Announced, ...]


def read_words(time_s: Sequence[float], value: Sequence[int], plan: Mapping[str, Any]) -> Words:
    """Name the words of a port.

    Parameters
    ----------
    time_s, value : of every word, in any order; 0 is rest
    plan : as in `plan.json`
    """
    spacing_s = float(plan["spacing_frames"]) / float(plan["refresh_hz"])
    in_order = sorted(zip(time_s, value, strict=True), key=lambda row: row[0])
    lines = _faulty([v for _, v in in_order if v])
    live = lines.mask & _BYTE
    rows = list(_settled(in_order, live, spacing_s))
    times_s, values = [t for t, _ in rows], [v for _, v in rows]
    table = _masked(plan["codes"], live)
    names = [table.get(v, "") if v < _PAYLOAD else "" for v in values]
    if not live & _PAYLOAD:
        for at in _payload_unmarked(times_s, names, spacing_s):
            names[at] = ""
    for at in _sweeps(times_s, values, spacing_s):
        names[at] = SWEEP
    codes = {**plan["codes"], "": 0, SWEEP: 0}
    restored = sum(codes[n] != v for n, v in zip(names, values, strict=True) if codes[n])
    return Words(tuple(times_s), tuple(values), tuple(names), lines, spacing_s, restored)


def sessions_announced(words: Words) -> list[Announced]:
    """Every session that was announced whole."""
    return [
        found
        for at, name in enumerate(words.name)
        if name == "SESSION"
        for found in _announced(words, at, _SESSION_WORDS, lambda said: _session(said, words.live))
    ]


def presentations_announced(words: Words, session: int, n_trials: int) -> list[Announced]:
    """Every presentation whose number was announced whole and is one of this session.

    Parameters
    ----------
    n_trials : of the plan; repeated ones count on from there, by far not to the last number
    """
    most = _AS_MANY_UNHEARD * (n_trials + words.name.count("TRIAL"))
    book = _numbers(session, words.live, min(most, MAX_PRESENTATION))
    return [
        found
        for at, name in enumerate(words.name)
        if name == "TRIAL"
        for found in _announced(words, at, _TRIAL_WORDS, book.get)
    ]


def heads_of(
    words: Words, own: Sequence[int], numbers: Sequence[Announced], onsets: Mapping[str, float]
) -> tuple[tuple[int, ...], list[Head]]:
    """Where presentations begin.

    Parameters
    ----------
    own : positions of the session's words, ascending
    numbers : as from `presentations_announced`
    onsets : codes that begin a presentation, and for how long at least nothing else follows them

    Returns
    -------
    Positions of the codes before the first, and every head.
    """
    known = {announced.at: announced for announced in numbers}
    before: list[int] = []
    heads: list[Head] = []
    for at in own:
        name = words.name[at]
        if name in onsets:
            heads.append(Head(words.time_s[at], name, None, (at,), ()))
        elif name == "TRIAL":
            number = known.get(at)
            said = number.words if number else (at, *_payload(words, at, _TRIAL_WORDS))
            heads[-2:] = _numbered(words, heads[-2:], number, said, onsets)
        elif name and heads:
            last = heads[-1]
            heads[-1] = Head(last.time_s, last.code, last.number, last.words, (*last.tail, at))
        elif name:
            before.append(at)
    return tuple(before), heads


def _numbered(
    words: Words,
    last: list[Head],
    number: Announced | None,
    said: tuple[int, ...],
    onsets: Mapping[str, float],
) -> list[Head]:
    """The last heads, one of them with its number; or a further one whose onset was lost."""
    value, time_s = number.number if number else None, words.time_s[said[0]]
    late: dict[int, float] = {}  # heads that may be this number's: how far from their place
    for n in range(len(last) - 1, -1, -1):
        head = last[n]
        soon_s = max((1 + _LATE) * words.spacing_s, onsets.get(head.code, 0.0))
        if not head.code or len(head.words) > 1 or head.tail or time_s - head.time_s >= soon_s:
            break
        late[n] = abs(time_s - head.time_s - words.spacing_s)
    if not late:
        return [*last, Head(time_s - words.spacing_s, "", value, said, ())]
    mine = min(late, key=lambda n: late[n])
    head = last[mine]
    last[mine] = Head(head.time_s, head.code, value, (*head.words, *said), ())
    return last


# Announcements -----------------------------------------------------------------------------------


def _announced(
    words: Words, at: int, length: int, meaning: Callable[[tuple[int, ...]], int | None]
) -> Iterator[Announced]:
    """What is announced at a word, if it arrived whole; words that came between do no harm."""
    payload = _payload(words, at, length)
    lengths = [length] if words.live & _PAYLOAD else range(length, 0, -1)  # 0 is not heard then
    for several in lengths:
        meant = {
            c: meaning(tuple(words.value[i] for i in c)) for c in combinations(payload, several)
        }
        found = {number: c for c, number in meant.items() if number is not None}
        if len(found) == 1:
            [(number, said)] = found.items()
            yield Announced(at, number, (at, *said))
        if found:
            return


def _payload(words: Words, at: int, length: int) -> tuple[int, ...]:
    """Positions of the words after `at` that may be its payload."""
    until_s = words.time_s[at] + (length + _LATE) * words.spacing_s
    found = []
    for i in range(at + 1, len(words.time_s)):
        if words.time_s[i] > until_s or words.name[i] in ("SESSION", "TRIAL"):
            break
        if words.value[i] >= _PAYLOAD or not (words.live & _PAYLOAD or words.name[i]):
            found.append(i)
    return tuple(found)


def _session(said: tuple[int, ...], live: int) -> int | None:
    """The only session that is announced so on these lines."""
    bits = [bit for bit in _BITS[:7] if not live & bit]
    masks = [sum(chosen) for n in range(len(bits) + 1) for chosen in combinations(bits, n)]
    found = set()
    for heard in _with_silent(said):
        for chosen in product(masks, repeat=3):
            a, b, c = (word & 0x7F | mask for word, mask in zip(heard, chosen, strict=False))
            session = a << 14 | b << 7 | c
            payload = announce_session(session)[1:]
            if tuple(word & live for word in payload if word & live) == said:
                found.add(session)
    return found.pop() if len(found) == 1 else None


def _with_silent(said: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The payload of a session with the words that were not heard for they raised no live line."""
    for places in combinations(range(_SESSION_WORDS), _SESSION_WORDS - len(said)):
        heard = iter(said)
        yield tuple(0 if n in places else next(heard) for n in range(_SESSION_WORDS))


def _numbers(session: int, live: int, stop: int) -> Book:
    """What the numbers of a session sound like on these lines; only what is unmistakable."""
    book: dict[tuple[int, ...], int] = {}
    doubtful = set()
    for number in range(1, stop):
        payload = announce_presentation(session, number)[1:]
        heard = tuple(word & live for word in payload if word & live)
        if book.setdefault(heard, number) != number:
            doubtful.add(heard)
    return {heard: number for heard, number in book.items() if heard not in doubtful}


# Names -------------------------------------------------------------------------------------------


def _faulty(values: Sequence[int]) -> Lines:
    """Lines that never rose or hardly ever fell, where enough was heard to tell."""
    if len(values) < _FEWEST_WORDS:
        return Lines()
    up = {bit: sum(bool(v & bit) for v in values) / len(values) for bit in _BITS}
    return Lines(
        dead=tuple(bit for bit in _BITS if not up[bit]),
        stuck=tuple(bit for bit in _BITS if up[bit] > ALWAYS),
    )


def _settled(
    rows: Sequence[tuple[float, int]], live: int, spacing_s: float
) -> Iterator[tuple[float, int]]:
    """Words without rests, without bounces, and without what other lines of the port did."""
    last_s: dict[int, float] = {}
    before = 0
    for time_s, value in rows:
        word = value & live
        foreign = max(value, before) > _BYTE and word == before & live
        soon = time_s - last_s.get(word, -spacing_s) < _BOUNCE * spacing_s
        if word and not foreign and not soon:
            yield float(time_s), int(word)
        last_s[word], before = time_s, value


def _masked(codes: Mapping[str, int], live: int) -> Mapping[int, str]:
    """Names by what is heard of the codes; without those that cannot be told apart."""
    names: dict[int, list[str]] = {}
    for name, value in codes.items():
        names.setdefault(value & live, []).append(name)
    return {value: each[0] for value, each in names.items() if value and len(each) == 1}


def _payload_unmarked(
    times_s: Sequence[float], names: Sequence[str], spacing_s: float
) -> Iterator[int]:
    """Words that are payload by their place alone, where the line that marks payload is dead."""
    lengths = {"SESSION": _SESSION_WORDS, "TRIAL": _TRIAL_WORDS}
    until_s = float("-inf")
    for at, (time_s, name) in enumerate(zip(times_s, names, strict=True)):
        if time_s < until_s:
            yield at
        elif name in lengths:
            until_s = time_s + (lengths[name] + 0.5) * spacing_s


def _sweeps(times_s: Sequence[float], values: Sequence[int], spacing_s: float) -> Iterator[int]:
    """Pulses of sweeps, by their rhythm: they are no codes, whatever they look like."""
    after = dict(zip(SWEEP_VALUES, SWEEP_OFFSETS, strict=True))
    pulses = [
        (times_s[at] / spacing_s - after[value], at)
        for at, value in enumerate(values)
        if value in after
    ]
    sweep: list[tuple[float, int]] = []
    for start, at in [*sorted(pulses), (inf, -1)]:
        if sweep and start - sweep[0][0] > _SWEEP_OFF:
            if len({values[pulse] for _, pulse in sweep}) >= _FEWEST_PULSES:
                yield from (pulse for _, pulse in sweep)
            sweep = []
        sweep.append((start, at))


# Whose words -------------------------------------------------------------------------------------


def owners(words: Words, evidence: Sequence[tuple[int, int]]) -> list[int | None]:
    """The session that each word belongs to.

    Parameters
    ----------
    evidence : positions at which a session named itself, and which it was, ascending

    A word between two mentions of one session is its.  Where the session changes, the former ends
    with its RUN_END, or, where that was lost, before the longest silence.
    """
    found: list[int | None] = [None] * len(words.name)
    ends = [at for at, name in enumerate(words.name) if name == "RUN_END"]
    bounds = [(-1, None), *evidence, (len(words.name), None)]
    for (at, owner), (after, other) in pairwise(bounds):
        turn = after
        if owner != other:
            turn = _turn(words, ends, at, after, owner, other)
        found[max(at, 0) : turn] = [owner] * (turn - max(at, 0))
        found[turn:after] = [other] * (after - turn)
    return found


def _turn(
    words: Words, ends: Sequence[int], at: int, after: int, owner: int | None, other: int | None
) -> int:
    """First position after `at` that is no more its owner's."""
    between = [end for end in ends if at < end < after]
    if between:
        return between[0 if other is None else -1] + 1
    if owner is None or other is None:
        return at + 1 if owner is None else after
    gaps = [(words.time_s[i + 1] - words.time_s[i], i + 1) for i in range(at, after)]
    return max(gaps)[1]
