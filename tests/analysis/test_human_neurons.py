"""The numbers of a real data set, from spike times and trigger words to the end of an analysis."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat

from analysis.axis import fit_axes
from analysis.decoding import category_selectivity, decode_categories
from analysis.responses import count_spikes
from analysis.space import object_space


def stimuli(folder, variant):
    """Blocks of stimulus numbers, and the category of each number."""
    number = "" if variant == 1 else variant
    blocks = loadmat(folder / f"stimFiles/NewOldDelay{number}_v3.mat", simplify_cells=True)
    names = loadmat(folder / f"stimFiles/newOldDelayStimuli{number}.mat", simplify_cells=True)
    return blocks["experimentStimuli"], dict(names["categoryMapping"][:, :2].tolist())


def units_of(folder, session):
    """Spike times of all sorted units of a session, s."""
    units = {}
    for file in sorted((folder / "sorted" / session).glob("A*_cells.mat")):
        spikes = loadmat(file, variable_names=["spikes"])["spikes"]
        for cell in np.unique(spikes[:, 0]) if spikes.size else []:
            units[session, file.stem, cell] = np.sort(spikes[spikes[:, 0] == cell, 2]) * 1e-6
    return units


@pytest.fixture(scope="module")
def human_runs(shared_data):
    """Counts 0.2-1.7 s after each of 100 pictures, and their categories, run by run."""
    folder = shared_data("human_newold")
    expected = json.loads((folder / "expected.json").read_text())
    known = {variant: stimuli(folder, variant) for variant in (1, 2, 3)}
    runs = []
    for run in expected["pairs"]:
        events = loadmat(folder / "events" / run["folder"] / "eventsRaw.mat")["events"]
        onsets = events[(events[:, 2] == run["run"]) & (events[:, 1] == 1), 0] * 1e-6
        if len(onsets) != 100:
            continue
        blocks, category = known[run["variant"]]
        images = blocks[run["block"] - 1][
            "stimuliLearn" if run["phase"] == "learn" else "stimuliRecog"
        ]
        units = units_of(folder, run["folder"])
        table = pd.DataFrame(
            count_spikes(list(units.values()), onsets, (0.2, 1.7)), images, list(units)
        )
        runs.append((run, table, pd.Series(category).loc[images]))
    return expected, runs


@pytest.mark.parametrize("phase", ["learn", "recog"])
def test_category_selectivity_of_human_neurons_is_reproduced(human_runs, phase):
    expected, runs = human_runs
    found = pd.concat(
        [
            category_selectivity(table.loc[:, table.sum() >= 20], categories)
            for run, table, categories in runs
            if run["phase"] == phase and (table.sum() >= 20).any()
        ]
    )
    known = expected["category_selectivity"][phase]
    assert len(found) == known["units_tested"]
    assert (found["p"] < 0.05).sum() == known["selective_p05"]
    assert (found["p"] < 0.001).sum() == known["selective_p001"]


def test_decoding_from_human_pseudo_populations_is_reproduced(human_runs):
    expected, runs = human_runs
    for known in expected["pseudo_population"]:
        same = [
            (table, categories)
            for run, table, categories in runs
            if all(run[key] == known[key] for key in ("variant", "phase", "block"))
        ]
        tables = pd.concat([table for table, _ in same], axis=1)
        assert tables.shape[1] == known["units"]
        found = decode_categories(tables, same[0][1])
        assert found.accuracy == pytest.approx(known["category_decoding_accuracy"])


def test_a_few_more_units_have_an_axis_than_chance_gives(human_runs, shared_data):
    expected, runs = human_runs
    stored = np.load(shared_data("human_newold") / "features.npz")
    features = pd.DataFrame(
        stored["features"],
        pd.MultiIndex.from_arrays([stored["variant"], stored["stimulus_number"]]),
    )
    p = []
    for run, table, _ in runs:
        space = object_space(features.loc[run["variant"]].loc[table.index], 10)
        units = table.loc[:, table.sum() >= 20]
        if units.shape[1]:
            p += fit_axes(units, space).p.tolist()
    assert len(p) == expected["axis"]["unit_runs"]
    # The published share depends on 1000 random permutations.
    assert np.mean(np.array(p) < 0.05) == pytest.approx(expected["axis"]["fraction_p05"], abs=0.006)
