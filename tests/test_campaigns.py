"""Fixed samples of the long campaigns in `benchmarks/`."""

import sys

import pytest

from benchmarks.fuzz_protocols import campaign


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
