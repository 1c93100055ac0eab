"""The imagery session: two items a block, seen, then a visual search, then imagined in turn."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from task import screens
from task.chances import Chances
from task.contract.catalog import Catalog
from task.contract.sessionlog import Kind
from task.contract.settings import KeyPath, did_you_mean
from task.frames import Frames
from task.order import alternate, cyclic_pairs, shuffled, shuffled_repeats
from task.plan import BLANK, Block, Step, ToneItem, Trial
from task.protocol import Faults, Imagery, Protocol
from task.published import DESIGNS
from task.trials import opening, practised, to_read

Pair = tuple[str, str]
_FEWEST_ITEMS = 6
_TONES_APART = 1.05  # nearly a semitone: nearer ones not everybody can tell apart


def imagery_blocks(
    protocol: Protocol, catalog: Catalog, chances: Chances, frames: Frames, faults: Faults
) -> list[Block]:
    """Practice, and a block for each pair of items.

    Parameters
    ----------
    protocol : with ids for pictures
    """
    blocks = _practice(protocol, catalog, frames)
    pairs = pairs_of(protocol, chances.order)
    _check_parts(protocol, len(pairs), faults)
    for number, pair in enumerate(pairs):
        part = part_of(protocol, number)
        own = frames.under(part.path, part.said)
        blocks.append(_block(part.protocol, catalog, pair, number, chances, own, part.name))
    return blocks


def _block(
    protocol: Protocol,
    catalog: Catalog,
    pair: Pair,
    number: int,
    chances: Chances,
    frames: Frames,
    condition: str,
) -> Block:
    task = protocol.imagery
    assert task
    trials = [*opening(protocol, frames, number, protocol.texts.imagery, task.break_s)]
    for item in shuffled_repeats(pair, task.encode_views, chances.order):
        trials.append(_encode(protocol, item, frames))
    if task.search_s:
        trials.append(_search(protocol, chances.questions, frames))
    trials += _before_cues(protocol, catalog, pair, frames)
    for item in _cued(task, pair, chances.order):
        trials.append(_imagine(protocol, catalog, item, _tone(protocol, pair, item), frames))
    return Block("imagery", tuple(trials), condition=condition)


def _cued(task: Imagery, pair: Pair, rng: random.Random) -> list[str]:
    if task.cue_order == "random":
        return shuffled([*pair] * task.cues_per_item, rng)
    return alternate(pair, task.cues_per_item)


def pairs_of(protocol: Protocol, rng: random.Random) -> list[Pair]:
    """The items of every block: as the protocol says, of a published design, or balanced anew."""
    task = protocol.imagery
    assert task
    if task.pairs:
        return list(task.pairs)
    _, items = task.named
    if not task.design:
        return cyclic_pairs(items, rng) if _can_be_paired(items) else []
    if len(items) != len(DESIGNS[task.design].images):
        return []
    return [(items[first - 1], items[second - 1]) for first, second in DESIGNS[task.design].pairs]


def _can_be_paired(items: Sequence[str]) -> bool:
    return len(items) >= _FEWEST_ITEMS and len(items) % 2 == 0


@dataclass(frozen=True, slots=True)
class Part:
    """What holds in some blocks: the protocol as if all of it were like them.

    `path` is where their own settings stand, `said` which these are.
    """

    name: str
    protocol: Protocol
    path: KeyPath = ()
    said: frozenset[str] = frozenset()


def part_of(protocol: Protocol, block: int) -> Part:
    """What holds in a block, counted from 0."""
    task = protocol.imagery
    assert task
    for n, part in enumerate(task.part):
        if block + 1 in part.blocks:
            said = {k: v for k, v in part if v is not None and k not in ("name", "blocks")}
            whole = protocol.model_copy(update={"imagery": task.model_copy(update=said)})
            return Part(part.name, whole, ("imagery", "part", n), frozenset(said))
    return Part("", protocol)


def _check_parts(protocol: Protocol, blocks: int, faults: Faults) -> None:
    """Find parts about blocks that there are not, or about those of another part."""
    task = protocol.imagery
    assert task
    taken: dict[int, str] = {}
    for n, part in enumerate(task.part):
        path: KeyPath = ("imagery", "part", n, "blocks")
        for block in part.blocks:
            if blocks and block > blocks:
                faults.append((path, f"there is no block {block}; the session has {blocks}"))
            elif block in taken:
                faults.append((path, f"block {block} is in part {taken[block]!r} too"))
            taken.setdefault(block, part.name)


def _before_cues(protocol: Protocol, catalog: Catalog, pair: Pair, frames: Frames) -> list[Trial]:
    """Which tone is which, eyes closed, and the baseline."""
    task = protocol.imagery
    assert task
    trials = []
    if "tone" in task.cue:
        for item in pair:
            taught = screens.lesson(protocol, catalog, item, _tone(protocol, pair, item))
            seen = Step("TEXT_ON", taught, frames.about(4.0, first=True))
            gone = Step("TEXT_OFF", screens.fixation(protocol), frames.about(0.5))
            trials.append(Trial(Kind.TEXT, (seen, gone), item))
    if task.eyes_closed:
        texts = protocol.texts
        trials += to_read(protocol, frames, texts.close_eyes, texts.text_s)
    baseline = frames(("imagery", "baseline_s"), task.baseline_s, first=True)
    steps = (
        Step("BASELINE_ON", BLANK, baseline),
        Step("BASELINE_OFF", BLANK, frames.one_code),
    )
    return [*trials, Trial(Kind.BASELINE, steps)]


def _encode(protocol: Protocol, item: str, frames: Frames, kind: Kind = Kind.ENCODE) -> Trial:
    task = protocol.imagery
    assert task
    seen = frames(("imagery", "encode_s"), task.encode_s, first=True)
    blank = frames(("imagery", "encode_blank_s"), task.encode_blank_s)
    return Trial(
        kind,
        (
            Step("ENCODE_ON", screens.picture(protocol, item), seen),
            Step("ENCODE_OFF", screens.fixation(protocol), blank),
        ),
        item,
    )


def _imagine(
    protocol: Protocol,
    catalog: Catalog,
    item: str,
    tone: ToneItem,
    frames: Frames,
    kind: Kind = Kind.IMAGINE,
) -> Trial:
    task, texts = protocol.imagery, protocol.texts
    assert task
    # Whoever has closed eyes hears when to begin (a cue that is a tone says so) and when to end.
    begin = (screens.START_TONE,) if task.eyes_closed and "tone" not in task.cue else BLANK
    end = (screens.END_TONE,) if task.eyes_closed else BLANK
    after = frames(("imagery", "after_s"), task.after_s)
    shown = screens.cue(protocol, catalog, item, tone)
    steps = [
        Step("CUE_ON", shown, frames(("imagery", "cue_s"), task.cue_s, first=True)),
        Step("IMAGERY_ON", begin, frames(("imagery", "imagine_s"), task.imagine_s)),
        Step("IMAGERY_OFF", end, after),
    ]
    numbers = tuple("12345")
    for code, longest_s, said in (
        ("RATING", task.rating_s, (texts.rating, numbers, texts.rating_low, texts.rating_high)),
        (
            "CONFIDENCE",
            task.confidence_s,
            (texts.confidence, numbers, texts.confidence_low, texts.confidence_high),
        ),
    ):
        if longest_s:
            rating = screens.scale(protocol, *said)
            steps += [
                Step(f"{code}_ON", rating, frames.at_most(longest_s), numbers),
                Step(f"{code}_OFF", BLANK, after),
            ]
    return Trial(kind, tuple(steps), item)


def _search(protocol: Protocol, rng: random.Random, frames: Frames) -> Trial:
    """A puzzle whose T is there half the time, so that found and not found can be scored."""
    task = protocol.imagery
    assert task
    target = rng.random() < 0.5
    shown = screens.search(protocol, target, rng)
    after = frames(("imagery", "after_s"), task.after_s)
    longest, right = frames.at_most(task.search_s), "yes" if target else "no"
    return Trial(
        Kind.SEARCH,
        (
            Step("SEARCH_ON", shown, longest, ("yes", "no"), right),
            Step("SEARCH_OFF", BLANK, after),
        ),
    )


def _tone(protocol: Protocol, pair: Pair, item: str) -> ToneItem:
    """The tone of a block's first or second item."""
    task = protocol.imagery
    assert task
    return ToneItem(task.tones_hz[pair.index(item)], task.tone_s)


