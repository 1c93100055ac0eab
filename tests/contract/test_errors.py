"""Errors for a person: every fault on a line of its own."""

from pathlib import Path

import pytest

from task.contract import errors
from task.contract.errors import Fault, FileError, PlanError, UserError


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(Path("p.toml"), 3, "a.b", "is missing"), "p.toml:3: a.b: is missing"),
        (Fault(Path("p.toml"), 3, "", "is not TOML"), "p.toml:3: is not TOML"),
        (Fault(Path("p.toml"), None, "name", "is missing"), "p.toml: name: is missing"),
        (Fault(Path("p.toml"), None, "", "cannot be read"), "p.toml: cannot be read"),
    ],
)
def test_a_fault_names_what_is_known_of_its_place(fault: Fault, expected: str) -> None:
    assert str(fault) == expected


def test_all_faults_of_a_file_are_in_one_message() -> None:
    faults = [Fault(Path("p.toml"), n, "", "is wrong") for n in (1, 2)]
    assert str(FileError(faults)) == "p.toml:1: is wrong\np.toml:2: is wrong"
    assert FileError(faults).faults == tuple(faults)


def test_a_plan_error_names_the_keys() -> None:
    error = PlanError([(("screening", "image_s"), "too short"), (("codes",), "clash")])
    assert str(error) == "screening.image_s: too short\ncodes: clash"


def test_every_error_for_a_person_is_a_user_error() -> None:
    kinds = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, Exception)]
    assert len(kinds) == 9
    assert all(issubclass(kind, UserError) for kind in kinds)
