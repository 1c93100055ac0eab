"""A protocol like another one, with other items to imagine: the file of the afternoon session."""

from collections.abc import Sequence
from pathlib import Path

import tomlkit

from task.contract.errors import UserError
from task.protocol import read_protocol


def write_protocol(like: Path, items: Sequence[str], out: Path, comments: Sequence[str]) -> None:
    """Write the imagery protocol `like` with `items` in the place of its own.

    Cue words of items that are gone go too; everything else, comments included, stays.

    Raises
    ------
    FileError
        If `like` has faults.
    UserError
        If it is no imagery protocol, or `out` exists.
    """
    if read_protocol(like).protocol.imagery is None:
        raise UserError(f"{like}: is no imagery protocol")
    if out.exists():
        raise UserError(f"{out} is there already; nothing was overwritten")
    document = tomlkit.parse(like.read_text(encoding="utf-8"))
    imagery = document["imagery"]
    imagery["items"] = list(items)
    for other in ("pairs", "design"):  # which say items, too
        imagery.pop(other, None)
    words = imagery.get("words", {})
    for item in [item for item in words if item not in items]:
        del words[item]
    document["name"] = out.stem if read_name(out.stem) else "imagery"
    head = "".join(f"# {line}\n" for line in comments)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.partial")
    partial.write_text(head + tomlkit.dumps(document), encoding="utf-8")
    partial.replace(out)


def read_name(stem: str) -> bool:
    """Whether a file's stem may be the name of a protocol."""
    return bool(stem) and stem.replace("_", "").replace("-", "").isalnum() and stem.isascii()
