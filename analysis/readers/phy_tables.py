"""What phy and Kilosort say about clusters: tables of text, a row per cluster.

`cluster_group.tsv` (`cluster_id`, `group`) has what a person decided: good, mua, noise or nothing.
Kilosort 4 leaves its own labels there under the name `KSLabel`, and always in
`cluster_KSLabel.tsv`; phy 1 wrote numbers (0 noise, 1 mua, 2 good, 3 unsorted) into
`cluster_groups.csv`.  `cluster_info.tsv` (`id` or `cluster_id`) is a snapshot of all that phy
showed when it saved; `cluster_<name>.tsv` have one measure each (phy 2: `docs/outputs.md`).
"""

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.recording import MULTI, SINGLE
from task.contract.errors import RecordingError

INFO_NAME, LABELS_NAME = "cluster_info.tsv", "cluster_KSLabel.tsv"
NOISE = "noise"
_GROUP_NAMES = ("cluster_group.tsv", "cluster_group.csv", "cluster_groups.csv")
_WORDS = {"good": SINGLE, "mua": MULTI, "noise": NOISE, "unsorted": "", "": "", "nan": ""}
_NUMBERS = {"2": SINGLE, "1": MULTI, "0": NOISE, "3": ""}
_SHOWN = 80  # letters of what a table holds
_KINDS = _WORDS | _NUMBERS
# What the columns are called here; `n_spikes`, `ch` and `group` are read for themselves.
_MEASURES = {
    "Amplitude": "template_amplitude",
    "amp": "amplitude",
    "ContamPct": "contamination_percent",
    "depth": "depth_um",
    "fr": "firing_rate_hz",
    "sh": "shank",
    "snr": "snr",
    "isolation_distance": "isolation_distance",
    "l_ratio": "l_ratio",
    "isi_violations_ratio": "isi_violations_ratio",
}
_CLUSTER = re.compile(r"[0-9]{1,18}")
_ADVICE = "the files are of different states: save again in phy, or remove the first"
_MOST_BYTES = 64 * 2**20
_MOST_CHANNEL = 2**31


@dataclass(frozen=True, slots=True)
class Tables:
    """What is said about clusters, by their numbers.

    Attributes
    ----------
    kinds : `single`, `multi`, `noise`, '' where nobody decided
    channels : None where no table tells
    measures : by name
    """

    kinds: Mapping[int, str]
    channels: Mapping[int, int] | None
    measures: Mapping[str, Mapping[int, float]]

    def quality_of(self, cluster: int) -> dict[str, float]:
        """The measures of one cluster; NaN where it has none."""
        return {name: of.get(cluster, math.nan) for name, of in self.measures.items()}


@dataclass(frozen=True, slots=True)
class _Column:
    """Texts of one column of a table, by cluster."""

    path: Path
    name: str
    texts: Mapping[int, str]

    def numbers(self) -> dict[int, float]:
        try:
            return {cluster: float(text or "nan") for cluster, text in self.texts.items()}
        except ValueError:
            raise RecordingError(f"{self.path}: {self.name!r} holds other than numbers") from None


def read_tables(folder: Path, counts: Mapping[int, int]) -> Tables:
    """What the tables of the folder say, as far as there are any.

    Parameters
    ----------
    counts : spikes of each cluster, which `cluster_info.tsv` must agree with

    Raises
    ------
    RecordingError
        If a table cannot be read, is none, or was saved in another state than the spikes.
    """
    info = _columns(folder / INFO_NAME)
    _refuse_other_state(info.get("n_spikes"), counts)
    measures = dict(info)
    for name in _MEASURES:
        if name not in info:
            measures |= _columns(folder / f"cluster_{name}.tsv")
    return Tables(
        _kinds(folder, info),
        _channels(info.get("ch") or info.get("channel")),
        {_MEASURES[name]: measures[name].numbers() for name in _MEASURES if name in measures},
    )


