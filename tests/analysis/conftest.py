"""A patient's day, small: 48 pictures seen three times, six of them imagined, eight units."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.align import Alignment, align
from analysis.findings import Pictures, Results
from analysis.gather import Gathered, RunOfTrials, Session, Skipped
from analysis.pipeline import analyze_gathered
from analysis.recording import Units
from analysis.space import object_space
from analysis.study import Study, StudyFile
from analysis.synthetic.neurons import Population, plant_units, spikes
from analysis.unit_data import write_units
from task.contract.settings import Settings

IMAGES = [f"picture{n:02d}" for n in range(48)]
ITEMS = IMAGES[::8]
OFFSET_S = 500.0


@dataclass(frozen=True)
class Day:
    """What was recorded, and how it is analysed."""

    file: StudyFile
    gathered: Gathered
    pictures: Pictures


@pytest.fixture(scope="session")
def make_day(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Day]:
    """A day; `imagery` and `categories` may be left out, settings of the study changed."""
    folder = tmp_path_factory.mktemp("study")

    def make(*, imagery: bool = True, categories: bool = True, **settings: Any) -> Day:
        rng = np.random.default_rng(4)
        features = pd.DataFrame(rng.standard_normal((48, 30)), pd.Index(IMAGES, name="image"))
        population = plant_units(object_space(features).coordinates, 8, seed=1)
        truth = population.units.join(population.axes.add_prefix("axis_"))
        truth.to_csv(folder / "planted.csv")
        sessions = [_session("morning", population, _viewed(rng))]
        if imagery:
            sessions.append(_session("afternoon", population, _imagined(rng)))
        groups = pd.Series([f"group{n % 3}" for n in range(48)], features.index, name="category")
        return Day(
            _study(folder, **settings),
            Gathered(tuple(sessions), (Skipped("evening", "the amplifier <was> off"),)),
            Pictures(features, groups if categories else None),
        )

    return make


@pytest.fixture(scope="session")
def analyzed() -> Callable[[Day], Results]:
    """Results of a day."""
    return lambda day: analyze_gathered(day.file, day.gathered, day.pictures)


@pytest.fixture(scope="session")
def day_results(make_day: Callable[..., Day], analyzed: Callable[[Day], Results]) -> Results:
    """Results of the whole day."""
    return analyzed(make_day(planted="planted.csv"))


def _study(folder: Path, **settings: Any) -> StudyFile:
    values = {
        "schema": 1,
        "name": "a day & <a half>",
        "session": [{"log": "morning", "recording": "morning"}],
        "stimuli": "objects",
        "sorted_together": True,
        "tests": {"shuffles": 99, "least_images": 20, "seed": 3},
        **settings,
    }
    study = Study.model_validate_json(json.dumps(values))
    return StudyFile(Settings(folder / "study.toml", values, {}), study)


def _viewed(rng: np.random.Generator) -> pd.DataFrame:
    """Every picture three times, a block each, 0.3 s on and 0.2 s off."""
    items = np.concatenate([rng.permutation(IMAGES) for _ in range(3)])
    gaps_s = rng.integers(20, 30, len(items)) / 100
    onset_s = 10 + np.cumsum(0.3 + gaps_s)
    return pd.DataFrame(
        {
            "kind": "view",
            "item": items,
            "block": np.arange(len(items)) // len(IMAGES),
            "presentation": np.arange(len(items)),
            "onset_s": onset_s,
            "stop_s": onset_s + 0.3,
        }
    )


def _imagined(rng: np.random.Generator) -> pd.DataFrame:
    """Six blocks of two items, each cued three times: 1 s blank, cue, and 0.5 s later 3 s."""
    pairs = [ITEMS[n : n + 2] for n in (0, 2, 4)] + [
        [ITEMS[n], ITEMS[(n + 3) % 6]] for n in range(3)
    ]
    items = np.concatenate([rng.permutation(np.repeat(pair, 3)) for pair in pairs])
    cue_s = 10 + np.cumsum(5 + rng.integers(0, 50, len(items)) / 100)
    return pd.DataFrame(
        {
            "kind": "imagine",
            "item": items,
            "block": np.arange(len(items)) // 6,
            "presentation": np.arange(len(items)),
            "onset_s": cue_s + 0.5,
            "stop_s": cue_s + 3.5,
            "cue_s": cue_s,
            "blank_s": 1.0,
            "rating": np.where(np.arange(len(items)) % 5, 1 + np.arange(len(items)) % 4, np.nan),
        }
    )


def _session(name: str, population: Population, trials: pd.DataFrame) -> Session:
    stimuli = trials.rename(columns={"onset_s": "start_s"})
    trains = spikes(population, stimuli, float(trials["stop_s"].max()) + 5, seed=2)
    alignment = aligned(trials)
    moved = {c: trials[c] + OFFSET_S for c in ("onset_s", "stop_s", "cue_s") if c in trials}
    measured = alignment.measured.to_numpy()[::2]  # onsets, each followed by its end
    run = RunOfTrials(
        f"{name} run",
        "patient",
        trials.assign(**moved, measured=measured, condition=""),
        alignment,
    )
    units = Units(population.units, tuple(train + OFFSET_S for train in trains))
    return Session(name, "patient", "patient", units, (run,))


def aligned(trials: pd.DataFrame) -> Alignment:
    """Onsets and ends as words, of which the fifth onset is lost in the recording."""
    times = np.concatenate([trials["onset_s"], trials["stop_s"]])
    sent = pd.DataFrame({"time_s": times, "code": np.repeat([20, 23], len(trials))})
    sent = sent.sort_values("time_s", ignore_index=True)
    jitter_s = np.random.default_rng(0).normal(0, 2e-4, len(sent))
    seen = sent.assign(time_s=sent["time_s"] + OFFSET_S + jitter_s).drop(index=8)
    return align(sent, seen.reset_index(drop=True))


@pytest.fixture(scope="session")
def unit_folder(day_results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the day without its page: the numbers, and the files of the units."""
    folder = tmp_path_factory.mktemp("results")
    write_units(day_results, folder, ())
    (folder / "report.json").write_text(json.dumps(day_results.document), encoding="utf-8")
    return folder
