"""The axis test on many units: `python -m benchmarks.axis [--himalaya FOLDER]`.

Speed beside a loop by the book, double precision, scikit-learn, himalaya and the bare matrix
products that the test needs; memory and time up to 10,000 units; how often p differs from that of
the loop; the false-positive rate of the published rule; and which estimate of the axis is nearer.
himalaya is looked for in FOLDER, made by `pip install --target FOLDER --no-deps himalaya`.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import RidgeCV
from threadpoolctl import threadpool_limits

from analysis.axis import axis_weights, fit_axes
from analysis.inference import proportion_interval
from analysis.prediction import PENALTIES, centred
from analysis.space import ObjectSpace, object_space
from analysis.threads import bounded_threads
from analysis.viewing.flatness import flatness
from analysis.viewing.published_axis import published_rule_axis_tuned, published_rule_power
from analysis.viewing.ridge_axis import ridge_axes
from analysis.viewing.shuffled_axes import count_as_good, shuffled_orders
from analysis.viewing.stability import stability_over_images, titration
from benchmarks.table import finish, machine, table

IMAGES, DIMS, SHUFFLES = 500, 50, 1000
SERIES = (1, 10, 100, 300, 1000, 3000, 10_000)
# What is too slow to run in full is run on so little, and multiplied.
NAIVE_UNITS, NAIVE_SHUFFLES = 4, 250
REGRESSIONS = 3
SLOW_REPEATS = 3
PAUSE_S = 0.2  # the threads of the matrix library spin for a while after a product

FloatArray = np.ndarray[Any, np.dtype[np.float64]]


def components(n_images: int = IMAGES, n_dims: int = DIMS, seed: int = 0) -> FloatArray:
    """Component scores of length 1: orthonormal columns."""
    features = np.random.default_rng(seed).normal(size=(n_images, n_dims))
    return np.linalg.svd(features - features.mean(axis=0), full_matrices=False)[0]


def oblique() -> FloatArray:
    """Columns of length 1 that are correlated, as those of pictures that made no space."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(IMAGES, DIMS)) @ (np.eye(DIMS) + 0.1 * rng.normal(size=(DIMS, DIMS)))
    return np.asarray(x / np.linalg.norm(x, axis=0))


def spikes(x: FloatArray, n_units: int, seed: int = 2) -> FloatArray:
    """Mean counts of four trials; half of the units have no axis, the others up to a strong one."""
    rng = np.random.default_rng(seed)
    gains = np.where(np.arange(n_units) % 2, rng.random(n_units), 0.0)
    drive = x @ rng.normal(size=(x.shape[1], n_units)) * np.sqrt(len(x) / x.shape[1])
    return np.asarray(rng.poisson(4 * np.exp(gains * drive)) / 4)


# Ways to do it ----------------------------------------------------------------------------------


