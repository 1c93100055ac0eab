"""From a protocol to the exact frames of a session.  Pure: no clock, no screen, no disk.

Order comes from `random.Random(seed).random()`, the one method whose sequence Python promises to
keep across versions; the plan is saved with the session all the same.
"""

import random
from collections.abc import Mapping, Sequence

from task.contract.catalog import Catalog
from task.contract.codes import CODE_TABLE, MAX_PRESENTATION, announce_presentation
from task.contract.errors import FileError, PlanError
from task.contract.settings import KeyPath, did_you_mean
from task.flicker import check_flashes
from task.frames import Frames, count
from task.imagining import imagery_blocks
from task.order import shuffled
from task.plan import Block, PictureItem, Plan
from task.protocol import Protocol, ProtocolFile
from task.published import warning
from task.screening import check_questions, screening_blocks
from task.trials import after, before

USUAL_REFRESH_HZ = (60.0, 75.0, 120.0, 144.0)  # what `check` reports if no rate is said
_SOONEST_NEXT_CUE_S = 1.5


def plan_file(
    file: ProtocolFile,
    catalog: Catalog,
    *,
    seed: int,
    refresh_hz: float,
    spacing_frames: int,
    at_once: int | None = None,
) -> Plan:
    """The plan of a protocol file; faults name the file's lines.

    Raises
    ------
    FileError
        With everything that keeps the protocol from being shown.
    """
    try:
        return make_plan(
            file.protocol,
            catalog,
            seed=seed,
            refresh_hz=refresh_hz,
            spacing_frames=spacing_frames,
            at_once=at_once,
        )
    except PlanError as error:
        faults = [file.source.fault(path, what) for path, what in error.faults]
        raise FileError(sorted(faults, key=lambda fault: fault.line or 0)) from None


def make_plan(
    protocol: Protocol,
    catalog: Catalog,
    *,
    seed: int,
    refresh_hz: float,
    spacing_frames: int,
    at_once: int | None = None,
) -> Plan:
    """The same arguments always give the same plan, on every machine.

    Parameters
    ----------
    seed : of every random choice; the protocol's own seed goes before it
    refresh_hz : of the display
    spacing_frames : from one code's onset to the next, at least: the device's pulse and gap
    at_once : most pictures that the display can hold ready; any number if not said

    Raises
    ------
    PlanError
        With everything that keeps the protocol from being shown.
    """
    seed = protocol.seed if protocol.seed is not None else seed
    faults: list[tuple[KeyPath, str]] = []
    codes = _codes(protocol, faults)
    frames = Frames(refresh_hz, protocol.round_to_frames, spacing_frames, faults)
    rng = random.Random(seed)
    if protocol.screening:
        pictures = _chosen(protocol, catalog, rng, faults)
        check_questions(protocol, catalog, faults)
        task = screening_blocks(protocol, catalog, pictures, rng, frames, at_once)
    else:
        pictures = _items(protocol, catalog, faults)
        task = imagery_blocks(protocol, catalog, pictures, rng, frames)
    _check_practice(protocol, catalog, pictures, faults)
    blocks = [*before(protocol, frames), *task, *after(protocol, frames)]
    _check_codes_fit(protocol, blocks, spacing_frames, faults)
    check_flashes(blocks, refresh_hz, protocol.safety, faults)
    if sum(len(block.trials) for block in blocks) >= MAX_PRESENTATION:
        path = ("screening", "repeats") if protocol.screening else ("imagery", "items")
        faults.append((path, f"more than {MAX_PRESENTATION - 1} trials; make two sessions of it"))
    if faults:
        raise PlanError(faults)
    return Plan(
        name=protocol.name,
        refresh_hz=refresh_hz,
        seed=seed,
        spacing_frames=spacing_frames,
        codes=codes,
        stimuli=protocol.stimuli,
        blocks=tuple(blocks),
        picture_ids=_shown(blocks, catalog),
        banner=protocol.banner,
        theme=protocol.look.theme,
        interrupted=protocol.interruptions.trial,
        triggers_lost=protocol.interruptions.triggers,
        safety=protocol.safety.model_dump() if protocol.safety else None,
        warnings=tuple(_warnings(protocol, codes)),
    )


