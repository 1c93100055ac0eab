"""The stimulus sets there are, and where one of a name lies."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from task.contract.catalog import MANIFEST
from task.contract.errors import StimulusError
from task.contract.settings import did_you_mean


def sets_in(folders: Sequence[Path]) -> list[Path]:
    """Folders of the sets that lie in these folders, each once, by name within a folder."""
    return list(dict.fromkeys(path.resolve() for folder in folders for path in _sets(folder)))


def find_set(name: str, folders: Sequence[Path]) -> Path:
    """The folder of a set, by path or by name among those in `folders`.

    Raises
    ------
    StimulusError
        There is none.
    """
    for path in (*(folder / name for folder in folders), Path(name)):
        if (path / MANIFEST).is_file():
            return path
    known = [path.name for path in sets_in(folders)]
    hint = did_you_mean(name, known) or f"; there are {', '.join(known)}" if known else ""
    raise StimulusError(f"no set {name!r}{hint}; give a name, or the folder with its {MANIFEST}")


def _sets(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if not path.name.startswith(".") and (path / MANIFEST).is_file():
                yield path