def _practice(protocol: Protocol, catalog: Catalog, frames: Frames) -> list[Block]:
    """Two other items, each imagined twice; each time the patient shows which one it was."""
    practice = protocol.practice
    if not practice:
        return []
    pair = practice.pictures[0], practice.pictures[1]
    trials = [_encode(protocol, item, frames, Kind.PRACTICE) for item in pair]
    trials += _before_cues(protocol, catalog, pair, frames)[:-1]
    for item in alternate(pair, 2):
        tone = _tone(protocol, pair, item)
        trials.append(_imagine(protocol, catalog, item, tone, frames, Kind.PRACTICE))
        trials.append(_understood(protocol, pair, item, frames))
    return practised(protocol, frames, trials, practice.rounds)


def _understood(protocol: Protocol, pair: Pair, item: str, frames: Frames) -> Trial:
    shown = screens.choice(protocol, protocol.texts.practice_check, pair)
    ask = Step("QUESTION_ON", shown, frames.at_most(30.0), ("1", "2"), str(pair.index(item) + 1))
    gone = Step("QUESTION_OFF", screens.fixation(protocol), frames.about(0.5))
    return Trial(Kind.PRACTICE, (ask, gone), item)


# What a cue must tell ------------------------------------------------------------------------


def check_cues(protocol: Protocol, catalog: Catalog, faults: Faults) -> None:
    """Find items that cannot be paired, and cues that do not tell which item is meant.

    Parameters
    ----------
    protocol : with ids for pictures
    """
    task = protocol.imagery
    assert task
    key, items = task.named
    _check_items(task, faults)
    practised_with = protocol.practice.pictures if protocol.practice else ()
    if protocol.practice and len(practised_with) != 2:
        what = "an imagery session is practised with two pictures"
        faults.append((("practice", "pictures"), what))
    everything = (*items, *practised_with)
    for name, given in (("words", task.words), ("sounds", task.sounds)):
        for stranger in sorted(set(given) - set(everything)):
            what = "is neither an item nor a practice picture"
            faults.append((("imagery", name, stranger), what + did_you_mean(stranger, everything)))
    cues = {*task.cue, *(cue for part in task.part for cue in part.cue or ())}
    if "word" in cues:
        _check_words(protocol, catalog, ("imagery", key), items, faults)
        _check_words(protocol, catalog, ("practice", "pictures"), practised_with, faults)
    if "sound" in cues and (silent := [i for i in everything if i not in task.sounds]):
        what = f"{', '.join(silent)} without a sound file; name one for each"
        faults.append((("imagery", "sounds"), what))
    for n in range(-1, len(task.part)):
        _check_hearing(task, n, faults)