def _shown(blocks: Sequence[Block], catalog: Catalog) -> tuple[str, ...]:
    """Every picture on any screen, in the order of the set."""
    steps = (step for block in blocks for trial in block.trials for step in trial.steps)
    items = (item for step in steps for item in step.screen)
    used = {item.picture for item in items if isinstance(item, PictureItem)}
    return tuple(i for i in catalog.pictures if i in used)


def _check_practice(
    protocol: Protocol,
    catalog: Catalog,
    pictures: Sequence[str],
    faults: list[tuple[KeyPath, str]],
) -> None:
    if not protocol.practice:
        return
    path = ("practice", "pictures")
    _known(path, protocol.practice.pictures, catalog, faults)
    if both := [i for i in protocol.practice.pictures if i in pictures]:
        faults.append(
            (
                path,
                f"{', '.join(both)} shown in the session too; practise with other pictures, or"
                " exclude these from the session",
            )
        )


# Pictures and codes --------------------------------------------------------------------------


def _chosen(
    protocol: Protocol, catalog: Catalog, rng: random.Random, faults: list[tuple[KeyPath, str]]
) -> list[str]:
    chosen = protocol.pictures
    groups = list(dict.fromkeys(p.group for p in catalog.pictures.values()))
    for group in chosen.groups:
        if group not in groups:
            hint = did_you_mean(group, groups) or f"; it has {', '.join(groups)}"
            faults.append((("pictures", "groups"), f"no group {group!r} in the set{hint}"))
    _known(("pictures", "ids"), chosen.ids, catalog, faults)
    _known(("pictures", "exclude"), chosen.exclude, catalog, faults)
    if chosen.ids:
        pool = [i for i in chosen.ids if i in catalog.pictures]
    else:
        wanted = chosen.groups or groups
        pool = [p.id for p in catalog.pictures.values() if p.group in wanted]
    pool = [i for i in pool if i not in chosen.exclude]
    if chosen.per_group:
        pool = _sample_groups(pool, chosen.per_group, catalog, rng)
    if len(pool) < 2 and not faults:
        faults.append((("pictures",), f"{count(len(pool), 'picture')} left; choose at least two"))
    return pool


def _sample_groups(
    pool: Sequence[str], per_group: int, catalog: Catalog, rng: random.Random
) -> list[str]:
    kept: set[str] = set()
    for group in dict.fromkeys(catalog.pictures[i].group for i in pool):
        members = [i for i in pool if catalog.pictures[i].group == group]
        kept.update(shuffled(members, rng)[:per_group])
    return [i for i in pool if i in kept]


def _items(protocol: Protocol, catalog: Catalog, faults: list[tuple[KeyPath, str]]) -> list[str]:
    task = protocol.imagery
    assert task
    path = ("imagery", "items" if task.items else "design")
    _known(path, task.item_ids, catalog, faults)
    words = task.words
    for item in task.item_ids if "word" in task.cue else ():
        picture = catalog.pictures.get(item)
        if picture and item not in words and protocol.language not in picture.names:
            faults.append(
                (
                    path,
                    f"{item} has no name in language {protocol.language!r};"
                    f' give its cue word: [imagery.words] {item} = "..."',
                )
            )
    return list(task.item_ids)


def _known(
    path: KeyPath, ids: Sequence[str], catalog: Catalog, faults: list[tuple[KeyPath, str]]
) -> None:
    for item in ids:
        if item not in catalog.pictures:
            hint = did_you_mean(item, catalog.pictures)
            faults.append((path, f"no picture {item!r} in set {catalog.name!r}{hint}"))


