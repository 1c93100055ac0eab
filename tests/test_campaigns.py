"""Fixed samples of the long campaigns in `benchmarks/`."""

import statistics
import sys

import pytest

from benchmarks import align_faults
from benchmarks.faulty import OWN
from benchmarks.fuzz_protocols import SPECIMENS, TABLE, campaign, outcome


@pytest.mark.parametrize("text", SPECIMENS, ids=("parts", "table", "pairs"))
def test_what_is_mutated_is_right_at_first(text, tmp_path, objects):
    (tmp_path / "items.csv").write_text(TABLE)
    (tmp_path / "p.toml").write_text(text)
    assert outcome(tmp_path / "p.toml", objects) == "plan"


def test_mutated_protocols_give_a_plan_or_a_refusal():
    found = campaign(400, seed=7)
    assert found["plan"] + found["refused"] == 400
    assert found["plan"] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals and SIGKILL are POSIX's")
@pytest.mark.parametrize(
    ("codes", "way"),
    [(20, "SIGKILL"), (3000, "SIGKILL"), (1500, "SIGTERM"), (2500, "closed terminal")],
)
def test_a_killed_session_has_logged_all_but_the_code_in_flight(tmp_path, codes, way):
    from benchmarks.kills import kill_one

    killed = kill_one(tmp_path, codes, way=way)
    assert killed.sent >= codes
    assert killed.missing <= 1
    if way != "SIGKILL":
        assert killed.resting
        assert killed.how == "interrupted"


def test_sessions_with_faults_take_no_wrong_word_and_foreign_recordings_are_refused():
    found = align_faults.campaign(range(100, 160), processes=1)
    own = [one for one in found if one.laid_on == OWN]
    assert [one.seed for one in own if one.wrong] == []
    assert [one.seed for one in found if one.laid_on != OWN and not one.refused] == []
    recalls = [one.recall for one in own if not one.refused]
    assert len(recalls) > len(own) / 2
    assert statistics.median(recalls) > 0.99


@pytest.mark.skipif(sys.platform == "win32", reason="limits of memory are POSIX's")
def test_damaged_recordings_are_refused_in_words_or_read(shared_data):
    shared_data("human_newold")  # the real files; seeds count them
    from benchmarks.fuzz_readers import RIGHT, campaign

    found = campaign(range(40_000, 40_180), processes=1)
    assert [one for one in found if one.how not in RIGHT] == []
    assert sum(one.how == "refused" for one in found) > len(found) / 2
