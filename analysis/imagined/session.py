"""What every question to a session of imagery starts from: its cues, and what was seen before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.responses import Window
from analysis.space import ObjectSpace

BEFORE_S = 1.0  # time courses begin so long before the cue


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What is known of a session's units from the pictures of screening.

    Attributes
    ----------
    views, before : rates of single views, in the response window and before any response, Hz,
        (n_views, n_units); index: picture
    view_blocks : of each view
    rates : mean rates, Hz, (n_images, n_units); index: picture
    space : of these pictures
    responsive : whether each unit was found to respond, or to follow an axis
    """

    views: pd.DataFrame
    before: pd.DataFrame
    view_blocks: pd.Series
    rates: pd.DataFrame
    space: ObjectSpace
    responsive: pd.Series


@dataclass(frozen=True, slots=True, eq=False)
class Cued:
    """A session of imagery as it was, for what looks at single spikes.

    Attributes
    ----------
    spikes : ascending spike times of every unit, s
    cues : one row per cue, in the order of time; `item`, `block`, `onset_s` (of the cue), `rating`
    before_s, during_s : windows before the cue and of imagery, relative to the cue
    encoded : one row per view of the items before they were imagined; `item`, `block`, `onset_s`
    encoding : rates of these views, Hz, (n_views, n_units); index: item
    """

    spikes: Mapping[Any, NDArray[np.floating]]
    cues: pd.DataFrame
    before_s: Window
    during_s: Window
    encoded: pd.DataFrame
    encoding: pd.DataFrame

    @property
    def encoding_blocks(self) -> pd.Series:
        """Of each view of the items."""
        return self.encoded["block"].reset_index(drop=True)

    @property
    def span_s(self) -> Window:
        """What time courses look at."""
        return -BEFORE_S, self.during_s[1]
