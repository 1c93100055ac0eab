"""A session that was paused, repeated and resumed is analysed as one, and nothing counts twice."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.gather import RunOfTrials, gather
from analysis.study import short_study
from analysis.synthetic.clock import Clock
from analysis.synthetic.recorder import record
from task import places
from task.contract.catalog import MANIFEST
from task.contract.sessionlog import Kind
from task.planning import plan_file
from task.protocol import read_protocol
from task.rigs.simulated import SimulatedPort, simulated_rig
from task.session import resume_session, run_session
from tests.analysis.lost_log import Operator

PROTOCOL = """schema = 1
name = "short"
round_to_frames = true
[imagery]
items = ["dog", "banana", "airplane", "cactus", "violin", "tiger"]
encode_views = 1
cues_per_item = 2
encode_s = 0.5
search_s = 2
baseline_s = 2
imagine_s = 2
break_s = 2
"""


RUNS = (
    [
        (21.0, "pause", "escape"), (30.0, "r", "r"),  # in the first block, while something is shown
        (40.0, "pause", "escape"), (45.0, "b", "b"),  # the block again
        (100.0, "interrupt", "SIGTERM"),
    ],
    [(31.3, "pause", "escape"), (33.0, "r", "r"), (60.0, "interrupt", "SIGHUP")],
    [],
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunOfTrials:
    """Trials of a session in three runs, as the analysis gathers them."""
    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "p.toml").write_text(PROTOCOL)
    file = read_protocol(folder / "p.toml")
    catalog = places.catalog_of(file)
    plan = plan_file(file, catalog, seed=4, refresh_hz=60.0, spacing_frames=2)
    session = folder / "session"
    session.mkdir()
    edges: list[tuple[float, int]] = []
    for n, presses in enumerate(RUNS):
        rig = simulated_rig(60.0, pulse_s=0.005, gap_s=0.005, seed=n)
        rig = replace(rig, keys=Operator(rig, presses))
        if n == 0:
            manifest = places.set_folder(file) / MANIFEST
            run_session(
                session, file, None, catalog, manifest, plan, rig, subject="P1", session=9
            )  # fmt: skip
        else:
            resume_session(session, rig, at_trial=n == 2, now_s=0.0)
        rig.close()
        assert isinstance(rig.port, SimulatedPort)
        later = edges[-1][0] + 30 * n if edges else 0.0
        edges += [(later + time_s, value) for time_s, value in rig.port.edges]
    items = [picture.id for picture in catalog.pictures.values()]
    space = pd.DataFrame(np.random.default_rng(0).normal(size=(len(items), 5)), index=items)
    record(
        edges, plan.document, space, folder / "recording", n_units=2, seed=1,
        clock=Clock(offset_s=500.0, drift_ppm=10.0, jitter_s=0.0002),
    )  # fmt: skip
    study = short_study(session, folder / "recording", places.set_folder(file))
    gathered = gather(study)
    return gathered.sessions[0].runs[0]


def test_every_item_counts_as_often_as_planned_in_every_block(run: RunOfTrials) -> None:
    imagined = run.of(Kind.IMAGINE)
    counts = Counter(zip(imagined["block"], imagined["item"], strict=True))
    assert set(counts.values()) == {2} and len(counts) == 12
    assert set(Counter(run.of(Kind.ENCODE)["item"]).values()) == {2}


def test_every_onset_was_measured(run: RunOfTrials) -> None:
    assert run.trials["measured"].all()
    assert run.trials["onset_s"].is_monotonic_increasing


def test_the_empty_screen_before_a_cue_does_not_reach_into_a_pause(run: RunOfTrials) -> None:
    blank_s = run.of(Kind.IMAGINE)["blank_s"].dropna()
    assert (blank_s > 0).all() and (blank_s < 3.0).all()