def naive(x: FloatArray, y: FloatArray, orders: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Correlations observed and shuffled by the book: unit by unit, order by order."""

    def one(coordinates: FloatArray, rate: FloatArray) -> float:
        axis = rate @ coordinates
        projection = coordinates @ axis / np.linalg.norm(axis)
        return float(np.corrcoef(projection, rate)[0, 1])

    rates = (y - y.mean(axis=0)).T
    observed = np.array([one(x, rate) for rate in rates])
    return observed, np.array([[one(x[order], rate) for rate in rates] for order in orders])


def in_double(x: FloatArray, y: FloatArray, orders: FloatArray) -> FloatArray:
    """Correlations of all orders, blocks of them at once, in double precision."""
    x, y = centred(x), centred(y)
    overlap, size, step = x.T @ x, np.linalg.norm(y, axis=0), max(1, 2_000_000 // x.size)

    def block(part: FloatArray) -> FloatArray:
        g = (x.T[:, part].reshape(-1, len(y)) @ y).reshape(x.shape[1], -1)
        length = np.sqrt(np.einsum("du,du->u", g, overlap @ g))
        return (np.einsum("du,du->u", g, g) / length).reshape(len(part), -1) / size

    return np.concatenate([block(orders[n : n + step]) for n in range(0, len(orders), step)])


class Timed(NamedTuple):
    """Least time for all units and shuffles, and on what share of them it was measured."""

    wall_s: float
    processor_s: float
    share: float


def seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def both_seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor time; the second hardly depends on what else runs on the machine."""
    start = time.process_time()
    wall = seconds(work)
    return wall, time.process_time() - start


def speeds(n_units: int, repeats: int, himalaya: Path | None) -> tuple[dict[str, Timed], float]:
    """Least of several interleaved runs of every way; and the median share of the floor."""
    x, skew = components(), oblique()
    y, orders = spikes(x, n_units), shuffled_orders(IMAGES, SHUFFLES, 0)
    gathered = np.ascontiguousarray(x.T[:, orders], dtype=np.float32).reshape(-1, IMAGES)
    single = centred(y).astype(np.float32)
    product = np.empty((len(gathered), n_units), np.float32)
    few, penalties = orders[:NAIVE_SHUFFLES], PENALTIES[::2] * float(x.var() * IMAGES)
    ways: dict[str, tuple[Callable[[], Any], float]] = {
        "bare float32 matrix products": (lambda: np.matmul(gathered, single, out=product), 1.0),
        "this program": (lambda: count_as_good(x, y, orders), 1.0),
        "this program, columns not orthonormal": (lambda: count_as_good(skew, y, orders), 1.0),
        "double precision, blocks": (lambda: in_double(x, y, orders), 1.0),
        "a loop by the book": (
            lambda: naive(x, y[:, :NAIVE_UNITS], few),
            min(NAIVE_UNITS, n_units) * len(few) / (n_units * SHUFFLES),
        ),
        f"scikit-learn {version('scikit-learn')} RidgeCV": (
            lambda: _refit(RidgeCV(penalties, alpha_per_target=True), x, y),
            REGRESSIONS / SHUFFLES,
        ),
    }
    if himalaya is not None:
        sys.path.append(str(himalaya))
        module = importlib.import_module("himalaya")
        ridge = importlib.import_module("himalaya.ridge").RidgeCV
        ways[f"himalaya {module.__version__} RidgeCV"] = (
            lambda: _refit(ridge(penalties, cv=5), x, y),
            REGRESSIONS / SHUFFLES,
        )
    runs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for n in range(repeats):
        for way, (work, _) in ways.items():
            if n < SLOW_REPEATS or "RidgeCV" not in way:
                time.sleep(PAUSE_S)
                runs[way].append(both_seconds(work))
    wall = {way: np.array(found)[:, 0] for way, found in runs.items()}
    pairs = wall["bare float32 matrix products"] / wall["this program"]
    best = {
        way: Timed(*np.min(runs[way], axis=0) / share, share) for way, (_, share) in ways.items()
    }
    return best, float(np.median(pairs))


def _refit(model: Any, x: FloatArray, y: FloatArray) -> None:
    rng = np.random.default_rng(0)
    for _ in range(REGRESSIONS):
        model.fit(x[rng.permutation(len(x))], y).predict(x)


def differences(n_units: int, n_shuffles: int) -> dict[str, tuple[int, int]]:
    """Units compared with the loop, and the largest difference of a count."""
    found = {}
    for name, x in {"orthonormal": components(), "not orthonormal": oblique()}.items():
        y, orders = spikes(x, n_units), shuffled_orders(IMAGES, n_shuffles, 0)
        observed, null = naive(centred(x), y, orders)
        book = (null >= observed * (1 - 1e-10)).sum(axis=0)
        most = int(np.abs(count_as_good(x, y, orders) - book).max())
        found[name] = (n_units, most)
    return found


def against_double(n_units: int) -> int:
    """Largest difference of a count from double precision, all shuffles."""
    x = components()
    y, orders = spikes(x, n_units), shuffled_orders(IMAGES, SHUFFLES, 0)
    observed = in_double(x, y, np.arange(IMAGES)[None])[0]
    counts = (in_double(x, y, orders) >= observed * (1 - 1e-10)).sum(axis=0)
    return int(np.abs(count_as_good(x, y, orders) - counts).max())


# How it grows -----------------------------------------------------------------------------------


def one_size(n_units: int) -> None:
    """In a process of its own: time and peak memory of the test, and of the whole fit."""
    x = components()
    y, orders = spikes(x, n_units), shuffled_orders(IMAGES, SHUFFLES, 0)
    count_as_good(x, y[:, :1], orders[:50])
    before = _peak_mb()
    tested = min(seconds(lambda: count_as_good(x, y, orders)) for _ in range(3))
    test_mb = _peak_mb()
    fitted = seconds(lambda: fit_axes(y, x))
    found = {"before": before, "test_s": tested, "test_mb": test_mb, "fit_s": fitted}
    print(json.dumps({**found, "fit_mb": _peak_mb()}))


def _peak_mb() -> float:
    # Not getrusage: that of a new process starts at the peak of the one it came from.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def grown(sizes: tuple[int, ...]) -> list[dict[str, float]]:
    """`one_size` for every number of units."""
    found = []
    for n_units in sizes:
        command = [sys.executable, "-m", "benchmarks.axis", "--size", str(n_units)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append({"units": n_units, **json.loads(done.stdout)})
    return found


def draw(found: list[dict[str, float]], path: Path) -> None:
    """Time against units, both logarithmic, with a line of proportion."""
    units = np.array([one["units"] for one in found])
    figure, axes = plt.subplots(figsize=(4.5, 3.2), layout="constrained")
    for name, label, marker in (("test_s", "test", "o"), ("fit_s", "test, fit and score", "s")):
        axes.loglog(units, [one[name] for one in found], marker=marker, label=label)
    most = found[-1]
    axes.loglog(units, most["test_s"] * units / most["units"], ":", color="0.5", label="linear")
    axes.set(xlabel="units", ylabel="seconds")
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


# What else takes time, and what it is worth -----------------------------------------------------


def labelled(n_units: int) -> tuple[pd.DataFrame, ObjectSpace]:
    x = components()
    names = [f"image{k:03d}" for k in range(IMAGES)]
    space = object_space(pd.DataFrame(x, names), DIMS, standardise=False)
    return pd.DataFrame(spikes(x, n_units), names), space


def other_times(n_units: int) -> dict[str, float]:
    rates, space = labelled(n_units)
    return {
        "test, axes, left-out score (`fit_axes`)": seconds(lambda: fit_axes(rates, space)),
        "axes by ridge, leave one out (`ridge_axes`)": seconds(lambda: ridge_axes(rates, space)),
        "flatness, 1,000 shuffles": seconds(lambda: flatness(rates, space)),
        "stability, 100 halvings": seconds(lambda: stability_over_images(rates, space)),
        "titration, 26 fits": seconds(lambda: titration(rates, space)),
    }


def published(n_units: int) -> tuple[int, int]:
    """Units without axis that the published rule accepts, and how many there were."""
    x = components(200, 20)
    names = [f"image{k:03d}" for k in range(200)]
    rates = np.random.default_rng(3).poisson(2.0, (200, n_units)).astype(float)
    found = published_rule_axis_tuned(pd.DataFrame(rates, names), pd.DataFrame(x, names))
    return int(found["tuned"].sum()), n_units


def expected_rate() -> float:
    """False-positive rate of the published rule, from its arithmetic: mean over uniform p."""
    p = np.linspace(0, 0.02, 2001)
    return float(np.trapezoid([published_rule_power(one) for one in p], p))


def nearer(n_units: int) -> list[dict[str, str]]:
    """Median cosine with the planted axis, by the average and by ridge."""
    rng, rows = np.random.default_rng(4), []
    images = [f"image{k:03d}" for k in range(IMAGES)]
    spread = 1 / np.sqrt(np.arange(1, DIMS + 1))
    features = pd.DataFrame(rng.normal(size=(IMAGES, DIMS)) * spread, images)
    space = object_space(features, DIMS, standardise=False)
    length = np.linalg.norm(space.coordinates, axis=0)
    for cares, scale in (("alike", np.ones(DIMS)), ("as pictures vary", length / length[0])):
        for n_images in (IMAGES, 150):
            for noise in (1.0, 3.0):
                axes = rng.normal(size=(DIMS, n_units)) * scale[:, None]
                axes /= np.linalg.norm(axes, axis=0)
                drive = space.coordinates.to_numpy() / length * np.sqrt(IMAGES) @ axes
                rates = pd.DataFrame(drive + noise * rng.normal(size=drive.shape), images)
                some = rates.sample(n_images, random_state=0)
                both = (axis_weights(some, space), ridge_axes(some, space).weights)
                average, ridge = (_cosine(w.to_numpy() * length[:, None], axes) for w in both)
                rows.append(
                    {
                        "units care for dimensions": cares,
                        "pictures": f"{n_images}",
                        "noise, SD of the signal": f"{noise:g}",
                        "spike-triggered average": f"{average:.3f}",
                        "ridge": f"{ridge:.3f}",
                    }
                )
    return rows


def _cosine(a: FloatArray, b: FloatArray) -> float:
    lengths = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return float(np.median((a * b).sum(axis=0) / lengths))


# The result -----------------------------------------------------------------------------------


def speed_rows(found: dict[str, Timed]) -> list[dict[str, str]]:
    book, floor = found["a loop by the book"], found["bare float32 matrix products"]
    return [
        {
            "way": way,
            "seconds": f"{one.wall_s:.3f}" if one.share == 1 else f"{one.wall_s:.1f}",
            "processor seconds": f"{one.processor_s:.3g}",
            "faster than the loop": f"{book.wall_s / one.wall_s:.1f} x",
            "speed, share of the bare products": f"{100 * floor.wall_s / one.wall_s:.1f} %",
            "measured on": "all" if one.share == 1 else f"{one.share:.2g} of it, multiplied up",
        }
        for way, one in sorted(found.items(), key=lambda pair: pair[1].wall_s)
    ]


def report(chosen: argparse.Namespace) -> str:
    repeats, sizes = (2, (1, 10)) if chosen.short else (chosen.repeats, SERIES)
    load = os.getloadavg()[0]
    parts = []
    for n_units in (20,) if chosen.short else (200, 1000):
        found, paired = speeds(n_units, repeats, chosen.himalaya)
        parts.append(
            f"## {n_units:,} units\n\n{table(speed_rows(found))}\nMedian over the {repeats}"
            f" interleaved pairs of runs: {100 * paired:.0f} % of the speed of the bare products.\n"
        )
    with threadpool_limits(1, user_api="blas"):
        alone, _ = speeds(20 if chosen.short else 1000, repeats, None)
    one = alone["bare float32 matrix products"].processor_s / alone["this program"].processor_s
    series = grown(sizes)
    if not chosen.short:
        draw(series, Path(__file__).with_suffix(".svg"))
    sizes_rows = [
        {
            "units": f"{one['units']:,}",
            "test, s": f"{one['test_s']:.3f}",
            "test, ms per unit": f"{1e3 * one['test_s'] / one['units']:.3f}",
            "peak memory, MB": f"{one['test_mb']:.0f}",
            "of it before, MB": f"{one['before']:.0f}",
            "test, fit and score, s": f"{one['fit_s']:.2f}",
            "its peak, MB": f"{one['fit_mb']:.0f}",
        }
        for one in series
    ]
    compared = differences(4 if chosen.short else 200, 20 if chosen.short else 200)
    equal = "; ".join(f"{n} units, columns {name}: {most}" for name, (n, most) in compared.items())
    times = other_times(20 if chosen.short else 1000)
    accepted, of = published(20 if chosen.short else 5000)
    low, high = proportion_interval(accepted, of)
    return f"""# The axis test

Made by `python -m benchmarks.axis`.  {machine()}, {load:.1f} when it began.

{IMAGES} pictures, {DIMS} dimensions, {SHUFFLES:,} shuffles, each with the axis fitted anew; \
{bounded_threads()} threads.  Every way had its turn {repeats} times, one after the other, and its \
least time counts; the ridge regressions {SLOW_REPEATS} times.  The bare products are those of the \
shuffled coordinates with the rates, from memory to memory, by the matrix library on all threads.  \
The ridge regressions do less than the test asks for (no axis is correlated with any rate) and \
choose among {len(PENALTIES[::2])} penalties.

{"".join(part + chr(10) for part in parts)}With one thread each, 1,000 units, in processor \
time, which other work on the machine hardly changes: {100 * one:.0f} % of the speed of the bare \
products.

## The same p

Largest difference between counts of shuffles and those of the loop in double precision: {equal}.  \
Against double precision in blocks, 1,000 units and {SHUFFLES:,} shuffles: \
{against_double(20 if chosen.short else 1000)}.

## Up to 10,000 units

{table(sizes_rows)}
![Time against units](axis.svg)

## What else is asked of {"20" if chosen.short else "1,000"} units

{table([{"what": what, "seconds": f"{took:.2f}"} for what, took in times.items()])}
## The published rule

p computed 100 times from 500 shuffles each, below 0.01 in more than 98: of {of:,} units without \
any axis it accepts {accepted}, {100 * accepted / of:.2f} % (95 % interval {100 * low:.2f} to \
{100 * high:.2f} %); by its arithmetic {100 * expected_rate():.2f} %.

## Average or ridge

Median cosine with the planted axis.

{table(nearer(20 if chosen.short else 300))}"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--short", action="store_true", help="few units; writes no file")
    arguments.add_argument("--himalaya", type=Path, help="folder where himalaya is installed")
    arguments.add_argument("--repeats", type=int, default=7, help="interleaved runs of every way")
    arguments.add_argument("--size", type=int, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.size:
        one_size(chosen.size)
    else:
        finish(report(chosen), __file__, short=chosen.short)


if __name__ == "__main__":
    main()
