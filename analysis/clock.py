"""How the clock of a log and the clock of a recording hang together.

A clock is a chain of straight pieces.  One piece where the clocks drift apart evenly; more where
one of them bends (a computer that warms up, or is being steered) or was set anew.  Times are
compared as `offset = recording - log`, so that hours of microseconds keep their precision.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

Times = NDArray[np.float64]
Rows = NDArray[np.intp]

SMOOTHING_ROWS = 21  # running median: keeps edges, and survives ten rows that are wrong
PIECE_ROWS = 20  # a piece is not fitted to less
SHORT_ROWS = 40  # a part of fewer does not tell its slope
SHORTEST_SMOOTHING = 9  # running median of such a part
JUMP_S = 0.01  # more than this between two pieces: a clock was set, not steered
RATE_SDS = 3.0  # standard errors of a rate that are allowed for
QUARTZ_PPM = 20.0  # how much a quartz may wander away from its fitted line


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the log over which one line holds.

    Attributes
    ----------
    first_row, last_row : first and last row of the log that it was fitted to
    start_s, end_s : their times in the log
    offset_s : recording minus log, at `start_s`
    rate : seconds of the recording per second of the log, minus one
    rate_sd : how exactly that is known, one standard error
    run : of the log, that it belongs to
    """

    first_row: int
    last_row: int
    start_s: float
    end_s: float
    offset_s: float
    rate: float
    rate_sd: float = 0.0
    run: int = 1

    def __call__(self, log_s: Times) -> Times:
        """Time in the recording, (n,)."""
        result: Times = log_s + (self.offset_s + self.rate * (log_s - self.start_s))
        return result


@dataclass(frozen=True, slots=True)
class Clock:
    """From log time to recording time.

    Attributes
    ----------
    pieces : in the order of the log, at least one
    drift_ppm : how much faster the recording's clock runs, along the robust line through all rows
    """

    pieces: tuple[Piece, ...]
    drift_ppm: float

    @property
    def jumps(self) -> int:
        """How often one of the clocks was set by more than 10 ms."""
        return len(self.leaps)

    @property
    def leaps(self) -> list[tuple[Piece, Piece]]:
        """Neighbouring pieces between which one of the clocks was set."""
        pairs = zip(self.pieces, self.pieces[1:], strict=False)
        return [pair for pair in pairs if abs(_step(*pair)) > JUMP_S]

    def to_recording(self, log_s: Times) -> Times:
        """Recording time of any log time, (n,); never falls, and NaN where it cannot be told.

        Between two pieces it is interpolated, before the first and after the last extrapolated.
        Where the log's clock was set back it shows the same time twice: that is NaN.
        """
        seen_s, shown = np.full(len(log_s), np.nan), np.zeros(len(log_s), int)
        for run in self._runs():
            ends = np.array([(piece.start_s, piece.end_s) for piece in run]).ravel()
            images = np.concatenate(
                [piece(np.array([piece.start_s, piece.end_s])) for piece in run]
            )
            here = (log_s >= ends[0]) & (log_s <= ends[-1])
            seen_s[here] = np.interp(log_s[here], ends, np.maximum.accumulate(images))
            shown += here
        first, last = self.pieces[0], self.pieces[-1]
        before = log_s < min(piece.start_s for piece in self.pieces)
        after = (log_s > last.end_s) & (shown == 0)
        seen_s = np.where(before, first(log_s), np.where(after, last(log_s), seen_s))
        return np.where(shown > 1, np.nan, seen_s)

    def _runs(self) -> list[list[Piece]]:
        """Pieces between which the log's clock was not set back."""
        runs = [[self.pieces[0]]]
        for before, after in zip(self.pieces, self.pieces[1:], strict=False):
            if after.start_s < before.end_s:
                runs.append([])
            runs[-1].append(after)
        return runs

    def reaches(self, n_rows: int) -> list[tuple[int, int]]:
        """Rows over which each piece may hold, half-open: up to where its neighbours were fitted.

        Across a jump they overlap all the way: where words come regularly, both clocks explain
        them for long, and the jump may lie far from where it seems.
        """
        firsts, stops = [0], []
        for before, after in zip(self.pieces, self.pieces[1:], strict=False):
            jump = abs(_step(before, after)) > JUMP_S
            firsts.append(before.first_row if jump else before.last_row + 1)
            stops.append(after.last_row + 1 if jump else after.first_row)
        return list(zip(firsts, [*stops, n_rows], strict=True))

    def infer(
        self, log_s: Times, row: NDArray[np.floating | np.integer], run: NDArray[np.int64]
    ) -> tuple[Times, Times]:
        """Best guess of recording times, and how far they may be off.

        Times of the log are known by their rows (ascending; fractions lie between rows), so a clock
        that was set back does no harm.  Between two pieces the guess is the middle of what the two
        say, kept between their ends; pieces of another run say nothing, if the run has its own.
        """
        runs = {piece.run for piece in self.pieces}
        if len(runs) == 1:
            return self._infer(log_s, row)
        time_s, spread_s = self._infer(log_s, row)
        for number in runs:
            its = run == number
            pieces = tuple(piece for piece in self.pieces if piece.run == number)
            time_s[its], spread_s[its] = replace(self, pieces=pieces)._infer(log_s[its], row[its])
        return time_s, spread_s

    def _infer(self, log_s: Times, row: NDArray[np.floating | np.integer]) -> tuple[Times, Times]:
        firsts = [piece.first_row for piece in self.pieces[1:]]
        owner = np.searchsorted(firsts, row, side="right")
        time_s, spread_s = np.empty(len(log_s)), np.zeros(len(log_s))
        for k, piece in enumerate(self.pieces):
            time_s[owner == k] = piece(log_s[owner == k])
        for before, after in zip(self.pieces, self.pieces[1:], strict=False):
            between = (row > before.last_row) & (row < after.first_row)
            begin, end = sorted(
                [before(np.array([before.end_s]))[0], after(np.array([after.start_s]))[0]]
            )
            either = [p(log_s[between]) for p in (before, after)]
            time_s[between] = sum(seen_s.clip(begin, end) for seen_s in either) / 2
            off_s = np.max([np.abs(seen_s - time_s[between]) for seen_s in either], axis=0)
            farthest_s = np.maximum(time_s[between] - begin, end - time_s[between])
            spread_s[between] = np.minimum(off_s, farthest_s)
        away_s, sd = self._nearest(log_s)
        return time_s, spread_s + (self._wander + RATE_SDS * sd) * away_s

    @property
    def _wander(self) -> float:
        """How much the rate of the clock may differ from where it was fitted, s/s.

        One that bends between two jumps goes on bending.
        """
        leaps = {after.first_row for _, after in self.leaps}
        bent = zip(self.pieces, self.pieces[1:], strict=False)
        turns = [abs(b.rate - a.rate) for a, b in bent if b.first_row not in leaps]
        return max([QUARTZ_PPM * 1e-6, *turns])

    def _nearest(self, log_s: Times) -> tuple[Times, Times]:
        """How far each row lies outside all pieces, and how exactly the nearest knows its rate."""
        gaps = np.array([np.maximum(p.start_s - log_s, log_s - p.end_s) for p in self.pieces])
        sd = np.array([p.rate_sd for p in self.pieces])[np.argmin(gaps, axis=0)]
        return np.clip(gaps.min(axis=0), 0, None), sd


