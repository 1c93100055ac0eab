"""A red light stops a session, unless somebody answers for it by name."""

import pytest

from task.contract.errors import RigError, UserError
from task.preflight.lights import (
    NAMES,
    Attempt,
    Check,
    Light,
    attempt,
    merged,
    read_overrides,
    refuse_on_red,
    worst,
)

MIRRORED = Check("mirrored", Light.RED, "two screens show the same", "unplug one")
POWER = Check("power", Light.RED, "no charger, battery 12 %", "plug the charger in")
PORT = Check("port", Light.RED, "the trigger port 'COM3' cannot be opened", essential=True)
SLEEP = Check("sleep", Light.YELLOW, "nothing keeps the machine awake")
FINE = Check("display", Light.GREEN, "1280 x 800 px")
UNKNOWN = Check("sweep", Light.GREY, "nobody was asked")


def test_every_red_light_is_told_at_once_and_how_to_answer_for_it() -> None:
    with pytest.raises(RigError) as refused:
        refuse_on_red([FINE, MIRRORED, SLEEP, POWER], {})
    assert str(refused.value) == (
        "not ready for a patient:\n"
        "  mirrored: two screens show the same; unplug one\n"
        "  power: no charger, battery 12 %; plug the charger in\n"
        "mend this, or have somebody answer for it by name:"
        ' --override mirrored="Dr. Jane Doe" --override power="Dr. Jane Doe"'
    )


def test_a_person_answers_for_one_light_and_not_for_the_others() -> None:
    with pytest.raises(RigError) as refused:
        refuse_on_red([MIRRORED, POWER], {"mirrored": "Dr. Roe"})
    assert str(refused.value) == (
        "not ready for a patient:\n"
        "  power: no charger, battery 12 %; plug the charger in\n"
        'mend this, or have somebody answer for it by name: --override power="Dr. Jane Doe"'
    )


def test_the_log_learns_of_the_overrides_that_were_needed() -> None:
    overrides = {"mirrored": "Dr. Roe", "clock": "Dr. Roe"}
    assert refuse_on_red([FINE, MIRRORED, SLEEP, UNKNOWN], overrides) == {"mirrored": "Dr. Roe"}
    assert refuse_on_red([FINE, SLEEP, UNKNOWN], {}) == {}


def test_nobody_can_answer_for_what_a_session_cannot_do_without() -> None:
    with pytest.raises(RigError) as refused:
        refuse_on_red([PORT, POWER], {"port": "Dr. Roe", "power": "Dr. Roe"})
    assert str(refused.value) == (
        "not ready for a patient:\n"
        "  port: the trigger port 'COM3' cannot be opened\n"
        "nobody can answer for: port"
    )


def test_overrides_are_read_from_the_command_line() -> None:
    given = ["refresh=Dr. Jane Doe", "power = Dr. Roe"]
    assert read_overrides(given) == {"refresh": "Dr. Jane Doe", "power": "Dr. Roe"}


def test_all_that_is_wrong_with_overrides_is_told_at_once() -> None:
    with pytest.raises(UserError) as refused:
        read_overrides(["refersh=Dr. Doe", "xyz=Dr. Doe", "power", "clock="])
    assert str(refused.value).splitlines() == [
        "--override refersh=Dr. Doe: no such check (did you mean 'refresh'?)",
        f"--override xyz=Dr. Doe: no such check; there are {', '.join(NAMES)}",
        '--override power: say who answers for it: --override power="Dr. Jane Doe"',
        '--override clock=: say who answers for it: --override clock="Dr. Jane Doe"',
    ]


@pytest.mark.parametrize(
    ("checks", "light"),
    [
        ([], Light.GREEN),
        ([FINE, UNKNOWN], Light.GREEN),
        ([FINE, SLEEP, UNKNOWN], Light.YELLOW),
        ([FINE, SLEEP, POWER], Light.RED),
    ],
)
def test_the_worst_light_is_the_verdict(checks: list[Check], light: Light) -> None:
    assert worst(checks) is light


def test_an_answer_takes_the_place_of_a_question() -> None:
    answered = Check("sweep", Light.GREEN, "the recorder saw all eight lines")
    assert merged([POWER, UNKNOWN, FINE], [answered]) == [FINE, answered, POWER]


def test_what_a_user_did_wrong_is_kept_and_what_we_did_is_not() -> None:
    def refuse() -> int:
        raise RigError("no display")

    def fail() -> int:
        raise ValueError("a bug")

    assert attempt(lambda: 3) == Attempt(3)
    assert attempt(refuse) == Attempt(None, "no display")
    with pytest.raises(ValueError, match="a bug"):
        attempt(fail)
