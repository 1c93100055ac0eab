import numpy as np
import pandas as pd
import pytest

from analysis.recording import Units, unit_label


def test_a_unit_is_asked_for_by_its_name() -> None:
    table = pd.DataFrame({"channel": [3, 11]}, index=["A3_1", "A11_1"])
    units = Units(table, (np.array([1.0, 2.0]), np.array([3.0])))
    assert units.spikes_of("A11_1").tolist() == [3.0]
    with pytest.raises(ValueError, match="A4_1"):
        units.spikes_of("A4_1")


def test_a_name_tells_channel_and_cell() -> None:
    assert unit_label(channel=17, cell=2) == "A17_2"