def _check_items(task: Imagery, faults: Faults) -> None:
    """Find items that blocks cannot be made of."""
    key, items = task.named
    if task.pairs:
        faults += [(("imagery", "pairs"), what) for what in _unbalanced(task.pairs)]
    elif task.design and len(items) != len(DESIGNS[task.design].images):
        what = f"{len(items)} items for design {task.design}, which has"
        faults.append((("imagery", key), f"{what} {len(DESIGNS[task.design].images)}"))
    elif not task.design and not _can_be_paired(items):
        what = (
            f"{len(items)} items cannot be paired so that each comes in two blocks that are not"
            " neighbours, with two partners; take 6, 8, 10 ..."
        )
        faults.append((("imagery", "items"), what))


def _unbalanced(pairs: Sequence[Pair]) -> Iterator[str]:
    """What drift could imitate in pairs that somebody wrote."""
    blocks: dict[str, list[int]] = {}
    for number, pair in enumerate(pairs, start=1):
        for item in pair:
            blocks.setdefault(item, []).append(number)
    for item, of in blocks.items():
        if len(of) == 1:
            yield f"{item} comes in block {of[0]} only: what drifts cannot be told from it; two"
        for first, second in pairwise(of):
            if second == first + 1:
                yield f"{item} comes in blocks {first} and {second}, one after the other; part them"


def _check_hearing(task: Imagery, part: int, faults: Faults) -> None:
    """Find tones and closed eyes that do not go together, in all blocks (-1) or in a part."""
    path: KeyPath = ("imagery",) if part < 0 else ("imagery", "part", part)
    said = {} if part < 0 else {k: v for k, v in task.part[part] if v is not None}
    own = task.model_copy(update=said)
    if part >= 0 and not said.keys() & {"cue", "eyes_closed", "cue_s"}:
        return
    if own.eyes_closed and not set(own.cue) & {"tone", "sound"}:
        what = 'who has closed eyes must hear the cue; cue = "tone"'
        faults.append(((*path, "eyes_closed"), what))
    if "tone" in own.cue:
        _check_tones(own, path, faults)


def _check_words(
    protocol: Protocol, catalog: Catalog, path: KeyPath, items: Sequence[str], faults: Faults
) -> None:
    task = protocol.imagery
    assert task
    called: dict[str, list[str]] = {}
    for item in items:
        picture = catalog.pictures.get(item)
        if picture and item not in task.words and protocol.language not in picture.names:
            what = (
                f"{item} has no name in language {protocol.language!r};"
                f' give its cue word: [imagery.words] {item} = "..."'
            )
            faults.append((path, what))
            continue
        word = screens.cue_word(protocol, catalog, item).strip()
        if not word:
            what = "is empty; give a cue word, or leave this out for the picture's name"
            faults.append((("imagery", "words", item), what))
        called.setdefault(word.casefold(), []).append(item)
    for word, same in called.items():
        if word and len(same) > 1:
            what = (
                f"{', '.join(same)} have the same cue word {word!r}; give each its own under"
                " [imagery.words]"
            )
            faults.append((path, what))


def _check_tones(task: Imagery, where: KeyPath, faults: Faults) -> None:
    first, second = task.tones_hz
    path = ("imagery", "tones_hz")
    if _alike(first, second):
        what = f"{first:g} and {second:g} Hz cannot be told apart; make one at least"
        faults.append((path, f"{what} {_TONES_APART - 1:.0%} higher"))
    end_hz = screens.END_TONE.frequency_hz
    for hertz in task.tones_hz if task.eyes_closed else ():
        if _alike(hertz, end_hz):
            what = f"{hertz:g} Hz sounds like the tone that ends imagining, {end_hz:g} Hz"
            faults.append((path, f"{what}; take a lower one"))
    if task.tone_s > task.cue_s:
        what = f"{task.tone_s:g} s is longer than the cue of {task.cue_s:g} s: the tone would go on"
        key = (*where, "cue_s") if len(where) > 1 else ("imagery", "tone_s")
        faults.append((key, f"{what} while the patient imagines"))


def _alike(one_hz: float, other_hz: float) -> bool:
    return max(one_hz, other_hz) < _TONES_APART * min(one_hz, other_hz)