def _codes(protocol: Protocol, faults: list[tuple[KeyPath, str]]) -> dict[str, int]:
    table = dict(CODE_TABLE)
    own: dict[str, str] = {}
    for name, value in protocol.codes.items():
        if name.upper() in own:
            faults.append((("codes", name), f"is {own[name.upper()]} again; give each code once"))
        elif name.upper() in table:
            own[name.upper()] = name
            table[name.upper()] = value
        else:
            hint = did_you_mean(name.upper(), table).lower() or f"; known: {', '.join(table)}"
            faults.append((("codes", name), f"no such code{hint}"))
    by_value: dict[int, list[str]] = {}
    for name, value in table.items():
        by_value.setdefault(value, []).append(name)
    for value, names in by_value.items():
        for name in names if len(names) > 1 else ():
            if name in own:
                others = ", ".join(n for n in names if n != name)
                faults.append((("codes", own[name]), f"{value} is also {others}; one value each"))
    return table


def _warnings(protocol: Protocol, codes: Mapping[str, int]) -> list[str]:
    task = protocol.imagery
    said = [warning(task.design)] if task and task.design else []
    if task and task.eyes_closed and task.rating_s and task.after_s < _SOONEST_NEXT_CUE_S:
        said.append(
            "eyes closed, with a rating after each: the patient opens the eyes to rate and must"
            f" close them again; make imagery.after_s at least {_SOONEST_NEXT_CUE_S:g}, or"
            " rating_s 0"
        )
    return said + _warnings_of_codes(codes)


def _warnings_of_codes(codes: Mapping[str, int]) -> list[str]:
    changed = {name: value for name, value in codes.items() if value != CODE_TABLE[name]}
    said = []
    payload = [f"{n} = {v}" for n, v in changed.items() if v >= 128]
    if payload:
        said.append(
            f"{', '.join(payload)}: values from 128 on are payload; sessions and presentations"
            " are not announced on the lines, so a lost log cannot be rebuilt from the recording"
        )
    odd = [f"{n} = {v}" for n, v in changed.items() if v.bit_count() % 2]
    if odd:
        said.append(
            f"{', '.join(odd)}: an odd number of lines; one dead line can turn it into another code"
        )
    return said


# What a session must keep --------------------------------------------------------------------

_IDENTITY_CODES = 1 + len(announce_presentation(0, 0))
_LENGTH_KEYS: Mapping[str, KeyPath] = {
    "IMAGE_ON": ("screening", "image_s"),
    "IMAGE_OFF": ("screening", "blank_s"),
    "ENCODE_ON": ("imagery", "encode_s"),
    "ENCODE_OFF": ("imagery", "encode_blank_s"),
    "BASELINE_ON": ("imagery", "baseline_s"),
    "CUE_ON": ("imagery", "cue_s"),
    "IMAGERY_ON": ("imagery", "imagine_s"),
    "IMAGERY_OFF": ("imagery", "after_s"),
    "QUESTION_OFF": ("screening", "catch", "after_s"),
}


def _check_codes_fit(
    protocol: Protocol,
    blocks: Sequence[Block],
    spacing_frames: int,
    faults: list[tuple[KeyPath, str]],
) -> None:
    said: set[str] = set()
    payload_free = all(value < 128 for value in protocol.codes.values())
    for trial in (t for b in blocks for t in b.trials):
        for position, step in enumerate(trial.steps):
            codes = _IDENTITY_CODES if position == 0 and payload_free else 1
            path = _LENGTH_KEYS.get(step.code)
            needed = codes * spacing_frames
            if path and step.frames < needed and step.code not in said:
                said.add(step.code)
                faults.append(
                    (
                        path,
                        f"{count(step.frames, 'frame')} cannot hold"
                        f" {count(codes, 'trigger code')}, each of {spacing_frames} frames;"
                        f" at least {needed} frames are needed",
                    )
                )
