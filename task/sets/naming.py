"""What pictures are called, read off their files: ids for protocols, names for people, groups.

animals/grey_cat-02.jpg    id grey_cat_02, name "grey cat", group animals
0001.tif                   id 0001, no name
aardvark/aardvark_01b.jpg  id aardvark_01b, name "aardvark", group aardvark
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

# What cameras and programs call a picture says nothing of what it shows.
_NO_NAMES = {
    *("img", "image", "imag", "pic", "picture", "pict", "photo", "foto", "bild", "stim"),
    *("stimulus", "dsc", "dscn", "dscf", "dcim", "pxl", "scan", "screenshot", "item", "obj"),
    *("p", "untitled", "copy", "whatsapp image"),
}
_NUMBER = re.compile(r"\d+[a-z]?|\(\d+\)")
_RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d")  # no file can be called so on Windows
_LONGEST_ID = 64


def name_of(file: str) -> str:
    """What people call the picture, as far as its file's name tells; empty if it does not."""
    words = re.split(r"[\s_.\-]+", unicodedata.normalize("NFC", PurePosixPath(file).stem).strip())
    words = [re.sub(r"(?<=\D)\d+$", "", word) for word in words if word]
    while words and _NUMBER.fullmatch(words[-1].lower()):
        words.pop()
    name = " ".join(words)
    return "" if name.lower() in _NO_NAMES or not re.search(r"[^\W\d_]", name) else name


def plain(text: str) -> str:
    """Lower-case letters without accents, digits and single `_`; empty if nothing is left."""
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore")
    return re.sub(r"[^a-z0-9]+", "_", letters.decode().lower()).strip("_")


def ids_of(files: Sequence[str], groups: Sequence[str], given: Sequence[str]) -> list[str]:
    """Ids, unique also where capitals do not matter.

    The plain name of the file; with its group in front where two files have the same; numbered
    where that does not tell them apart either.

    Parameters
    ----------
    files, groups : of each picture
    given : ids that are decided already; empty where they are not
    """
    stems = [plain(PurePosixPath(file).stem)[:_LONGEST_ID] or "picture" for file in files]
    stems = [f"{stem}_1" if _RESERVED.fullmatch(stem) else stem for stem in stems]
    often = Counter(id_.lower() or stem for id_, stem in zip(given, stems, strict=True))
    wanted = [
        stem if often[stem] == 1 else "_".join(filter(None, (plain(group), stem)))
        for stem, group in zip(stems, groups, strict=True)
    ]
    taken = {id_.lower() for id_ in given if id_}
    ids = []
    for id_, stem in zip(given, wanted, strict=True):
        chosen = id_ or _free(stem, taken)
        taken.add(chosen.lower())
        ids.append(chosen)
    return ids


def _free(stem: str, taken: set[str]) -> str:
    if stem not in taken:
        return stem
    return next(id_ for n in range(2, len(taken) + 3) if (id_ := f"{stem}_{n}") not in taken)


def groups_of(files: Sequence[str], fallback: str) -> list[str]:
    """The folder of each picture below the one that all of them share.

    Where all lie in one folder, that is the group of all; where they lie in none, `fallback` is.
    """
    # As people type them: archives made on macOS have accents apart from their letters.
    folders = [PurePosixPath(unicodedata.normalize("NFC", file)).parts[:-1] for file in files]
    shared = 0
    while len({parts[: shared + 1] for parts in folders}) == 1 and all(
        len(parts) > shared for parts in folders
    ):
        shared += 1
    only = folders[0][shared - 1] if shared else fallback
    return [parts[shared] if len(parts) > shared else only for parts in folders]
