"""Whether pictures can be asked for by name: each with one, and no two with the same."""

import re
from collections import Counter
from collections.abc import Iterator

from task.contract.catalog import Catalog

_SHOWN = 8


def naming_faults(catalog: Catalog) -> list[str]:
    """What stands in the way of cueing pictures by word, a sentence each.

    Of every language in which some picture has a name: pictures without one, names that several
    pictures share, names that differ by a number only.
    """
    names = [picture.names for picture in catalog.pictures.values()]
    languages = sorted(
        {"en", *(of for each in names for of in each)}, key=lambda of: (of != "en", of)
    )
    return [said for language in languages for said in _faults(catalog, language)]


def _faults(catalog: Catalog, language: str) -> Iterator[str]:
    names = {p.id: p.names.get(language, "") for p in catalog.pictures.values()}
    without = [id_ for id_, name in names.items() if not name]
    if without:
        yield f"{language}: {len(without)} of {len(names)} without a name: {_some(without)}"
    often = Counter(name.casefold() for name in names.values() if name)
    shared = {name: n for name, n in often.items() if n > 1}
    if shared:
        said = [f"{name!r} ({n} pictures)" for name, n in shared.items()]
        yield f"{language}: {len(shared)} names are those of several pictures: {_some(said)}"
    bare: dict[str, set[str]] = {}
    for name in often:
        bare.setdefault(_without_number(name), set()).add(name)
    numbered = [" / ".join(sorted(alike)) for alike in bare.values() if len(alike) > 1]
    if numbered:
        yield f"{language}: {len(numbered)} names differ by a number only: {_some(numbered)}"


def _without_number(name: str) -> str:
    """The name without numbers at its end; a name that is a number stays."""
    return re.sub(r"[\s_-]*\(?\d+\)?$", "", name) or name


def _some(words: list[str]) -> str:
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
