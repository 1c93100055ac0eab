"""What is known of every sorted unit before anything is asked of it: where, and how good it is.

A unit that was sorted in several sessions has one row; its quality is that of the session in which
it fired most, and that of every session stands in a table of its own.
"""

from typing import Any

import numpy as np
import pandas as pd

from analysis.gather import Gathered, Session, Skipped
from analysis.recording import Units
from analysis.viewing.quality import unit_quality, waveform_snr
from task.contract.errors import UserError

SHAPE_SNR = "shape_snr"


def quality_table(gathered: Gathered) -> tuple[pd.DataFrame, list[Skipped]]:
    """Quality of every unit in every session, and whose shapes cannot be read.

    Returns
    -------
    table : `session`, `unit`, then as `unit_quality`, and `shape_snr` of the units whose sorter
        gives no signal-to-noise ratio and left the shapes of their spikes
    """
    parts, skipped, known = [], [], dict[str, list[Any]]()
    for session in gathered.sessions:
        new, span_s = _not_known(session, known), _span_s(session.units)
        if not len(new.table) or span_s is None:
            continue
        table = unit_quality(new, span_s)
        table[SHAPE_SNR], unread = _shape_snr(session, new, table.get("snr"))
        skipped += unread
        table.insert(0, "unit", [f"{session.recording}/{label}" for label in table.index])
        table.insert(0, "session", session.name)
        parts.append(table)
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    return found.dropna(axis="columns", how="all"), skipped


def unit_table(gathered: Gathered, quality: pd.DataFrame) -> pd.DataFrame:
    """Every unit once; its spikes are those of all recordings in which it was sorted."""
    rows: dict[str, dict[Any, Any]] = {}
    trains: dict[str, list[Any]] = {}
    for session in gathered.sessions:
        table = session.units.table.reset_index(names="label")
        for row, train in zip(table.to_dict("records"), session.units.spikes_s, strict=True):
            unit = f"{session.recording}/{row['label']}"
            rows.setdefault(unit, {"unit": unit, "subject": session.subject, **row})
            known = trains.setdefault(unit, [])
            if not any(np.array_equal(train, other) for other in known):
                known.append(train)
    spikes = [sum(map(len, trains[unit])) for unit in rows]
    found = pd.DataFrame(list(rows.values())).assign(spikes=spikes)
    if quality.empty:
        return found
    most = quality.sort_values("spikes", ascending=False, kind="stable").drop_duplicates("unit")
    measures = most.set_index("unit").drop(columns=["session", "spikes"])
    return found.drop(columns=found.columns.intersection(measures.columns)).join(
        measures, on="unit"
    )


def _not_known(session: Session, known: dict[str, list[Any]]) -> Units:
    """Units whose spikes an earlier session did not have; sessions may share a sorting."""
    new, units = [], session.units
    for label, train in zip(units.table.index, units.spikes_s, strict=True):
        trains = known.setdefault(f"{session.recording}/{label}", [])
        new.append(not any(np.array_equal(train, other) for other in trains))
        trains.append(train)
    spikes_s = tuple(t for t, here in zip(units.spikes_s, new, strict=True) if here)
    return Units(units.table[new], spikes_s, units.read_waveforms)


def _span_s(units: Units) -> tuple[float, float] | None:
    """From the first spike of any unit to just beyond the last; None where there is hardly any."""
    trains = [train for train in units.spikes_s if len(train)]
    first, last = (
        min((float(t[0]) for t in trains), default=0.0),
        max((float(t[-1]) for t in trains), default=0.0),
    )
    return (first, float(np.nextafter(last, np.inf))) if last > first else None


def _shape_snr(
    session: Session, units: Units, known: pd.Series | None
) -> tuple[list[float], list[Skipped]]:
    """Of the units whose sorter gives none, by the mean of their spikes' shapes."""
    found, skipped = [], []
    for label in units.table.index:
        snr = np.nan
        if known is None or np.isnan(known[label]):
            try:
                snr = _snr_of(units, label)
            except UserError as error:
                skipped.append(Skipped(f"{session.name}, shapes of {label}", str(error)))
        found.append(snr)
    return found, skipped


def _snr_of(units: Units, label: str) -> float:
    shapes = units.read_waveforms(label)
    if shapes is None:
        return np.nan
    values = np.asarray(shapes.values, dtype=float)
    if values.ndim == 3:  # of several wires the one that sees the unit best
        values = values[:, int(np.ptp(values.mean(axis=0), axis=1).argmax())]
    return waveform_snr(values)[0]
