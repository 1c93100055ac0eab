"""Fixed samples of the long campaigns in `benchmarks/`."""

import sys

import pytest

from benchmarks.fuzz_protocols import campaign


def test_mutated_protocols_give_a_plan_or_a_refusal():
    found = campaign(400, seed=7)
    assert found["plan"] + found["refused"] == 400
    assert found["plan"] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals and SIGKILL are POSIX's")
@pytest.mark.parametrize("after_s", [0.05, 0.2, 0.4])
def test_a_killed_session_has_logged_all_but_the_code_in_flight(tmp_path, after_s):
    from benchmarks.kills import kill_one

    sent, logged = kill_one(tmp_path, after_s)
    assert sent > 0
    assert sent - logged <= 1
