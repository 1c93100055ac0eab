"""Which pictures of a set a session may show, and which of them it does."""

import random
from collections.abc import Sequence

from task.contract.catalog import Catalog
from task.contract.settings import KeyPath, did_you_mean
from task.frames import count
from task.order import shuffled
from task.protocol import Faults, Protocol


def check_known(path: KeyPath, ids: Sequence[str], catalog: Catalog, faults: Faults) -> None:
    """Find pictures that the set does not have."""
    for item in ids:
        if item not in catalog.pictures:
            hint = did_you_mean(item, catalog.pictures)
            faults.append((path, f"no picture {item!r} in set {catalog.name!r}{hint}"))


def pool_of(protocol: Protocol, catalog: Catalog, faults: Faults) -> list[str]:
    """The pictures that a screening may show, whatever its seed."""
    chosen = protocol.pictures
    groups = list(dict.fromkeys(p.group for p in catalog.pictures.values()))
    for group in chosen.groups:
        if group not in groups:
            hint = did_you_mean(group, groups) or f"; it has {', '.join(groups)}"
            faults.append((("pictures", "groups"), f"no group {group!r} in the set{hint}"))
    check_known(("pictures", "ids"), chosen.ids, catalog, faults)
    check_known(("pictures", "exclude"), chosen.exclude, catalog, faults)
    if chosen.ids:
        pool = [i for i in chosen.ids if i in catalog.pictures]
    else:
        wanted = chosen.groups or groups
        pool = [p.id for p in catalog.pictures.values() if p.group in wanted]
    return [i for i in pool if i not in chosen.exclude]


def drawn(
    protocol: Protocol, catalog: Catalog, pool: Sequence[str], rng: random.Random, faults: Faults
) -> list[str]:
    """Those of the pool that this session shows."""
    most = protocol.pictures.per_group
    shown = _of_each_group(pool, most, catalog, rng) if most else list(pool)
    if len(shown) < 2 and not faults:
        faults.append((("pictures",), f"{count(len(shown), 'picture')} left; choose at least two"))
    return shown


def _of_each_group(
    pool: Sequence[str], most: int, catalog: Catalog, rng: random.Random
) -> list[str]:
    kept: set[str] = set()
    for group in dict.fromkeys(catalog.pictures[i].group for i in pool):
        members = [i for i in pool if catalog.pictures[i].group == group]
        kept.update(shuffled(members, rng)[:most])
    return [i for i in pool if i in kept]
