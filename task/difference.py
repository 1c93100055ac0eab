"""What changed between two protocols, in words: setting by setting, and what that means for the
session.

Settings are compared as they count: one that a file leaves out has its default.  Sessions are
compared as plans, so that nothing that the patient sees, and no code, can change unsaid.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from task.contract.catalog import Picture, list_catalog
from task.contract.errors import UserError
from task.contract.sessionlog import Kind
from task.fitting import plan_on, plans_on
from task.frames import count
from task.places import find_protocol, set_folder
from task.plan import Plan
from task.protocol import Protocol, read_protocol
from task.rigfile import RigFile, read_rig
from task.schedule import Times, lasts
from task.session import PLAN_NAME, PROTOCOL_NAME, RIG_NAME, read_session

_UNITS = {"_s": " s", "_deg": " degrees", "_hz": " Hz"}
_NAMED_BY = ("id", "name", "text")  # what tells tables of a list apart
_LONG = 48
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared: a protocol, its session, and the pictures of its set."""

    name: str
    protocol: Protocol
    plan: Plan
    pictures: Mapping[str, Picture]


@dataclass(frozen=True, slots=True)
class Difference:
    """Sentences on the settings and on the session; none where nothing changed."""

    settings: tuple[str, ...]
    session: tuple[str, ...]

    @property
    def any(self) -> bool:
        """Whether there is a difference."""
        return bool(self.settings or self.session)


def difference(old: Side, new: Side) -> Difference:
    """What changed from one protocol to another."""
    return Difference(
        tuple(settings_changes(old.protocol, new.protocol)), tuple(_session_changes(old, new))
    )


# Reading --------------------------------------------------------------------------------------


def read_sides(
    first: str, second: str, rig: RigFile, refresh_hz: float | None = None
) -> tuple[Side, Side]:
    """Two protocols, each a file, the name of a shipped one, or a session folder.

    A session has its plan.  A protocol beside one is planned as for it: same seed, same refresh
    rate, same rig.

    Raises
    ------
    UserError
        If one cannot be read, or cannot be shown.
    """
    folders = [Path(name) for name in (first, second)]
    sessions = [_session(folder) if folder.is_dir() else None for folder in folders]
    like = next(filter(None, sessions), None)
    if like:
        kept = next(f for f in folders if f.is_dir()) / RIG_NAME
        rig = read_rig(kept) if kept.is_file() else rig
        rate, seed = like.plan.refresh_hz, like.plan.seed
    else:
        rate, seed = refresh_hz or _common_rate((first, second), rig), 0
    sides = [
        session or _planned(name, rig, rate, seed)
        for name, session in zip((first, second), sessions, strict=True)
    ]
    return sides[0], sides[1]


def _session(folder: Path) -> Side:
    if not (folder / PLAN_NAME).is_file():
        raise UserError(f"{folder}: is no session folder: it has no {PLAN_NAME}")
    protocol = read_protocol(folder / PROTOCOL_NAME).protocol
    plan, _ = read_session(folder)
    return Side(str(folder), protocol, plan, list_catalog(folder).pictures)


def _planned(name: str, rig: RigFile, refresh_hz: float, seed: int) -> Side:
    file = read_protocol(find_protocol(name))
    catalog = list_catalog(set_folder(file))
    plan = plan_on(file, catalog, rig, refresh_hz, seed, fonts=False)
    return Side(str(file.source.file), file.protocol, plan, catalog.pictures)


def _common_rate(names: Sequence[str], rig: RigFile) -> float:
    """The first usual refresh rate at which both can be shown."""
    found = []
    for name in names:
        file = read_protocol(find_protocol(name))
        plans = plans_on(file, list_catalog(set_folder(file)), rig)
        found.append(plans)
    for hz in found[0]:
        if all(isinstance(plans[hz], Plan) for plans in found):
            return hz
    raise UserError(
        f"{names[0]} and {names[1]} cannot be shown at the same refresh rate; say one: --refresh 60"
    )


# Settings -------------------------------------------------------------------------------------


def settings_changes(old: Protocol, new: Protocol) -> Iterator[str]:
    """Every setting that counts otherwise, as people write it, old and new."""
    yield from _changes("", _dumped(old), _dumped(new))


def _dumped(protocol: Protocol) -> dict[str, Any]:
    return protocol.model_dump(by_alias=True)


