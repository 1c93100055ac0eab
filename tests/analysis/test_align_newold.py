"""Logs and recordings of a real laboratory (doi:10.1038/sdata.2018.10)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.evidence import AlignmentRefused
from analysis.locate import locate
from analysis.readers import read_events, read_log


@pytest.fixture(scope="module")
def newold(
    shared_data: Callable[[str], Path],
) -> list[tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]]:
    """83 logs, each with what is known of it and the whole recording."""
    folder = shared_data("human_newold")
    pairs = json.loads((folder / "expected.json").read_text())["pairs"]
    of = {p["folder"]: folder / "events" / p["folder"] for p in pairs}
    events = {name: read_events(place / "eventsRaw.mat") for name, place in of.items()}
    return [
        (p, read_log(of[p["folder"]] / f"newold{p['run']}.txt"), events[p["folder"]]) for p in pairs
    ]


def test_real_logs_are_found_in_their_recordings(newold: Any) -> None:
    matched = expected = 0
    for known, sent, events in newold:
        found = locate(sent, events)
        matched += len(found.pairs)
        expected += known["code_matched"]
        coarse = known["log_step_ms"] > 5
        name = f"{known['folder']} {known['run']}"
        assert found.drift_ppm == pytest.approx(known["drift_ppm"], abs=2 if coarse else 0.5), name
        assert found.tick_s * 1e3 == pytest.approx(known["log_step_ms"], rel=0.005), name
        residual_ms = found.pairs["residual_s"][~found.pairs["placed"]].abs() * 1e3
        assert residual_ms.median() < known["residual_median_ms"] + 0.05, name
        assert residual_ms.quantile(0.99) < (10 if coarse else 3), name
        twins = events["run"].to_numpy()[found.pairs["seen"]] != known["run"]
        assert twins.sum() <= (10 if name == "P27HMH_022310/NO 84" else 0), name
    assert matched >= 0.999 * expected


def test_real_logs_are_refused_on_recordings_that_are_not_theirs(newold: Any) -> None:
    for (known, sent, events), (other, _, others) in zip(newold, newold[5:], strict=False):
        if {known["folder"], other["folder"]} == {"P51CS_070117/NO1", "P51CS_070117/NO3"}:
            continue  # two runs of one recording
        for words in (others, events[events["run"] != known["run"]]):
            with pytest.raises(AlignmentRefused):
                locate(sent, words)
