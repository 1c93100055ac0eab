"""No trigger device is a device, too."""

from task.rigs.triggers import open_port
from task.triggers import NoTriggers, Simulated


def test_a_rig_without_a_box_takes_codes_for_the_log_only() -> None:
    for triggers in (NoTriggers(device="none"), Simulated(device="simulated", pulse_s=0.01)):
        port = open_port(triggers)
        assert port.set(9).done
        assert port.reopen()
        assert port.description == {"device": triggers.device}
        assert (port.pulse_s, port.gap_s) == (triggers.pulse_s, 0.005)
        port.close()