def fit_clock(
    rows: Rows,
    log_s: Times,
    recording_s: Times,
    bend_s: float,
    part: Rows | None = None,
    run: Rows | None = None,
) -> Clock:
    """Robust clock through matched rows.

    Parameters
    ----------
    rows : places of the matched rows in the log, ascending, (n,)
    log_s, recording_s : their two times, (n,)
    bend_s : a line is split where the running median of its residuals leaves this band
    part : between which one of the clocks is known to have been set, ascending, (n,)
    run : of the log, between which its clock may begin anew, ascending, (n,)
    """
    offset = recording_s - log_s
    part = np.zeros(len(rows), np.int64) if part is None else part
    run = np.ones(len(rows), np.int64) if run is None else run
    lines = _lines(log_s, offset, bend_s, part, run)
    pieces = tuple(
        Piece(
            int(rows[a]),
            int(rows[b - 1]),
            float(log_s[a]),
            float(log_s[b - 1]),
            level,
            rate,
            _rate_sd(log_s[a:b] - log_s[a], offset[a:b] - level),
            int(run[a]),
        )
        for a, b, level, rate in lines
    )
    if len(lines) == 1:
        return Clock(pieces, lines[0][3] * 1e6)
    for (a, *_), before, after in zip(lines[1:], pieces, pieces[1:], strict=False):
        if abs(step := _step(before, after)) > JUMP_S:
            offset[a:] -= step
    return Clock(pieces, robust_line(log_s - log_s[0], offset)[1] * 1e6)


def _lines(
    log_s: Times, offset: Times, bend_s: float, part: Rows, run: Rows
) -> list[tuple[int, int, float, float]]:
    """Half-open ranges of rows with level at their start and slope, by part and run.

    A part too short to tell a slope has that of the longest line, if that fits it.
    """
    anew = (np.diff(part) != 0) | (np.diff(run) != 0)
    bounds = [0, *(np.flatnonzero(anew) + 1).tolist(), len(part)]
    parts = list(zip(bounds, bounds[1:], strict=False))
    if len(parts) == 1:
        return _split(log_s, offset, 0, len(part), bend_s)
    lines = {(a, b): _split(log_s, offset, a, b, bend_s) for a, b in parts if b - a >= SHORT_ROWS}
    every = [line for found in lines.values() for line in found]
    usual = max(every, key=lambda line: line[1] - line[0])[3] if every else 0.0
    for a, b in parts:
        if b - a < SHORT_ROWS:
            lines[a, b] = [(a, b, *_short_line(log_s[a:b] - log_s[a], offset[a:b], usual, bend_s))]
    return [line for bounds in parts for line in lines[bounds]]


