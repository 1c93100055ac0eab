"""How many shuffles of the pictures give an axis as good as the one observed.

For every order of the pictures the axis is fitted anew and correlated with the rates.  With centred
columns and an axis ``g = x[order].T @ y``, the correlation of ``x[order] @ g`` with ``y`` is
``g @ g / (sqrt(g @ C @ g) * |y|)``, where ``C = x.T @ x`` is the same in every order: no projection
is ever formed.  In coordinates turned so that C is diagonal, both are sums over the squares of g.

Single precision finds which shuffles are clearly better or clearly worse, by a bound on its
rounding; the few between are decided in double precision.  The count is therefore that of double
precision, whatever the number of threads and whatever other units stand beside.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from analysis.inference import SAME
from analysis.prediction import centred
from analysis.threads import bounded_threads, matrices_on_one_thread

FloatArray = NDArray[np.float64]
SingleArray = NDArray[np.float32]
IntArray = NDArray[np.intp]
# Called with how much is done, and of how much.
Progress = Callable[[int, int], None]

# Rows and columns of one matrix product: large enough that packing them costs little beside it,
# small enough that its result is still in the cache when the squares are summed.
BLOCK_ROWS = 800
BLOCK_UNITS = 512
PAIRS_AT_ONCE = 4096

_ROUNDING = float(np.finfo(np.float32).eps) / 2
_ORTHONORMAL = 1e-12


def shuffled_orders(n_images: int, n_shuffles: int, seed: int) -> IntArray:
    """Orders of the pictures, each row one, (n_shuffles, n_images)."""
    rows = np.tile(np.arange(n_images), (n_shuffles, 1))
    return np.random.default_rng(seed).permuted(rows, axis=1)


@matrices_on_one_thread()
def axis_correlations(x: FloatArray, y: FloatArray) -> FloatArray:
    """Correlation of rates with their projection on the axis that they choose, (n_units,).

    Parameters
    ----------
    x : coordinates, (n_images, n_dims)
    y : rates, (n_images, n_units)
    """
    x, y = centred(x), centred(y)
    return _correlation(x.T @ y, x.T @ x) / _not_zero(np.linalg.norm(y, axis=0))


def count_as_good(
    x: FloatArray,
    y: FloatArray,
    orders: IntArray,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.int64]:
    """In how many orders of the pictures the axis correlates at least as well, (n_units,).

    Parameters
    ----------
    x : coordinates, (n_images, n_dims); their columns need neither be centred nor orthogonal
    y : rates, (n_images, n_units), of units that vary
    orders : permutations of the pictures, the same for all units, (n_shuffles, n_images)
    threads : at most so many work at once; by default `bounded_threads`
    progress : called after every block of shuffles with how many are done, and of how many

    Returns
    -------
    counts that those of double precision equal.  Memory grows with ``y`` alone: three copies of it,
    and some megabytes for each thread.

    Notes
    -----
    Each thread works on blocks of shuffles, and the matrix library on one thread in each: gathering
    and squaring are then shared out too.  The library is bounded in the whole process while this
    runs.  An interruption (Ctrl-C) ends it after the blocks at work, some hundredths of a second.
    """
    workers = threads or bounded_threads()
    step = max(1, BLOCK_ROWS // x.shape[1])
    blocks = [orders[n : n + step] for n in range(0, len(orders), step)]
    spare: SimpleQueue[_Scratch] = SimpleQueue()
    counts, done = np.zeros(y.shape[1], np.int64), 0
    with matrices_on_one_thread(), ThreadPoolExecutor(workers) as pool:
        work = _prepared(centred(x), centred(y))
        for _ in range(workers):
            spare.put(_scratch(work, step))
        pending = [pool.submit(_count, work, block, spare) for block in blocks]
        try:
            for one in as_completed(pending):
                found, size = one.result()
                counts += found
                done += size
                if progress is not None:
                    progress(done, len(orders))
        finally:
            _cancel(pending)
    return counts


def _cancel(pending: list[Future[tuple[NDArray[np.int64], int]]]) -> None:
    for one in pending:
        one.cancel()


@dataclass(frozen=True, slots=True)
class _Work:
    """What all blocks share.

    Attributes
    ----------
    x : coordinates, centred, (n_dims, n_images)
    y : rates, centred and of length 1, (n_units, n_images)
    overlap : ``x @ x.T``
    turned : x in coordinates in which `overlap` is diagonal, single precision
    spread : that diagonal, single precision; None where it is the same for all dimensions
    rates : y in single precision, block by block, (n_images, n_units of the block)
    goal : correlation from which on a shuffle counts, (n_units,)
    length_error, span_error : bounds on the rounding of |g| and of sqrt(g C g)
    """

    x: FloatArray
    y: FloatArray
    overlap: FloatArray
    turned: SingleArray
    spread: SingleArray | None
    rates: list[SingleArray]
    goal: FloatArray
    length_error: float
    span_error: float


@dataclass(frozen=True, slots=True)
class _Scratch:
    """Memory that a thread uses again and again; new memory would cost as much as the sums.

    Attributes
    ----------
    gathered : shuffled coordinates, (n_dims * n_orders * n_images,)
    product : axes, (n_dims * n_orders * n_units,)
    """

    gathered: SingleArray
    product: SingleArray


def _prepared(x: FloatArray, y: FloatArray) -> _Work:
    overlap = x.T @ x
    unit = y / np.linalg.norm(y, axis=0)
    spread, directions = np.linalg.eigh(overlap)
    even = np.ptp(spread) <= _ORTHONORMAL * spread.max()
    n_blocks = -(-y.shape[1] // BLOCK_UNITS)
    rounding = _bound(len(x))
    return _Work(
        x=np.ascontiguousarray(x.T),
        y=np.ascontiguousarray(unit.T),
        overlap=overlap,
        turned=np.ascontiguousarray((x if even else x @ directions).T, dtype=np.float32),
        spread=None if even else spread.astype(np.float32),
        rates=[
            np.ascontiguousarray(part, dtype=np.float32)
            for part in np.array_split(unit, n_blocks, axis=1)
        ],
        goal=_correlation(x.T @ unit, overlap) * (1 - SAME),
        length_error=rounding * float(np.sqrt(np.trace(overlap))),
        span_error=rounding * float(np.linalg.norm(overlap)),
    )


def _bound(n_images: int) -> float:
    """Bound on the rounding of a sum of products in single precision, relative to the lengths.

    The certain bound grows with the number of terms; five times its root is exceeded by fewer than
    1 in 1e5 sums even if every partial sum is as large as it can be (Higham & Mary 2019,
    doi:10.1137/18M1226312).  Those of real data stay a hundred times below.  Two more roundings are
    those of the factors.
    """
    return _ROUNDING * (min(float(n_images), 5 * float(np.sqrt(n_images))) + 2)


def _scratch(work: _Work, n_orders: int) -> _Scratch:
    rows = len(work.turned) * n_orders
    widest = max(part.shape[1] for part in work.rates)
    return _Scratch(
        np.empty(rows * work.turned.shape[1], np.float32), np.empty(rows * widest, np.float32)
    )


def _count(
    work: _Work, orders: IntArray, spare: SimpleQueue[_Scratch]
) -> tuple[NDArray[np.int64], int]:
    """In how many of a block of orders the axis is as good, (n_units,), and how many these are."""
    scratch = spare.get()
    try:
        return _counted(work, orders, scratch), len(orders)
    finally:
        spare.put(scratch)


def _counted(work: _Work, orders: IntArray, scratch: _Scratch) -> NDArray[np.int64]:
    counts, start = np.zeros(len(work.y), np.int64), 0
    rows = len(work.turned) * len(orders)
    gathered = scratch.gathered[: rows * orders.shape[1]].reshape(-1, *orders.shape)
    np.take(work.turned, orders, axis=1, out=gathered, mode="clip")  # clip: without a copy
    for rates in work.rates:
        units = slice(start, start + rates.shape[1])
        g = scratch.product[: rows * rates.shape[1]].reshape(rows, -1)
        np.matmul(gathered.reshape(rows, -1), rates, out=g)
        better, close = _verdicts(work, g.reshape(len(work.turned), -1), len(orders), units)
        counts[units] = better.sum(axis=0)
        order, unit = np.nonzero(close)
        unit += start
        np.add.at(counts, unit, _as_good(work, orders, order, unit))
        start += rates.shape[1]
    return counts


def _verdicts(
    work: _Work, g: SingleArray, n_orders: int, units: slice
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which shuffles are as good beyond doubt, and which are too close, (n_orders, n_units)."""
    goal, slack = work.goal[units], (len(g) + 8) * _ROUNDING
    length = np.sqrt(np.einsum("dk,dk->k", g, g)).reshape(n_orders, -1)
    if work.spread is None:
        aim = goal * np.sqrt(work.overlap[0, 0])
        high = ((aim + work.length_error) * (1 + slack)).astype(np.float32)
        low = ((aim - work.length_error) * (1 - slack)).astype(np.float32)
        better = length >= high
        return better, (length >= low) & ~better
    span = np.sqrt(work.spread @ np.square(g, out=g)).reshape(n_orders, -1).astype(float)
    least = np.maximum(length - work.length_error, 0) ** 2 * (1 - slack)
    most = (length + work.length_error) ** 2 * (1 + slack)
    better = least >= goal * (span + work.span_error)
    return better, (most >= goal * (span - work.span_error)) & ~better


def _as_good(work: _Work, orders: IntArray, order: IntArray, unit: IntArray) -> NDArray[np.bool_]:
    """The same for pairs of an order and a unit, in double precision, (n_pairs,)."""
    found = np.empty(len(order), bool)
    for n in range(0, len(order), PAIRS_AT_ONCE):
        pairs = slice(n, n + PAIRS_AT_ONCE)
        rates = work.y[unit[pairs]]
        shuffled = np.empty_like(rates)
        # Rates shuffled the other way round, beside coordinates as they are.
        np.put_along_axis(shuffled, orders[order[pairs]], rates, axis=1)
        found[pairs] = _correlation(work.x @ shuffled.T, work.overlap) >= work.goal[unit[pairs]]
    return found


def _correlation(g: FloatArray, overlap: FloatArray) -> FloatArray:
    """Correlation of ``x @ g`` with rates of length 1, (n_axes,); ``g`` is (n_dims, n_axes)."""
    span = np.sqrt(np.einsum("du,du->u", g, overlap @ g))
    return np.asarray(np.einsum("du,du->u", g, g) / _not_zero(span))


def _not_zero(values: FloatArray) -> FloatArray:
    return np.where(values > 0, values, 1.0)