def _kinds(folder: Path, info: Mapping[str, _Column]) -> dict[int, str]:
    """What a person said, else what Kilosort said."""
    path = next((folder / name for name in _GROUP_NAMES if (folder / name).exists()), None)
    groups = _columns(path) if path else info
    labels = _columns(folder / LABELS_NAME) or info
    if path and not groups.keys() & {"group", "KSLabel"}:
        raise RecordingError(f"{path}: has no column 'group'")
    if path:
        _refuse_other_groups(info.get("group"), groups.get("group"))
    kinds: dict[int, str] = {}
    said = (labels.get("KSLabel"), groups.get("KSLabel"), groups.get("group"))
    for column in filter(None, said):
        for cluster, kind in _decided(column).items():
            kinds[cluster] = kind or kinds.get(cluster, "")
    return kinds


def _decided(column: _Column) -> dict[int, str]:
    for cluster, word in column.texts.items():
        if word.lower() not in _KINDS:
            raise RecordingError(
                f"{column.path}: cluster {cluster} is {_short(word)}; known are good, mua, noise"
                " and unsorted"
            )
    return {cluster: _KINDS[word.lower()] for cluster, word in column.texts.items()}


def _refuse_other_groups(snapshot: _Column | None, groups: _Column | None) -> None:
    """What phy showed when it saved is what it saved; else a file is cut short, or older."""
    if snapshot is None or groups is None:
        return
    saved = _decided(groups)
    for cluster, kind in _decided(snapshot).items():
        if kind != saved.get(cluster, ""):
            raise RecordingError(
                f"{snapshot.path}: says that cluster {cluster} is {snapshot.texts[cluster]!r}, but"
                f" {groups.path.name} says {groups.texts.get(cluster, '')!r}; {_ADVICE}"
            )


def _channels(column: _Column | None) -> dict[int, int] | None:
    if column is None:
        return None
    numbers = {c: number for c, number in column.numbers().items() if not math.isnan(number)}
    if not all(0 <= n < _MOST_CHANNEL and n == int(n) for n in numbers.values()):
        raise RecordingError(f"{column.path}: {column.name!r} holds other than whole numbers")
    return {cluster: int(number) for cluster, number in numbers.items()}


def _refuse_other_state(column: _Column | None, counts: Mapping[int, int]) -> None:
    if column is None:
        return
    for cluster, said in column.numbers().items():
        there = counts.get(cluster, 0)
        if said != there:
            raise RecordingError(
                f"{column.path}: says that cluster {cluster} has {said:g} spikes, but it has"
                f" {there}; {_ADVICE}"
            )


def _columns(path: Path) -> dict[str, _Column]:
    """Columns of a table by name; none where there is no table."""
    if not path.exists():
        return {}
    names, key, rows = _rows(path)
    columns: dict[str, dict[int, str]] = {name: {} for name in names if name != key}
    seen: set[int] = set()
    for n, row in enumerate(rows, start=2):
        if not row:
            continue
        fields = dict(zip(names, row, strict=False))
        number = fields.get(key, "")
        if len(row) != len(names) or not _CLUSTER.fullmatch(number):
            raise RecordingError(
                f"{path}:{n}: is {_short(row)}, not a value for each of {_short(names)}"
            )
        cluster = int(number)
        if cluster in seen:
            raise RecordingError(f"{path}:{n}: has cluster {cluster} again")
        seen.add(cluster)
        for name, texts in columns.items():
            texts[cluster] = fields[name].strip()
    return {name: _Column(path, name, texts) for name, texts in columns.items()}


def _rows(path: Path) -> tuple[list[str], str, list[list[str]]]:
    """Names of the columns, which of them is the cluster, and the rows below."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise RecordingError(f"{path}: is far larger than a table of clusters")
        text = path.read_text("utf-8-sig")
        tab = "\t" if "\t" in text.partition("\n")[0] else ","
        names, *rows = [*csv.reader(text.splitlines(), delimiter=tab)] or [[]]
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error):
        raise RecordingError(f"{path}: is no table of text") from None
    key = next((name for name in ("cluster_id", "id") if name in names), None)
    if key is None or len(set(names)) != len(names):
        raise RecordingError(f"{path}: its first line has no 'cluster_id', or a name twice")
    return names, key, rows


def _short(value: object) -> str:
    """As much of it as a sentence takes."""
    said = repr(value)
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]} …"