def _short_line(x: Times, y: Times, usual: float, bend_s: float) -> tuple[float, float]:
    """Level and slope of a few points: the usual slope, but where the clock clearly bends."""
    level = float(np.median(y - usual * x))
    off_s = median_filter(y - level - usual * x, SHORTEST_SMOOTHING, mode="nearest")
    if len(x) < PIECE_ROWS or np.abs(off_s).max() <= bend_s:
        return level, usual
    return robust_line(x, y)


def robust_line(x: Times, y: Times) -> tuple[float, float]:
    """Level at x = 0 and slope of a line through most of the points.

    Least absolute deviations, then least squares over the points within 5 robust standard
    deviations (and 0.1 ms) of the median residual, until these stay the same.
    """
    if len(x) < 3 or np.ptp(x) == 0:
        return float(np.median(y)), 0.0
    level, slope = _least_absolute(x, y)
    kept = np.zeros(len(x), bool)
    for _ in range(50):
        residual = y - level - slope * x
        centred = np.abs(residual - _median(residual))
        now = centred < 5 * 1.4826 * _median(centred) + 1e-4
        if np.array_equal(now, kept) or np.ptp(x[now]) == 0:
            break
        kept = now
        level, slope = _least_squares(x, y, kept.astype(float))
    return level, slope


def _rate_sd(x: Times, y: Times) -> float:
    """Standard error of the slope of a line through points, from the scatter of most of them."""
    if len(x) < 3 or np.ptp(x) == 0:
        return 0.0
    dx = x - x.mean()
    slope = float(dx @ y / (dx @ dx))
    residual = y - y.mean() - slope * dx
    scatter = 1.4826 * _median(np.abs(residual - _median(residual)))
    return float(scatter / np.sqrt(dx @ dx))


def _median(values: Times) -> float:
    """As `np.median` of numbers, without its checks, which cost more than the median itself."""
    middle = len(values) // 2
    low = middle - 1 + len(values) % 2
    ordered = np.partition(values, (low, middle))
    return float(ordered[low] + ordered[middle]) / 2


def _least_absolute(x: Times, y: Times) -> tuple[float, float]:
    """Iteratively reweighted least squares."""
    level, slope = float(np.median(y)), 0.0
    for _ in range(10):
        weight = 1 / np.maximum(np.abs(y - level - slope * x), 1e-5)
        level, slope = _least_squares(x, y, weight)
    return level, slope


def _least_squares(x: Times, y: Times, weight: Times) -> tuple[float, float]:
    total = weight.sum()
    x0, y0 = (weight @ x) / total, (weight @ y) / total
    dx = x - x0
    slope = float((weight * dx) @ (y - y0) / ((weight * dx) @ dx))
    return float(y0 - slope * x0), slope


def _split(
    log_s: Times, offset: Times, a: int, b: int, bend_s: float
) -> list[tuple[int, int, float, float]]:
    """Half-open ranges of rows, each straight enough, with level at their start and slope."""
    x, y = log_s[a:b] - log_s[a], offset[a:b]
    level, slope = robust_line(x, y)
    smooth = median_filter(y - level - slope * x, SMOOTHING_ROWS, mode="reflect")
    if b - a < 2 * PIECE_ROWS or np.abs(smooth).max() <= bend_s:
        return [(a, b, level, slope)]
    middle = a + _best_split(x, smooth)
    return [
        *_split(log_s, offset, a, middle, bend_s),
        *_split(log_s, offset, middle, b, bend_s),
    ]


def _best_split(x: Times, y: Times) -> int:
    """Where two lines leave the least squares, from running sums."""
    x = x - x.mean()
    sums = np.cumsum([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    cost = _squares(sums[:, :-1]) + _squares(sums[:, -1:] - sums[:, :-1])
    return PIECE_ROWS + int(np.argmin(cost[PIECE_ROWS - 1 : len(x) - PIECE_ROWS]))


def _squares(sums: Times) -> Times:
    """Squared residuals of the line through points given by their sums, (6, n) -> (n,)."""
    n, x, y, xx, xy, yy = sums
    sxx = np.maximum(xx - x * x / n, 1e-12)
    squares: Times = yy - y * y / n - (xy - x * y / n) ** 2 / sxx
    return squares


def _step(before: Piece, after: Piece) -> float:
    """How far a piece starts from where the one before it leads."""
    return after.offset_s - float(before(np.array([after.start_s]))[0] - after.start_s)
