"""Power, clock, and all of this machine at once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from task.preflight.facts import Power, Screens
from task.rigs.machine import look, power

Tree = Callable[..., Path]


SUPPLY = "sys/class/power_supply"
MAINS = {f"{SUPPLY}/AC/type": "Mains\n", f"{SUPPLY}/AC/online": "1\n"}
BATTERY = {
    f"{SUPPLY}/BAT0/type": "Battery\n",
    f"{SUPPLY}/BAT0/present": "1\n",
    f"{SUPPLY}/BAT0/capacity": "81\n",
    f"{SUPPLY}/BAT0/status": "Discharging\n",
}
MOUSE = {
    f"{SUPPLY}/hidpp_battery_0/type": "Battery\n",
    f"{SUPPLY}/hidpp_battery_0/scope": "Device\n",
    f"{SUPPLY}/hidpp_battery_0/capacity": "5\n",
}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (MAINS, Power(True)),
        (MAINS | MOUSE, Power(True)),
        (MAINS | BATTERY, Power(True, 81.0)),
        (BATTERY | MAINS | {f"{SUPPLY}/AC/online": "0\n"}, Power(False, 81.0)),
        (BATTERY, Power(False, 81.0)),
        (BATTERY | {f"{SUPPLY}/BAT0/status": "Full\n"}, Power(True, 81.0)),
        (
            BATTERY
            | {
                f"{SUPPLY}/BAT1/type": "Battery\n",
                f"{SUPPLY}/BAT1/capacity": "21\n",
                f"{SUPPLY}/BAT1/status": "Unknown\n",
            },
            Power(False, 51.0),
        ),
        (MAINS | BATTERY | {f"{SUPPLY}/BAT0/present": "0\n"}, Power(True)),
        ({}, None),
    ],
)
def test_charger_and_battery(tree: Tree, files: dict[str, str], expected: Power | None) -> None:
    assert power(tree(files)) == expected


def test_this_machine_is_looked_at_quickly(tmp_path: Path) -> None:
    import time

    start_s = time.perf_counter()
    found = look(tmp_path, held=("caffeinate",))
    assert time.perf_counter() - start_s < 3
    assert found.system in ("Linux", "Windows", "Darwin")
    assert found.held == ("caffeinate",)
    assert found.disk.error == "" and found.screens == Screens()
    assert found.memory_bytes is not None and found.memory_bytes > 1_000_000
    assert found.load is not None and 0 <= found.load <= 1
    assert 0 < found.clock.tick_s < 0.1 and found.clock.now.tzinfo is not None
