"""The session folder: whole, private, never reused, and verifiable afterwards."""

import hashlib
import json
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from task.contract.catalog import MANIFEST, read_catalog
from task.contract.codes import MAX_SESSION
from task.contract.errors import RigError, UserError
from task.contract.sessionlog import LOG_NAME, read_log
from task.plan import Plan
from task.planning import plan_file
from task.protocol import read_protocol
from task.rig import Rig
from task.rigs.simulated import simulated_rig
from task.session import (
    Outcome,
    check_refresh,
    check_subject,
    new_folder,
    new_session_number,
    run_session,
)

PROTOCOL = """schema = 1
name = "tiny"
stimuli = "pets"
[pictures]
ids = "lists/two.csv"
[screening]
repeats = 1
image_s = 0.5
break_s = 0
[texts]
text_s = 0
[safety]
flashes_per_s = 4
approved_by = "Dr Who"
reason = "no epilepsy"
"""
PlanOf = Callable[..., Plan]

TABLE = b"id;my notes\r\ndog;loved\r\ncat;\r\n"
RIG = b'name = "bedside"\n[triggers]\ndevice = "none"\n'


def rig_at(refresh_hz: float) -> Rig:
    return simulated_rig(refresh_hz, pulse_s=0.005, gap_s=0.005, seed=1)


@pytest.fixture
def outcome(tmp_path: Path, pet_folder: Path) -> Outcome:
    """A short session, presented; its pictures stand in a table."""
    path = tmp_path / "tiny_protocol.toml"
    path.write_bytes(PROTOCOL.replace("\n", "\r\n").encode())
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/two.csv").write_bytes(TABLE)
    file, catalog = read_protocol(path), read_catalog(pet_folder)
    plan = plan_file(file, catalog, seed=3, refresh_hz=60.0, spacing_frames=2)
    return run_session(
        new_folder(tmp_path / "data", "P07", plan.name),
        file,
        RIG,
        catalog,
        pet_folder / MANIFEST,
        plan,
        rig_at(60.0),
        subject="P07",
        session=99,
    )


def test_a_session_folder_holds_all_that_is_needed_later(
    outcome: Outcome, tmp_path: Path, pet_folder: Path
) -> None:
    names = {path.name for path in outcome.folder.iterdir()}
    assert names == {LOG_NAME, "plan.json", "protocol.toml", "rig.toml", MANIFEST, "lists"}
    for name, data in {
        "protocol.toml": (tmp_path / "tiny_protocol.toml").read_bytes(),
        "rig.toml": RIG,
        "lists/two.csv": TABLE,
        MANIFEST: (pet_folder / MANIFEST).read_bytes(),
    }.items():
        assert (outcome.folder / name).read_bytes() == data


def test_the_protocol_of_a_session_folder_can_be_read_again(outcome: Outcome) -> None:
    again = read_protocol(outcome.folder / "protocol.toml")
    assert again.protocol.pictures.ids == ("dog", "cat")


def test_the_header_lets_every_copy_be_verified(outcome: Outcome) -> None:
    header = read_log(outcome.folder).header
    digests = {
        name: hashlib.sha256((outcome.folder / name).read_bytes()).hexdigest()
        for name in ("protocol.toml", "plan.json", MANIFEST)
    }
    assert header.protocol_sha256 == digests["protocol.toml"]
    assert header.plan_sha256 == digests["plan.json"]
    assert header.catalog_sha256 == digests[MANIFEST]


def test_the_header_says_who_what_when_and_with_what(outcome: Outcome) -> None:
    header = read_log(outcome.folder).header
    assert (header.subject, header.protocol, header.catalog) == ("P07", "tiny", "pets")
    assert (header.session, header.seed, header.rig) == (99, 3, "simulated")
    started = datetime.fromisoformat(header.started)
    assert started.tzinfo is not None
    assert abs((datetime.now().astimezone() - started).total_seconds()) < 60
    assert {"imagery", "python", "os", "psychopy", "pyserial"} <= set(header.software)


def test_an_override_of_the_flash_limit_is_in_plan_and_log(outcome: Outcome) -> None:
    approved = {"flashes_per_s": 4.0, "approved_by": "Dr Who", "reason": "no epilepsy"}
    plan = json.loads((outcome.folder / "plan.json").read_text(encoding="utf-8"))
    assert read_log(outcome.folder).header.safety == plan["safety"] == approved


def test_the_log_tells_how_the_session_ended(outcome: Outcome) -> None:
    ending = read_log(outcome.folder).ending
    assert outcome.how == "completed"
    assert ending == {"how": "completed", **outcome.counts}
    assert outcome.counts["presentations"] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such rights")
def test_only_the_owner_can_read_a_session(outcome: Outcome) -> None:
    within = [*outcome.folder.rglob("*"), outcome.folder, outcome.folder.parent]
    for path in within:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_folder_is_named_after_subject_day_protocol_and_number(tmp_path: Path) -> None:
    today = f"{datetime.now():%Y-%m-%d}"
    made = [new_folder(tmp_path / "data", "P07", "screening") for _ in range(2)]
    assert [p.relative_to(tmp_path).as_posix() for p in made] == [
        f"data/P07/{today}_screening_{n}" for n in (1, 2)
    ]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "P07").write_text("a file")
    with pytest.raises(UserError) as error:
        new_folder(tmp_path, "P07", "screening")
    assert str(error.value) == f"{tmp_path}/P07: no folder can be made here: File exists"


@pytest.mark.parametrize("subject", ["P07", "p-7_b", "0", "A" * 32])
def test_a_plain_subject_code_is_taken(subject: str) -> None:
    check_subject(subject)


@pytest.mark.parametrize("subject", ["", "../P07", "P/07", "P 07", ".P07", "A" * 33, "P07\n", "Ä"])
def test_a_subject_that_is_no_plain_code_is_refused(subject: str) -> None:
    with pytest.raises(UserError) as error:
        check_subject(subject)
    assert str(error.value) == (
        f"subject {subject!r}: use a code of letters, digits, '-' and '_' (at most 32), no name"
    )


def test_session_numbers_fit_the_lines_and_differ() -> None:
    drawn = [new_session_number() for _ in range(100)]
    assert len(set(drawn)) > 95
    seeded = [new_session_number(seed) for seed in range(100)]
    assert len(set(seeded)) == 100
    assert all(0 <= n < MAX_SESSION for n in drawn + seeded)
    assert new_session_number(5) == seeded[5]


@pytest.mark.parametrize(
    ("refresh_hz", "fits"),
    [(60.0, True), (59.94, True), (60.59, True), (60.61, False), (59.39, False), (120.0, False)],
)
def test_a_display_within_one_percent_of_the_plan_will_do(
    refresh_hz: float, fits: bool, plan_of: PlanOf
) -> None:
    plan, rig = plan_of("[screening]\n"), rig_at(60.0)
    rig.display.description["measured_hz"] = refresh_hz
    if fits:
        check_refresh(plan, rig)
        return
    with pytest.raises(RigError) as error:
        check_refresh(plan, rig)
    assert str(error.value) == (
        f"the display runs at {refresh_hz:.2f} Hz, the plan is for 60 Hz;"
        " set the display, or the rig file's refresh_hz"
    )


def test_a_rig_gives_back_its_port_before_its_display() -> None:
    rig, closed = rig_at(60.0), []
    port, display = rig.port, rig.display
    port.close = lambda: closed.append("port")  # type: ignore[method-assign]
    display.close = lambda: closed.append("display")  # type: ignore[method-assign]
    replace(rig).close()
    assert closed == ["port", "display"]
