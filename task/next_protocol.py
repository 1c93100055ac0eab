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
    old = read_protocol(like).protocol
    if old.imagery is None:
        raise UserError(f"{like}: is no imagery protocol")
    if out.exists():
        raise UserError(f"{out} is there already; nothing was overwritten")
    document = tomlkit.parse(like.read_text(encoding="utf-8-sig"))
    imagery = document["imagery"]
    kept = {*items, *(old.practice.pictures if old.practice else ())}
    for name, cues in (("words", old.imagery.words), ("sounds", old.imagery.sounds)):
        left = {item: cue for item, cue in cues.items() if item in kept}
        if left != cues or not isinstance(imagery.get("items"), list):  # a table had them
            imagery.pop(name, None)
            if left:
                imagery[name] = left
    imagery["items"] = list(items)
    for other in ("pairs", "design"):  # which say items, too
        imagery.pop(other, None)
    document["name"] = out.stem if read_name(out.stem) else "imagery"
    head = "".join(f"# {line}\n" for line in comments)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.partial")
    partial.write_text(head + tomlkit.dumps(document), encoding="utf-8")
    try:
        made = read_protocol(partial).protocol.imagery
        far = [n for part in (made.part if made else ()) for n in part.blocks if n > len(items)]
        if far:
            raise UserError(
                f"{like}: a part has block {max(far)}, and {len(items)} items make"
                f" {len(items)} blocks; change its `blocks` first"
            )
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def read_name(stem: str) -> bool:
    """Whether a file's stem may be the name of a protocol."""
    return bool(stem) and stem.replace("_", "").replace("-", "").isalnum() and stem.isascii()
