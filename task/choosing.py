"""Which pictures of a set a protocol means, and which of them a session shows.

Wherever a protocol lists pictures, it may name one by its id or by what people call it (`red car`),
several by a pattern of ids (`face_*`), a group (`group:animal`) or a tag (`tag:indoor`).
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from task.contract.catalog import Catalog
from task.contract.settings import KeyPath, did_you_mean
from task.frames import count
from task.order import shuffled
from task.protocol import Faults, Imagery, Pictures, Practice, Protocol, Screening

_WILD = "*?["
_SHOWN = 5  # ids that a message names
_PAIRS: KeyPath = ("imagery", "pairs")


def with_ids(protocol: Protocol, catalog: Catalog, faults: Faults) -> Protocol:
    """The protocol with ids wherever it names pictures; what names none is a fault."""
    names = _Names(catalog, protocol.language, faults)
    changed = {
        "pictures": _pictures(protocol.pictures, ("pictures",), names),
        "practice": protocol.practice and _practice(protocol.practice, names),
        "screening": protocol.screening and _screening(protocol.screening, names),
        "imagery": protocol.imagery and _imagery(protocol.imagery, names),
    }
    return protocol.model_copy(update=changed)


def pool_of(chosen: Pictures, catalog: Catalog) -> list[str]:
    """The pictures that a screening may show, whatever its seed."""
    pictures = catalog.pictures
    ids = chosen.ids or [
        p.id for p in pictures.values() if not chosen.groups or p.group in chosen.groups
    ]
    return [i for i in ids if i not in chosen.exclude and i in pictures]


def drawn(
    chosen: Pictures,
    path: KeyPath,
    catalog: Catalog,
    pool: Sequence[str],
    rng: random.Random,
    faults: Faults,
) -> list[str]:
    """Those of the pool that this session shows."""
    shown = list(pool)
    if chosen.per_group or chosen.of_group:
        shown = _of_groups(pool, chosen, (*path, "of_group"), catalog, rng, faults)
    if len(shown) < 2 and not faults:
        faults.append((path, f"{count(len(shown), 'picture')} left; choose at least two"))
    return shown


def _of_groups(
    pool: Sequence[str],
    chosen: Pictures,
    path: KeyPath,
    catalog: Catalog,
    rng: random.Random,
    faults: Faults,
) -> list[str]:
    kept: set[str] = set()
    groups = list(dict.fromkeys(catalog.pictures[i].group for i in pool))
    for group in chosen.of_group:
        if group not in groups:
            hint = did_you_mean(group, groups) or f"; there are {', '.join(groups)}"
            faults.append(((*path, group), f"no group {group!r} to choose from{hint}"))
    for group in groups:
        members = [i for i in pool if catalog.pictures[i].group == group]
        wanted = chosen.per_group or chosen.of_group.get(group, 0)
        if group in chosen.of_group and wanted > len(members):
            what = f"asks for {wanted} pictures, there are {len(members)}"
            faults.append(((*path, group), what))
        kept.update(shuffled(members, rng)[:wanted])
    return [i for i in pool if i in kept]


class _Names:
    """The pictures of a set by all that they may be called; collects the names that mean none."""

    def __init__(self, catalog: Catalog, language: str, faults: Faults) -> None:
        self._catalog, self._faults = catalog, faults
        self._groups = list(dict.fromkeys(p.group for p in catalog.pictures.values()))
        self._tags = sorted({tag for p in catalog.pictures.values() for tag in p.tags})
        self._called: dict[str, list[str]] = {}
        for picture in catalog.pictures.values():
            said = {picture.names.get(of, "").casefold() for of in ("en", language)} - {""}
            for name in said:
                self._called.setdefault(name, []).append(picture.id)

    def ids(self, path: KeyPath, names: Sequence[str]) -> tuple[str, ...]:
        """The pictures of a list, each once; the list stands under `path`.

        A name that means none keeps its place, so that nobody is told of a list that is too short.
        """
        found: list[str] = []
        named: set[str] = set()  # each by itself, not by a pattern or a group
        for n, name in enumerate(names):
            meant = self.known((*path, n), name) or [name]
            if not self._is_many(name):
                if meant[0] in named:
                    what = f"{name!r} is {meant[0]}, which stands here already; name each once"
                    self._faults.append(((*path, n), what))
                named.update(meant)
            found += meant
        return tuple(dict.fromkeys(found))

    def single(self, path: KeyPath, name: str) -> str:
        """The one picture that a name means."""
        found = self.known(path, name)
        if len(found) > 1 and name.casefold() not in self._called:
            self._faults.append((path, f"{name!r} means {len(found)} pictures; name one"))
        return found[0] if found else name

    def pair(self, path: KeyPath, names: tuple[str, str]) -> tuple[str, str]:
        """Two different pictures."""
        first, second = (self.single(path, name) for name in names)
        if first == second:
            what = f"{first} paired with itself; a block needs two items"
            self._faults.append((path, what))
        return first, second

    def keys(self, path: KeyPath, given: Mapping[str, str]) -> dict[str, str]:
        """A table by picture, by ids; keys that mean no picture stay for others to judge."""
        found: dict[str, str] = {}
        for name, value in given.items():
            picture = (self._one(name) or [name])[0]
            if picture in found:
                what = f"is {picture}, which has a row of its own here; give it once"
                self._faults.append(((*path, name), what))
            found.setdefault(picture, value)
        return found

    def groups(self, path: KeyPath, names: Iterable[str]) -> None:
        """Find groups that the set does not have."""
        for name in names:
            if name not in self._groups:
                self._faults.append((path, self._unknown(f"group:{name}")))

    def ids_or_groups(self, path: KeyPath, names: Sequence[str]) -> tuple[str, ...]:
        """A list in which groups may stand by their bare names."""
        found: list[str] = []
        for n, name in enumerate(names):
            if name in self._groups:
                found.append(name)
            else:
                found += self.known((*path, n), name, self._groups)
        return tuple(dict.fromkeys(found))

    def known(self, path: KeyPath, name: str, or_groups: Sequence[str] = ()) -> Sequence[str]:
        """The pictures that a name, a pattern, a group or a tag means."""
        found = self._one(name) or self._several(name)
        if len(found) > 1 and name.casefold() in self._called:
            named = ", ".join(found[:_SHOWN])
            what = f"{len(found)} pictures are called {name!r}: {named}; give the id of one"
            self._faults.append((path, what))
        elif not found:
            self._faults.append((path, self._unknown(name, or_groups)))
        return found

    def _one(self, name: str) -> Sequence[str]:
        """Pictures of that id or that name."""
        return [name] if name in self._catalog.pictures else self._called.get(name.casefold(), [])

    def _is_many(self, name: str) -> bool:
        """Whether a name asks for whatever number of pictures fit."""
        return ":" in name or any(sign in name for sign in _WILD)

    def _several(self, name: str) -> Sequence[str]:
        kind, _, which = name.partition(":")
        pictures = self._catalog.pictures.values()
        if kind == "group":
            return [p.id for p in pictures if p.group == which]
        if kind == "tag":
            return [p.id for p in pictures if which in p.tags]
        if any(sign in name for sign in _WILD):
            return [p.id for p in pictures if fnmatchcase(p.id, name)]
        return []

    def _unknown(self, name: str, or_groups: Sequence[str] = ()) -> str:
        of = f"in set {self._catalog.name!r}"
        kind, _, which = name.partition(":")
        if kind in ("group", "tag") and which:
            known = self._groups if kind == "group" else self._tags
            listed = f"; it has {', '.join(known)}" if known else "; it has none"
            return f"no {kind} {which!r} {of}{did_you_mean(which, known) or listed}"
        if any(sign in name for sign in _WILD):
            return f"no picture {of} has an id like {name!r}"
        what = "picture or group" if or_groups else "picture"
        known = [*or_groups, *self._catalog.pictures, *self._called]
        if name in self._groups:
            return f"no {what} {name!r} {of}; for all pictures of that group write 'group:{name}'"
        return f"no {what} {name!r} {of}{did_you_mean(name.strip(), known)}"


def _pictures(of: Pictures, path: KeyPath, names: _Names) -> Pictures:
    names.groups((*path, "groups"), of.groups)
    return of.model_copy(
        update={key: names.ids((*path, key), getattr(of, key)) for key in ("ids", "exclude")}
    )


def _practice(of: Practice, names: _Names) -> Practice:
    return of.model_copy(update={"pictures": names.ids(("practice", "pictures"), of.pictures)})


def _screening(of: Screening, names: _Names) -> Screening:
    parts = tuple(
        part.model_copy(
            update={
                "pictures": part.pictures
                and _pictures(part.pictures, ("screening", "part", n, "pictures"), names)
            }
        )
        for n, part in enumerate(of.part)
    )
    of = of.model_copy(update={"part": parts})
    if not of.catch:
        return of
    questions = []
    for n, question in enumerate(of.catch.question):
        path: KeyPath = ("screening", "catch", "question", n)
        names.groups((*path, "yes_groups"), question.yes_groups)
        ids = {k: names.ids((*path, k), getattr(question, k)) for k in ("yes_ids", "no_ids")}
        not_about = names.ids_or_groups((*path, "not_about"), question.not_about)
        questions.append(question.model_copy(update={**ids, "not_about": not_about}))
    catch = of.catch.model_copy(update={"question": tuple(questions)})
    return of.model_copy(update={"catch": catch})


def _imagery(of: Imagery, names: _Names) -> Imagery:
    key, items = of.named
    if key == "design":
        for item in items:
            names.known(("imagery", "design"), item)
    return of.model_copy(
        update={
            "items": names.ids(("imagery", "items"), of.items),
            "pairs": tuple(names.pair((*_PAIRS, n), pair) for n, pair in enumerate(of.pairs)),
            "words": names.keys(("imagery", "words"), of.words),
            "sounds": names.keys(("imagery", "sounds"), of.sounds),
        }
    )
