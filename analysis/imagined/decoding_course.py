"""When imagined items can be read: decoding in windows that slide past the cue.

Every window is decoded as `analysis.imagined.decoding` decodes the whole of imagery, relative to
its own block means and trends.  One relabelling serves all windows, so that the largest statistic
over the windows has a null too: `p_familywise` says how often chance would do as well *anywhere*
(Nichols & Holmes 2002, doi:10.1002/hbm.1058), however the windows overlap.

Windows before the cue are no control where items alternate: the patient knows what comes next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.imagined.decoders import ItemDecoder
from analysis.imagined.decoding import ACROSS, refuse_bad_rates, same_units
from analysis.imagined.decoding_design import (
    Design,
    Scores,
    across_scores,
    answers,
    design_of,
    fixed_scores,
    relabelled_answers,
    similarity,
)
from analysis.imagined.trials import ImageryTrials
from analysis.inference import SAME, permutation_p
from analysis.responses import Window, trial_rates
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
Windows = Mapping[Window, pd.DataFrame]


@dataclass(frozen=True, slots=True)
class DecodingCourse:
    """Reading the item of the block, window by window.

    Attributes
    ----------
    source : what the decoder was trained on
    windows : one row per window (`start_s`, `end_s` after the cue, the index; where a decoder of
        one window is tested in another, also `trained_start_s`, `trained_end_s`), with the columns
        `accuracy`; `chance`, `chance_low`, `chance_high`: mean and central 95 % of it under the
        null of this window; `z`: mean evidence, standardised by its null; `p` of the evidence in
        this window alone; `p_familywise`, over all windows.  `z` and both p are NaN in windows
        that tell nothing (no spikes)
    band : accuracy that chance exceeds in *any* window in 5 % of relabellings
    exact : whether the relabellings are all there are
    """

    source: str
    windows: pd.DataFrame
    band: float
    exact: bool


def sliding_rates(
    spikes: Mapping[Any, NDArray[np.floating]],
    cues_s: ArrayLike,
    span_s: Window,
    width_s: float = 0.5,
    step_s: float = 0.25,
) -> dict[Window, pd.DataFrame]:
    """Rates of every unit in windows around the cues.

    Parameters
    ----------
    spikes : ascending spike times of every unit, s
    cues_s : (n_trials,), in the order of the trials of imagery
    span_s : first start and last end, relative to the cue
    width_s, step_s : of the windows; start included, end not

    Returns
    -------
    dict, window to rates, Hz, (n_trials, n_units)

    Raises
    ------
    AnalysisError
        If no window fits the span, or as `analysis.responses.trial_rates`.
    """
    if not (width_s > 0 and step_s > 0):
        raise AnalysisError(f"windows of {width_s:g} s every {step_s:g} s: both must be above 0")
    n = int(np.floor((span_s[1] - span_s[0] - width_s) / step_s + SAME)) + 1
    if n < 1:
        raise AnalysisError(
            f"no window of {width_s:g} s fits between {span_s[0]:g} and {span_s[1]:g} s"
        )
    starts = np.round(span_s[0] + step_s * np.arange(n), 9).tolist()
    windows = [(start, round(start + width_s, 9)) for start in starts]
    cues = np.asarray(cues_s, dtype=float)
    rows = list(range(len(cues)))
    return {
        window: trial_rates(spikes, cues, rows, window).reset_index(drop=True) for window in windows
    }


def decode_course(
    trials: ImageryTrials,
    windows: Windows,
    decoder: ItemDecoder | None = None,
    seed: int = 0,
) -> DecodingCourse:
    """Read the item of the block in every window.

    Parameters
    ----------
    trials : says what was imagined in which block; its rates are not used
    windows : rates in every window, (n_trials, n_units), rows as in `trials`; see `sliding_rates`
    decoder : trained on seen pictures; None: trained on the other blocks, in the same window
    seed : of relabellings, where a design has more than 4096

    Raises
    ------
    AnalysisError
        As `analysis.imagined.decoding.decode_items` and `decode_across_blocks`, or if there is no
        window or one has another number of trials.
    """
    _checked(windows, trials)
    if decoder is None:
        design = design_of(trials, None, seed=seed)
        settled = [_settled(design, table) for table in windows.values()]
        scores = [across_scores(design, similarity(design, x, x)) for x in settled]
        return _course(ACROSS, design, scores, _index(windows))
    known = decoder.weights.columns
    design = design_of(trials, known, seed=seed)
    weights = decoder.weights[design.names].to_numpy()
    scores = [
        fixed_scores(_settled(design, same_units(table, decoder)), weights)
        for table in windows.values()
    ]
    return _course(decoder.source, design, scores, _index(windows))


def decode_generalisation(trials: ImageryTrials, windows: Windows, seed: int = 0) -> DecodingCourse:
    """Train on the other blocks in one window, read in another: is the code steady or moving?

    King & Dehaene 2014, doi:10.1016/j.tics.2014.01.002.  Parameters and errors as in
    `decode_course`; one row for each pair of windows, the family of `p_familywise`.
    """
    _checked(windows, trials)
    design = design_of(trials, None, seed=seed)
    settled = [_settled(design, table) for table in windows.values()]
    scores = [
        across_scores(design, similarity(design, trained, tested))
        for trained in settled
        for tested in settled
    ]
    rows = _index(windows)
    names = [f"trained_{name}" for name in rows.names] + list(rows.names)
    pairs = [(*trained, *tested) for trained in rows for tested in rows]
    return _course(ACROSS, design, scores, pd.MultiIndex.from_tuples(pairs, names=names))


def _course(
    source: str, design: Design, scores: Sequence[Scores], index: pd.MultiIndex
) -> DecodingCourse:
    codes = design.codes[:, None]
    candidates = design.candidates("block")
    observed = np.array(
        [
            [a.mean() for a in answers(of_window(codes), codes[design.asked], candidates)]
            for of_window in scores
        ]
    )
    null = np.stack([relabelled_answers(design, of_window, "block") for of_window in scores])
    accuracy, evidence = null[:, :, 0], null[:, :, 1].T
    centre, spread = evidence.mean(axis=0), evidence.std(axis=0)
    spread[spread <= SAME * np.abs(evidence).max(initial=0.0)] = np.nan
    z, null_z = (observed[:, 1] - centre) / spread, (evidence - centre) / spread
    largest = np.fmax.reduce(null_z, axis=1)[:, None]
    low, high = np.quantile(accuracy, [0.025, 0.975], axis=1)
    table = pd.DataFrame(
        {
            "accuracy": observed[:, 0],
            "chance": accuracy.mean(axis=1),
            "chance_low": low,
            "chance_high": high,
            "z": z,
            "p": permutation_p(z, null_z, exact=design.exact),
            "p_familywise": permutation_p(
                z, np.broadcast_to(largest, null_z.shape), exact=design.exact
            ),
        },
        index=index,
    )
    band = float(np.quantile(accuracy.max(axis=0), 0.95, method="higher"))
    return DecodingCourse(source, table, band, design.exact)


def _checked(windows: Windows, trials: ImageryTrials) -> None:
    if not windows:
        raise AnalysisError("decoding over time needs at least one window")
    for window, rates in windows.items():
        refuse_bad_rates(rates)
        if len(rates) != len(trials.item):
            raise AnalysisError(
                f"the window from {window[0]:g} to {window[1]:g} s has rates of {len(rates)}"
                f" trials, the imagery {len(trials.item)}"
            )


def _settled(design: Design, rates: pd.DataFrame) -> FloatArray:
    return design.settled(rates.to_numpy(dtype=float)[design.rows])


def _index(windows: Windows) -> pd.MultiIndex:
    return pd.MultiIndex.from_tuples(list(windows), names=["start_s", "end_s"])
