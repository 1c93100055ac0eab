"""No trigger device is a device, too."""

from task.rigs.triggers import open_port
from task.triggers import NoTriggers


def test_a_rig_without_a_box_takes_codes_for_the_log_only() -> None:
    port = open_port(NoTriggers(device="none"))
    assert port.set(9).done
    assert port.reopen()
    assert port.description == {"device": "none"}
    assert (port.pulse_s, port.gap_s) == (0.005, 0.005)
    port.close()
