"""Which item was imagined, read from the population on every cued trial.

Two questions are put to each trial: which of the items of its *block* (two in the study), and which
of all items of the *session*.

Every trial is taken relative to its block: to the mean of all trials of the block, whatever was
imagined on them, and to a straight line through them.  That takes drift out, which otherwise
betrays the item, because every item lives in few blocks and often comes first or second in both.
It leaks nothing: mean and line are the same whichever cue stood for which item, so that what is
left is the same numbers under every labelling that chance is made of.  (It does use trials that
came later; a device that must answer at once could not.)  What all items of a block have in common
goes with the mean, which is why the question about the session is the harder one.

Chance is what the design gives: the items of each block exchanged on all its trials together
(`analysis.inference.label_swaps`), as if the draw of their order had come out otherwise.  Rates may
drift and remember as they like.  It is not 1 / number of items, and trials of one block are never
independent answers.  Where the order was not drawn block by block, as in the published designs, the
line is what keeps a trend within blocks from passing for an item.

The original study's support vector machine, cross-validated over trials of the same blocks, is not
offered: the classifier adds a dependency and nothing else, and that validation reads drift.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.imagined.decoders import ItemDecoder, axis_decoder, template_decoder
from analysis.imagined.decoding_design import (
    Design,
    Question,
    Scores,
    across_scores,
    answers,
    any_rates,
    design_of,
    fixed_scores,
    relabelled_answers,
    similarity,
    smallest_p,
)
from analysis.imagined.trials import ImageryTrials
from analysis.inference import N_SAMPLED, permutation_p
from analysis.labels import refuse_gaps, some
from analysis.prediction import unvarying
from analysis.space import ObjectSpace
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
ACROSS = "imagery of other blocks"


@dataclass(frozen=True, slots=True)
class Reading:
    """Answers to one question.

    Attributes
    ----------
    trials : one row per trial that was asked, labelled as in `ImageryTrials`: `block`, `item`,
        `read` (the item that was read), `correct` (1 or 0; a tie shares the 1), `evidence` (for the
        cued item, less the mean for the others in question; in log odds at the strength of the
        training trials)
    accuracy : mean of `correct`
    accuracy_low, accuracy_high : 95 % interval over blocks (see `accuracy_interval`)
    evidence : mean of `evidence`
    p : of `evidence`, one-sided: the declared test, more powerful than that of the accuracy
    p_accuracy : the same of `accuracy`
    chance, chance_low, chance_high : mean and central 95 % of the accuracy under the null
    smallest_p : least `p` that the design can give
    null : `accuracy` and `evidence` under every relabelling, one row each
    exact : whether these are all there are
    """

    trials: pd.DataFrame
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    evidence: float
    p: float
    p_accuracy: float
    chance: float
    chance_low: float
    chance_high: float
    smallest_p: float
    null: pd.DataFrame
    exact: bool


@dataclass(frozen=True, slots=True)
class ImaginedDecoding:
    """What one decoder read.

    Attributes
    ----------
    source : what it was trained on
    block : which of the items of the block; the default, immune to drift between blocks
    session : which of all items
    units : how many units took part
    silent : units that did not, because they never varied in training or in imagery
    skipped : why blocks were not asked; index: block
    """

    source: str
    block: Reading
    session: Reading
    units: int
    silent: tuple[Any, ...]
    skipped: pd.Series


@dataclass(frozen=True, slots=True)
class SessionDecoding:
    """All decoders of a session.

    Attributes
    ----------
    decoded : by source: `viewing` and `encoding` (templates from the items' own trials),
        `object space` (which has never met the items), `imagery of other blocks`
    refused : why there is none, by source
    not_shared : units of the imagery left aside, because viewing or encoding lack them
    """

    decoded: Mapping[str, ImaginedDecoding]
    refused: Mapping[str, str]
    not_shared: tuple[Any, ...]


def decode_session(
    trials: ImageryTrials,
    viewing: pd.DataFrame | None,
    encoding: pd.DataFrame | None,
    space: ObjectSpace | None,
    seed: int = 0,
) -> SessionDecoding:
    """Decode the imagined items in all declared ways, on the units that all have.

    Parameters
    ----------
    viewing, encoding : rates of single trials on which pictures were seen, Hz,
        (n_trials, n_units); index: picture id
    space : object space of the viewed pictures
    seed : of relabellings, where a design has more than 4096
    """
    tables = [table for table in (viewing, encoding) if table is not None]
    units = trials.during.columns
    has_all = np.logical_and.reduce([units.isin(table.columns) for table in tables], axis=0)
    shared = units[np.broadcast_to(has_all, units.shape)]
    kept = replace(trials, before=trials.before[shared], during=trials.during[shared])
    items = pd.Index(trials.item.unique())
    decoders: dict[str, Callable[[], ItemDecoder]] = {}
    if viewing is not None:
        decoders["viewing"] = partial(template_decoder, viewing[shared], items)
    if viewing is not None and space is not None:
        decoders["object space"] = partial(axis_decoder, viewing[shared], space, items)
    if encoding is not None:
        decoders["encoding"] = partial(template_decoder, encoding[shared], items, "encoding")
    decoded, refused = {}, {}
    for name in (*decoders, ACROSS):
        try:
            decoded[name] = (
                decode_across_blocks(kept, seed)
                if name == ACROSS
                else decode_items(kept, decoders[name](), seed=seed)
            )
        except AnalysisError as reason:
            refused[name] = str(reason)
    return SessionDecoding(decoded, refused, tuple(units.difference(shared, sort=False)))


def decode_items(trials: ImageryTrials, decoder: ItemDecoder, seed: int = 0) -> ImaginedDecoding:
    """Read imagined items by a decoder trained on trials without imagery.

    Under the null only the labels of the imagined trials are exchanged: what was seen was seen.

    Parameters
    ----------
    seed : of relabellings, where a design has more than 4096

    Raises
    ------
    AnalysisError
        If the decoder was trained on other units, no block has two items that it knows, or rates
        are not finite.
    """
    rates = same_units(trials.during, decoder)
    design = design_of(trials, decoder.weights.columns, seed=seed)
    values = rates.to_numpy(dtype=float)[design.rows]
    weights = decoder.weights[design.names].to_numpy()
    silent = unvarying(values) | rates.columns.isin(decoder.silent)
    return _decoding(
        decoder.source,
        design,
        rates.columns[silent],
        int((~silent).sum()),
        fixed_scores(design.settled(values), weights),
        fixed_scores(*any_rates(design)),
    )


def decode_across_blocks(trials: ImageryTrials, seed: int = 0) -> ImaginedDecoding:
    """Read imagined items by what was imagined in the *other* blocks.

    The patterns for a block are the means of the centred trials of each item in the other blocks,
    and so is the noise around them; trials of one block never stand on both sides.  Under the null
    the labels are exchanged in the training blocks too, and the decoder is trained anew.

    Parameters
    ----------
    seed : of relabellings, where a design has more than 4096

    Raises
    ------
    AnalysisError
        If there are fewer than two blocks of two items, no block has all its items in another one,
        no item has two trials in one block, no unit varies, or rates are not finite.

    Notes
    -----
    In a block of two items the pattern of one is that of the other turned round.  Exchanging the
    items in *all* blocks that hang together through their items therefore changes nothing: the
    smallest p is 2 / 256 for eight blocks that all do, and 4 / 64 for six that fall into two
    groups, however well items can be told apart.  `smallest_p` says so.
    """
    refuse_bad_rates(trials.during)
    design = design_of(trials, None, seed=seed)
    rates = trials.during.to_numpy(dtype=float)[design.rows]
    silent = unvarying(rates)
    if silent.all():
        raise AnalysisError("imagery: no unit varies")
    values, probe = design.settled(rates), any_rates(design)[0]
    return _decoding(
        ACROSS,
        design,
        trials.during.columns[silent],
        int((~silent).sum()),
        across_scores(design, similarity(design, values, values)),
        across_scores(design, similarity(design, probe, probe)),
    )


def population_decoding(
    sessions: Sequence[ImaginedDecoding], question: Question = "block", seed: int = 0
) -> pd.Series:
    """Whether imagined items can be read in all sessions together.

    Parameters
    ----------
    sessions : the same decoder in each session
    seed : of combinations of relabellings, where there are several sessions

    Returns
    -------
    Series
        `sessions`, `trials`; `accuracy` over all trials and its `chance`; `evidence`, mean of all
        trials; `p` of the evidence and `p_accuracy`, every session relabelled independently of the
        others; `smallest_p`.  Evidence is summed as it is: sessions whose units tell more weigh
        more.  Nothing is said here of other patients than these.

    Raises
    ------
    AnalysisError
        If there is no session.
    """
    if not sessions:
        raise AnalysisError("decoding of imagined items: no session")
    readings: list[Reading] = [getattr(session, question) for session in sessions]
    trials = np.array([len(reading.trials) for reading in readings])
    exact = len(readings) == 1 and readings[0].exact
    null = [reading.null.to_numpy() for reading in readings]
    if len(readings) > 1:
        rng = np.random.default_rng(seed)
        null = [rng.choice(of_session, N_SAMPLED) for of_session in null]
    sums = sum(n * of_session for n, of_session in zip(trials, null, strict=True)) / trials.sum()
    observed = np.array([[r.accuracy, r.evidence] for r in readings])
    accuracy, evidence = trials @ observed / trials.sum()
    p_accuracy, p = permutation_p([accuracy, evidence], sums, exact=exact)
    least = float(np.prod([reading.smallest_p for reading in readings]))
    found: dict[str, float] = {
        "sessions": len(readings),
        "trials": int(trials.sum()),
        "accuracy": float(accuracy),
        "chance": float(sums[:, 0].mean()),
        "evidence": float(evidence),
        "p": float(p),
        "p_accuracy": float(p_accuracy),
        "smallest_p": least if exact else max(least, 1 / (1 + len(sums))),
    }
    return pd.Series(found)


def accuracy_interval(
    correct: pd.Series, blocks: pd.Series, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of an accuracy whose answers go together within blocks.

    Clopper-Pearson with the number of independent answers that would scatter as the blocks do, at
    most that of the trials (Korn & Graubard 1998, Survey Methodology 24:193).  Shared training,
    as across blocks of one session, is not part of it.

    Returns
    -------
    low, high : NaN with fewer than two blocks
    """
    groups = correct.groupby(blocks)
    n_blocks, n_trials, accuracy = groups.ngroups, len(correct), float(correct.mean())
    if n_blocks < 2:
        return np.nan, np.nan
    excess = (groups.sum() - accuracy * groups.size()).to_numpy(dtype=float)
    variance = n_blocks / (n_blocks - 1) * float(excess @ excess) / n_trials**2
    single = accuracy * (1 - accuracy)
    of_trials, of_blocks = (
        float(scipy.stats.t.ppf((1 + confidence) / 2, n - 1)) for n in (n_trials, n_blocks)
    )
    answers = float(n_trials)
    if variance > 0 and single > 0:
        answers = min(answers, single / variance * (of_trials / of_blocks) ** 2)
    right, tail = accuracy * answers, (1 - confidence) / 2
    low = scipy.stats.beta.ppf(tail, right, answers - right + 1) if right > 0 else 0.0
    high = scipy.stats.beta.ppf(1 - tail, right + 1, answers - right) if right < answers else 1.0
    return float(low), float(high)


def _decoding(
    source: str, design: Design, silent: pd.Index, units: int, scores: Scores, any_scores: Scores
) -> ImaginedDecoding:
    return ImaginedDecoding(
        source,
        _reading(design, scores, any_scores, "block"),
        _reading(design, scores, any_scores, "session"),
        units,
        tuple(silent),
        design.skipped,
    )


def _reading(design: Design, scores: Scores, any_scores: Scores, question: Question) -> Reading:
    candidates, codes = design.candidates(question), design.codes[:, None]
    seen = scores(codes)
    correct, evidence = (a[:, 0] for a in answers(seen, codes[design.asked], candidates))
    read = np.where(candidates, seen[:, 0], -np.inf).argmax(axis=1)
    table = design.table[design.asked].assign(
        read=design.names[read], correct=correct, evidence=evidence
    )
    null = pd.DataFrame(
        relabelled_answers(design, scores, question), columns=["accuracy", "evidence"]
    )
    accuracy, mean = float(correct.mean()), float(evidence.mean())
    p_accuracy, p = permutation_p([accuracy, mean], null.to_numpy(), exact=design.exact)
    low, high = accuracy_interval(table["correct"], table["block"])
    chance_low, chance_high = np.quantile(null["accuracy"], [0.025, 0.975])
    return Reading(
        trials=table,
        accuracy=accuracy,
        accuracy_low=low,
        accuracy_high=high,
        evidence=mean,
        p=float(p),
        p_accuracy=float(p_accuracy),
        chance=float(null["accuracy"].mean()),
        chance_low=float(chance_low),
        chance_high=float(chance_high),
        smallest_p=smallest_p(design, any_scores, question),
        null=null,
        exact=design.exact,
    )


def same_units(during: pd.DataFrame, decoder: ItemDecoder) -> pd.DataFrame:
    """Rates in imagery, units in the order of the decoder, which must be the same ones."""
    refuse_bad_rates(during)
    units = decoder.weights.index
    if missing := list(units.symmetric_difference(during.columns)):
        raise AnalysisError(
            f"{decoder.source}: the decoder and the imagery must have the same units; only one of"
            f" them has {some(missing)}"
        )
    return during[units]


def refuse_bad_rates(during: pd.DataFrame) -> None:
    """Refuse two units of one name, and rates that are no numbers."""
    if during.columns.has_duplicates:
        doubles = some(during.columns[during.columns.duplicated()].unique())
        raise AnalysisError(f"imagery: more than one unit named {doubles}")
    refuse_gaps(during, "imagery")