def _changes(key: str, old: Any, new: Any) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys((*old, *new)):
            yield from _changes(_under(key, name), old.get(name), new.get(name))
    elif _of_tables(old) and _of_tables(new):
        yield from _changes(key, _by_name(old), _by_name(new))
    elif isinstance(old, Mapping) or isinstance(new, Mapping):
        yield _whole(key, old, new)
    elif isinstance(old, tuple) and isinstance(new, tuple) and (len(old) > 2 or len(new) > 2):
        yield f"{key}: {_list_change(old, new)}"
    else:
        before, after = _apart(_value(key, old), _value(key, new))
        yield f"{key}: {before} → {after}"


def _under(key: str, name: str) -> str:
    plain = name.replace("_", "").replace("-", "").isalnum()
    return f"{key}.{name}".lstrip(".") if plain else f"{key}[{name!r}]"


def _of_tables(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(one, Mapping) for one in value)


def _by_name(tables: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Tables of a list by what tells them apart; by their place where nothing does."""
    for key in _NAMED_BY:
        names = [table.get(key) for table in tables]
        if tables and None not in names and len(set(names)) == len(names):
            return dict(zip(map(str, names), tables, strict=True))
    return {str(n): table for n, table in enumerate(tables, start=1)}


def _whole(key: str, old: Any, new: Any) -> str:
    """A table that came or went."""
    table, verb = (new, "is new") if old is None else (old, "is gone")
    said = [
        f"{name} {_value(name, value)}" for name, value in table.items() if value not in _NOTHING
    ]
    return f"[{key}] {verb}: {', '.join(said)}" if said else f"[{key}] {verb}"


_NOTHING: tuple[object, ...] = (None, (), "", {})


def _list_change(old: Sequence[Any], new: Sequence[Any]) -> str:
    gone = [str(one) for one in old if one not in new]
    come = [str(one) for one in new if one not in old]
    said = []
    if gone:
        said.append(f"without {_some(gone)}")
    if come:
        said.append(f"with {_some(come)}")
    return "; ".join(said) or "in another order"


def _some(names: Sequence[str]) -> str:
    left = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {left} more" if left > 0 else "")


def _value(key: str, value: Any) -> str:
    """A value as in a protocol, with its unit."""
    if value is None or value == ():
        return "not said"
    if isinstance(value, bool):
        return str(value).lower()
    unit = next((unit for end, unit in _UNITS.items() if key.endswith(end)), "")
    if isinstance(value, int | float):
        return f"{value:g}{unit}"
    if _of_tables(value):
        return _some([_plain(name) for name in _by_name(value)])
    if isinstance(value, tuple):
        return f"{' and '.join(_plain(one) for one in value)}{unit}"
    return _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, int | float):
        return f"{value:g}"
    return json.dumps(value, ensure_ascii=False, default=str)


def _apart(old: str, new: str) -> tuple[str, str]:
    """Two values, long ones from shortly before the place where they part."""
    if max(len(old), len(new)) <= _LONG:
        return old, new
    same = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
    begin = max(0, same - 10)
    return _cut(old, begin), _cut(new, begin)


def _cut(text: str, begin: int) -> str:
    end = begin + _LONG
    return ("…" if begin else "") + text[begin:end] + ("…" if end < len(text) else "")


# The session ----------------------------------------------------------------------------------


def _session_changes(old: Side, new: Side) -> Iterator[str]:
    if old.plan.text == new.plan.text and not _redrawn(old, new):
        return
    for said in (_conditions, _durations, _trials, _pictures, _order, _codes, _notes):
        yield from said(old, new)


def _conditions(old: Side, new: Side) -> Iterator[str]:
    """What both plans are made for."""
    about: tuple[tuple[str, Callable[[Plan], object]], ...] = (
        ("refresh rate", lambda plan: f"{plan.refresh_hz:g} Hz"),
        ("codes at least apart", lambda plan: count(plan.spacing_frames, "frame")),
        ("seed", lambda plan: plan.seed),
        ("stimulus set", lambda plan: plan.stimuli),
        ("numbered on the lines", lambda plan: "yes" if plan.announced else "no"),
    )
    for what, said in about:
        before, after = said(old.plan), said(new.plan)
        if before != after:
            yield f"{what}: {before} → {after}"


def _durations(old: Side, new: Side) -> Iterator[str]:
    before, after = lasts(old.plan), lasts(new.plan)
    if before != after:
        more = _signed(after.usual_s - before.usual_s)
        yield f"duration: {_minutes(before)} → {_minutes(after)}: {more} as a rule"


def _minutes(times: Times) -> str:
    least, usual, longest = (f"{seconds / 60:.1f}" for seconds in times)
    return f"{usual} min ({least} to {longest})"


def _signed(seconds: float) -> str:
    if abs(seconds) < 0.05:
        return "the same"
    size = f"{abs(seconds) / 60:.1f} min" if abs(seconds) >= 60 else f"{abs(seconds):.1f} s"
    return f"{size} {'more' if seconds > 0 else 'less'}"


def _trials(old: Side, new: Side) -> Iterator[str]:
    if len(old.plan.blocks) != len(new.plan.blocks):
        yield f"blocks: {len(old.plan.blocks)} → {len(new.plan.blocks)}"
    before, after = _kinds(old.plan), _kinds(new.plan)
    changed = [
        f"{before[kind]} → {after[kind]} {kind}"
        for kind in dict.fromkeys((*before, *after))
        if before[kind] != after[kind]
    ]
    if changed:
        yield f"trials: {old.plan.trials} → {new.plan.trials}: {', '.join(changed)}"


def _kinds(plan: Plan) -> Counter[str]:
    return Counter(trial.kind.value for block in plan.blocks for trial in block.trials)


def _pictures(old: Side, new: Side) -> Iterator[str]:
    before, after = old.plan.picture_ids, new.plan.picture_ids
    gone = [i for i in before if i not in set(after)]
    come = [i for i in after if i not in set(before)]
    if gone or come:
        yield f"pictures: {len(before)} → {len(after)}"
    if gone:
        yield f"{count(len(gone), 'picture')} no longer shown: {_some(gone)}"
    if come:
        yield f"{count(len(come), 'picture')} shown only now: {_some(come)}"
    if redrawn := _redrawn(old, new):
        yield f"{count(len(redrawn), 'picture')} now from another file: {_some(redrawn)}"


def _redrawn(old: Side, new: Side) -> list[str]:
    """Pictures of both sessions whose files differ."""
    both = [i for i in old.plan.picture_ids if i in set(new.plan.picture_ids)]
    return [i for i in both if old.pictures[i].sha256 != new.pictures[i].sha256]


def _order(old: Side, new: Side) -> Iterator[str]:
    """Whether the pictures that both show come in the same order."""
    before, after = _sequence(old.plan), _sequence(new.plan)
    both = Counter(before) & Counter(after)
    if not both or old.plan.blocks == new.plan.blocks:
        return
    same = _common(before, both) == _common(after, both)
    which = "pictures" if {*before} == {*after} else "pictures of both"
    yield f"order: {which} come in {'the same' if same else 'another'} order"


def _sequence(plan: Plan) -> list[tuple[str, str]]:
    """Which pictures are seen and imagined, in order; what is read, asked and practised is not."""
    return [
        (trial.kind.value, trial.item)
        for block in plan.blocks
        for trial in block.trials
        if trial.item and trial.kind not in (Kind.TEXT, Kind.PRACTICE, Kind.QUESTION)
    ]


def _common(
    sequence: Sequence[tuple[str, str]], both: Counter[tuple[str, str]]
) -> list[tuple[str, str]]:
    left = both.copy()
    kept = []
    for trial in sequence:
        if left[trial] > 0:
            left[trial] -= 1
            kept.append(trial)
    return kept


def _codes(old: Side, new: Side) -> Iterator[str]:
    changed = [
        f"{name} {value} → {new.plan.codes[name]}"
        for name, value in old.plan.codes.items()
        if name in new.plan.codes and new.plan.codes[name] != value
    ]
    if changed:
        yield f"codes: {', '.join(changed)}"
    before, after = _sent(old.plan), _sent(new.plan)
    for what, names, plan in (
        ("codes no longer sent", before - after, old.plan),
        ("codes sent only now", after - before, new.plan),
    ):
        if names:
            yield f"{what}: {', '.join(f'{n} {plan.codes[n]}' for n in sorted(names))}"


def _sent(plan: Plan) -> set[str]:
    return {step.code for step in plan.steps}


def _notes(old: Side, new: Side) -> Iterator[str]:
    yield from (f"no longer: {note}" for note in old.plan.warnings if note not in new.plan.warnings)
    yield from (f"new: {note}" for note in new.plan.warnings if note not in old.plan.warnings)
