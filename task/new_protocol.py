"""A new protocol from a few answers: what is done, with which pictures, in how many minutes.

The session that is proposed is the study's (doi:10.1126/science.adt8343), or as much of it as fits
the time that the patient has.  What is written is short, says what its settings mean, and has been
read back and planned before it gets its name.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from task.contract.catalog import MANIFEST, Catalog, list_catalog
from task.contract.errors import FileError, UserError
from task.fitting import plan_on
from task.places import PROTOCOLS, STIMULI
from task.plan import Plan
from task.planning import USUAL_REFRESH_HZ
from task.protocol import Texts, read_protocol
from task.rigfile import RigFile
from task.schedule import Times, lasts

MINUTES = {"screening": 20, "imagery": 30}  # what is asked for, if not said
FEWEST_ITEMS = 6
_ITEMS = 8
_REPEATS = (4, 3, 2)  # the study's, and what is left of it in less time
_VIEWS_AND_CUES = ((4, 4), (3, 4), (2, 4), (2, 3))
_FEWER_CUES = ((2, 2), (1, 2))  # only where fewer items do not help either
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SCHEMA = "protocol.schema.json"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for.

    Attributes
    ----------
    task : "screening" or "imagery"
    stimuli : name of the set
    groups : those that a screening shows; none for all of them
    items : what is imagined, by id or by name; none to be proposed
    minutes : how long the patient has
    """

    task: str
    stimuli: str
    language: str
    minutes: float
    groups: tuple[str, ...] = ()
    items: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of everything; what the task does not have is not used."""

    repeats: int = 4
    per_group: int | None = None
    encode_views: int = 4
    cues_per_item: int = 4


@dataclass(frozen=True, slots=True)
class Made:
    """A protocol that was written, its session, and how long that takes."""

    path: Path
    plan: Plan
    lasts: Times


def place_of(name: str) -> Path:
    """Where a new protocol goes: a path as it is given, a mere name among the installation's.

    Raises
    ------
    UserError
        If it cannot be the name of a protocol, or is taken.
    """
    path = Path(name)
    given = path.suffix == ".toml" or path.parent != Path()
    path = path.with_suffix(".toml") if given else PROTOCOLS / f"{name}.toml"
    if not _NAME.fullmatch(path.stem):
        raise UserError(
            f"{path.stem!r} cannot be a protocol's name; take letters, digits, '-' and '_', at most"
            " 64"
        )
    if path.exists():
        raise UserError(f"{path} is there already; nothing was overwritten; take another name")
    if not path.parent.is_dir():
        raise UserError(f"{path.parent} is no folder; make it first, or give another place")
    return path


def sets_for(folder: Path) -> dict[str, Catalog]:
    """The stimulus sets that a protocol in a folder can name: the installation's, and its own.

    Raises
    ------
    StimulusError
        If a manifest cannot be read.
    UserError
        If there is none.
    """
    places = dict.fromkeys((STIMULI, folder))
    folders = [one for place in places for one in sorted(place.glob(f"*/{MANIFEST}"))]
    found: dict[str, Catalog] = {}
    for manifest in folders:
        if not manifest.parent.name.startswith("."):
            found.setdefault(manifest.parent.name, list_catalog(manifest.parent))
    if not found:
        raise UserError(f"no stimulus set in {STIMULI} or {folder}; `imagery setup` builds some")
    return found


def groups_of(catalog: Catalog) -> dict[str, int]:
    """Number of pictures by group."""
    groups: dict[str, int] = {}
    for picture in catalog.pictures.values():
        groups[picture.group] = groups.get(picture.group, 0) + 1
    return groups


def languages_of(catalog: Catalog) -> list[str]:
    """Languages in which every picture has a name."""
    pictures = list(catalog.pictures.values())
    known = dict.fromkeys(language for p in pictures for language in p.names)
    return [one for one in known if all(p.names.get(one) for p in pictures)]


def usual_items(catalog: Catalog) -> tuple[str, ...]:
    """Items to propose: those of `imagery_8` if the set has them, else some of every group."""
    shipped = PROTOCOLS / "imagery_8.toml"
    task = read_protocol(shipped).protocol.imagery if shipped.is_file() else None
    if task and all(item in catalog.pictures for item in task.items):
        return task.items
    groups: dict[str, list[str]] = {}
    for picture in catalog.pictures.values():
        groups.setdefault(picture.group, []).append(picture.id)
    rounds = range(max(map(len, groups.values())))
    taken = [ids[n] for n in rounds for ids in groups.values() if n < len(ids)]
    return tuple(taken[: min(_ITEMS, len(taken) // 2 * 2)])


def write_new(path: Path, wish: Wish, catalog: Catalog, rig: RigFile) -> Made:
    """Write the protocol with the most that fits the minutes; never over another file.

    Raises
    ------
    UserError
        If not even the least of it fits, or it cannot be written or shown.
    """
    named = len(wish.items)
    if wish.task == "imagery" and not named:
        wish = replace(wish, items=usual_items(catalog))
    partial = path.with_name(f"{path.name}.partial")
    shortest: Made | None = None
    try:
        for offer, amount in _offers(wish, catalog):
            try:
                partial.write_text(text_of(path, offer, amount, catalog), encoding="utf-8")
            except OSError as error:
                raise UserError(f"{path}: cannot be written: {error.strerror}") from None
            plan = _planned(partial, path, catalog, rig)
            made = Made(path, plan, lasts(plan))
            if made.lasts.usual_s <= 60 * wish.minutes:
                _put(partial, path)
                return made
            if shortest is None or made.lasts.usual_s < shortest.lasts.usual_s:
                shortest = made
    finally:
        partial.unlink(missing_ok=True)
    assert shortest
    needed = -(-shortest.lasts.usual_s // 60)
    raise UserError(
        f"{wish.minutes:g} minutes: even the shortest such session takes about {needed:.0f};"
        f" give --minutes {needed:.0f}" + (", or fewer items" if named > FEWEST_ITEMS else "")
    )


def _put(partial: Path, path: Path) -> None:
    """Give a file its name, unless somebody else has it by now."""
    if path.exists():
        raise UserError(f"{path} is there already; nothing was overwritten; take another name")
    partial.replace(path)


def _planned(partial: Path, path: Path, catalog: Catalog, rig: RigFile) -> Plan:
    """The session, as the real reader and planner have it; faults name the file as it will be."""
    try:
        rate = rig.screen.refresh_hz or USUAL_REFRESH_HZ[0]
        return plan_on(read_protocol(partial), catalog, rig, rate, 0)
    except UserError as error:
        raise UserError(str(error).replace(str(partial), str(path))) from None


def _offers(wish: Wish, catalog: Catalog) -> Iterator[tuple[Wish, Amount]]:
    """What may be proposed, the fullest session first."""
    if wish.task == "screening":
        yield from ((wish, Amount(repeats=repeats)) for repeats in _REPEATS)
        groups = groups_of(catalog)
        largest = max(groups.get(group, 0) for group in wish.groups or groups)
        for per_group in _fewer(largest):
            yield wish, Amount(repeats=_REPEATS[-1], per_group=per_group)
        return
    if wish.items != usual_items(catalog):  # items that somebody named are not left out
        numbers = [len(wish.items)]
    else:
        numbers = list(range(len(wish.items), FEWEST_ITEMS - 1, -2)) or [len(wish.items)]
    for amounts in (_VIEWS_AND_CUES, _FEWER_CUES):
        for number in numbers:
            for views, cues in amounts:
                amount = Amount(encode_views=views, cues_per_item=cues)
                yield replace(wish, items=wish.items[:number]), amount


def _fewer(most: int) -> Iterator[int]:
    """Fewer and fewer, by about a tenth."""
    while most > 2:
        most = min(most - 1, most * 9 // 10)
        yield most


# The file -------------------------------------------------------------------------------------


def text_of(path: Path, wish: Wish, amount: Amount, catalog: Catalog) -> str:
    """A protocol file."""
    task = _screening(wish, amount) if wish.task == "screening" else _imagery(wish, amount, catalog)
    lines = [
        f"#:schema {_schema_from(path)}",
        f"# Made by `imagery new` for {wish.minutes:g} minutes. The rest is as in the study;",
        "# docs/protocol.md has all settings. After a change, this says what it comes to:",
        f"# imagery check {_said(path)}",
        "schema = 1",
        f"name = {_quoted(path.stem)}",
        f"stimuli = {_quoted(wish.stimuli)}",
        f"language = {_quoted(wish.language)}           # of what the patient reads",
        "",
        *task,
        "",
        *_texts(wish),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _screening(wish: Wish, amount: Amount) -> Iterator[str]:
    if wish.groups or amount.per_group:
        yield "[pictures]"
        if wish.groups:
            yield f"groups = {_list(wish.groups)}"
        if amount.per_group:
            yield f"per_group = {amount.per_group:<13} # of each group, drawn anew for each session"
        yield ""
    yield "[screening]"
    yield f"repeats = {amount.repeats:<15} # showings of each picture (the study: 4)"
    yield "image_s = 0.2667          # picture on screen, seconds"
    yield "blank_s = 0.1333          # empty screen after it"
    yield "break_s = 120.0           # longest break after each repeat; any key ends it"


def _imagery(wish: Wish, amount: Amount, catalog: Catalog) -> Iterator[str]:
    yield "[imagery]"
    yield f"items = {_list(wish.items)}"
    yield 'cue = "word"              # or "picture", "tone", "sound"'
    yield f"encode_views = {amount.encode_views:<10} # views of an item in a block (the study: 4)"
    yield f"cues_per_item = {amount.cues_per_item:<9} # times it is imagined then (the study: 4)"
    yield "imagine_s = 5.0           # blank screen to imagine on, seconds"
    yield "rating_s = 5.0            # longest time to rate vividness; 0 for no rating"


def _texts(wish: Wish) -> Iterator[str]:
    """What the patient reads: as a shipped protocol of the language has it, or to be translated."""
    if wish.language == "en":
        return
    known = _known_texts(wish.language)
    if known:
        yield "[texts]                   # what the patient reads"
        yield from (f"{name} = {_quoted(value)}" for name, value in known.items())
        return
    yield "# What the patient reads is still English. Write it in the patient's language and take"
    yield "# the # away."
    yield "# [texts]"
    for name in _needed(wish.task):
        yield f"# {name} = {_quoted(Texts.model_fields[name].default)}"


def _needed(task: str) -> tuple[str, ...]:
    if task == "screening":
        return ("screening", "pause", "end")
    rating = ("rating", "rating_low", "rating_high")
    return ("imagery", "pause", "search", "yes", "no", *rating, "end")


def _known_texts(language: str) -> dict[str, str]:
    """The texts of a shipped protocol in a language."""
    for path in sorted(PROTOCOLS.glob("*.toml")):
        try:
            protocol = read_protocol(path).protocol
        except FileError:
            continue  # somebody is at work on it
        given = protocol.texts.model_dump(exclude_unset=True)
        texts = {name: value for name, value in given.items() if isinstance(value, str)}
        if protocol.language == language and texts:
            return texts
    return {}


def _schema_from(path: Path) -> str:
    """Where an editor finds the schema, seen from the file."""
    folder = path.resolve().parent
    try:
        relative = Path(os.path.relpath(PROTOCOLS / _SCHEMA, folder)).as_posix()
    except ValueError:  # on another drive
        return (PROTOCOLS / _SCHEMA).as_uri()
    return relative if relative.startswith(".") else f"./{relative}"


def _said(path: Path) -> str:
    """How commands call it."""
    return path.stem if path.parent == PROTOCOLS else path.as_posix()


def _quoted(text: str) -> str:
    """A text as TOML has it; JSON's quotes are TOML's, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _list(names: Sequence[str]) -> str:
    whole = f"[{', '.join(map(_quoted, names))}]"
    if len(whole) <= 88:
        return whole
    lines = [""]
    for name in map(_quoted, names):
        if len(lines[-1]) + len(name) > 90:
            lines.append("")
        lines[-1] += f"{name}, "
    return "[\n" + "".join(f"    {line.rstrip()}\n" for line in lines) + "]"
