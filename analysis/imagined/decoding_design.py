"""What a design of imagined items asks and what it would ask had it come out otherwise.

Answers under every relabelling are worked out here at once, without a word on what decoded them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.imagined.blocks import without_trends
from analysis.imagined.decoders import shrunk_noise
from analysis.imagined.trials import ImageryTrials, without_block_means
from analysis.inference import SAME, label_swaps, permutation_p
from analysis.labels import some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Question = Literal["block", "session"]
# Labels (n_trials, n_relabellings) -> evidence (n_asked, n_relabellings or 1, n_items).
Scores = Callable[[IntArray], FloatArray]

_NUMBERS_AT_ONCE = 4_000_000  # of evidence under relabellings


@dataclass(frozen=True, slots=True)
class Design:
    """Trials that can be asked or trained on, and every way their labels might have come out.

    Attributes
    ----------
    rows : of the trials in `ImageryTrials`, (n,)
    codes : item of each trial, (n,), as a position in `names`
    names : the items
    blocks : of each trial as a number, (n,)
    asked : which trials are asked, (n,)
    relabelled : codes under every relabelling, (n, n_relabellings)
    exact : whether these are all
    table : `block` and `item` of each trial
    skipped : why other blocks are not asked
    """

    rows: IntArray
    codes: IntArray
    names: pd.Index
    blocks: IntArray
    asked: NDArray[np.bool_]
    relabelled: IntArray
    exact: bool
    table: pd.DataFrame
    skipped: pd.Series

    def settled(self, values: FloatArray) -> FloatArray:
        """Rates less the mean and the trend of their block, the same under every relabelling."""
        return without_trends(values, self.codes, self.blocks)

    def candidates(self, question: Question) -> NDArray[np.bool_]:
        """Items among which each asked trial is read, (n_asked, n_items)."""
        if question == "session":
            return np.ones((int(self.asked.sum()), len(self.names)), dtype=bool)
        items = self.codes[:, None] == np.arange(len(self.names))
        together = self.blocks[self.asked][:, None] == self.blocks
        return np.asarray((together.astype(float) @ items) > 0)


def design_of(trials: ImageryTrials, known: pd.Index | None, seed: int) -> Design:
    """What can be asked of a decoder that knows these items; None: of one trained on other blocks.

    Raises
    ------
    AnalysisError
        If nothing can be asked.
    """
    table = pd.DataFrame({"block": trials.block, "item": trials.item})
    items_of = table.groupby("block", sort=False)["item"].unique()
    skipped: dict[Any, str] = {}
    for block, items in items_of.items():
        unknown = [] if known is None else [i for i in items if i not in known]
        if len(items) < 2:
            skipped[block] = f"only item {items[0]!r}: nothing to choose between"
        elif unknown:
            skipped[block] = f"the decoder does not know {some(unknown)}"
    usable = ~table["block"].isin(list(skipped)).to_numpy()
    _refuse_none(usable, items_of, skipped)
    asked = np.ones(int(usable.sum()), dtype=bool)
    used = table[usable]
    if known is None:
        asked = _elsewhere(used, skipped)
    codes, names = pd.factorize(used["item"])
    blocks, _ = pd.factorize(used["block"])
    swaps = label_swaps(used["item"], used["block"], seed)
    return Design(
        rows=np.flatnonzero(usable),
        codes=codes,
        names=pd.Index(names),
        blocks=blocks,
        asked=asked,
        relabelled=swaps.rows.T,
        exact=swaps.exact,
        table=used,
        skipped=pd.Series(skipped, dtype=object, name="skipped").rename_axis("block"),
    )


def _refuse_none(
    usable: NDArray[np.bool_], items_of: pd.Series, skipped: Mapping[Any, str]
) -> None:
    if not usable.any():
        reasons = "; ".join(f"block {block!r}: {why}" for block, why in skipped.items())
        raise AnalysisError(f"imagery: none of {len(items_of)} blocks can be read: {reasons}")


def _elsewhere(used: pd.DataFrame, skipped: dict[Any, str]) -> NDArray[np.bool_]:
    """Trials of blocks whose items all live in another block too."""
    pairs = used.drop_duplicates()
    homes = pairs.groupby("item")["block"].nunique()
    if pairs["block"].nunique() < 2:
        raise AnalysisError(
            f"imagery: training on other blocks needs two blocks of two items, not"
            f" {pairs['block'].nunique()}"
        )
    if not used.duplicated().any():
        raise AnalysisError("imagery: no item has two trials in one block, to know the noise")
    for block, items in pairs.groupby("block", sort=False)["item"]:
        lonely = [item for item in items if homes[item] < 2]
        if lonely:
            skipped[block] = f"{some(lonely)} is in no other block"
    asked = ~used["block"].isin(list(skipped)).to_numpy()
    if not asked.any():
        raise AnalysisError(
            f"imagery: no block has all its items in another block, on which to train; alone are"
            f" {some(homes.index[homes < 2])}"
        )
    return asked


def fixed_scores(values: FloatArray, weights: FloatArray) -> Scores:
    """Evidence of a decoder that the labels of imagery did not train."""
    evidence = (values @ weights)[:, None, :]
    return lambda labels: evidence


def similarity(design: Design, training: FloatArray, tested: FloatArray) -> FloatArray:
    """Inner product of asked trials with training trials over the noise, (n_asked, n).

    The noise for a block is the scatter around item means in the other blocks.  Exchanging the
    items of a block leaves it as it is, so that one product serves all relabellings.  0 where a
    training trial lies in the block of the test.
    """
    cells = design.blocks * len(design.names) + design.codes
    residuals = without_block_means(training, cells)
    inner = np.zeros((int(design.asked.sum()), len(cells)))
    blocks = design.blocks[design.asked]
    for block in np.unique(blocks):
        others = design.blocks != block
        n_free = int(others.sum()) - len(np.unique(cells[others]))
        noise = shrunk_noise(residuals[others], n_free)
        if noise is not None:
            test = tested[design.blocks == block]
            inner[np.ix_(blocks == block, others)] = test @ noise.whiten(training[others].T)
    return inner


def across_scores(design: Design, inner: FloatArray) -> Scores:
    """Evidence of decoders trained on the other blocks, anew under every relabelling."""
    in_block = (design.blocks == np.arange(design.blocks.max() + 1)[:, None]).astype(float)
    own = design.blocks[design.asked]

    def scores(labels: IntArray) -> FloatArray:
        named = (labels[:, :, None] == np.arange(len(design.names))).astype(float)
        flat = named.reshape(len(labels), -1)
        counts = in_block @ flat
        others = (counts.sum(axis=0) - counts)[own]
        sums = inner @ flat
        return np.asarray((sums / np.maximum(others, 1)).reshape(len(inner), *named.shape[1:]))

    return scores


def answers(
    scores: FloatArray, labels: IntArray, candidates: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray]:
    """How right each trial is and its evidence, under every relabelling, (n_trials, n_labels)."""
    among = candidates[:, None, :]
    most = np.where(among, scores, -np.inf).max(axis=2, keepdims=True)
    best = among & (scores >= most - SAME * np.abs(scores).max(initial=0.0))
    shape = (*labels.shape, scores.shape[2])
    chosen = labels[:, :, None]

    def of_label(values: FloatArray) -> FloatArray:
        return np.take_along_axis(np.broadcast_to(values, shape), chosen, axis=2)[:, :, 0]

    correct = of_label(best / best.sum(axis=2, keepdims=True))
    own = of_label(scores)
    total = np.where(among, scores, 0.0).sum(axis=2)
    others = candidates.sum(axis=1)[:, None] - 1
    return correct, own - (total - own) / others


def relabelled_answers(design: Design, scores: Scores, question: Question) -> FloatArray:
    """Mean correctness and mean evidence under every relabelling, (n_relabellings, 2)."""
    candidates = design.candidates(question)

    def means(labels: IntArray) -> FloatArray:
        found = answers(scores(labels), labels[design.asked], candidates)
        return np.stack([of_trials.mean(axis=0) for of_trials in found])

    return np.concatenate([means(labels) for labels in _portions(design)], axis=1).T


def _portions(design: Design) -> Iterator[IntArray]:
    """Relabellings in portions that fit the memory, (n, portion)."""
    size = max(1, _NUMBERS_AT_ONCE // (len(design.codes) * len(design.names)))
    n = design.relabelled.shape[1]
    return (design.relabelled[:, start : start + size] for start in range(0, n, size))


def smallest_p(design: Design, any_scores: Scores, question: Question) -> float:
    """Share of relabellings that the design forces to the same evidence, the observed one's.

    Seen on rates drawn at random, which agree by force only.
    """
    codes = design.codes[:, None]
    _, evidence = answers(any_scores(codes), codes[design.asked], design.candidates(question))
    null = relabelled_answers(design, any_scores, question)[:, 1]
    alike = np.isclose(null, evidence.mean(), rtol=1e-9, atol=0.0)
    return float(permutation_p(1.0, alike.astype(float), exact=design.exact))


def any_rates(design: Design) -> tuple[FloatArray, FloatArray]:
    """Random rates of four units, and random weights for them."""
    rng = np.random.default_rng(0)
    values = design.settled(rng.standard_normal((len(design.codes), 4)))
    return values, rng.standard_normal((4, len(design.names)))
