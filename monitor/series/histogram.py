"""Logarithmic histograms: percentiles of merged spans within 1 % of the exact nearest-rank one.

Bucket i of the positive numbers holds γ^(i-1) < x ≤ γ^i, with γ = 1.02, and stands for its geometric middle
γ^(i-½): no value in it is further away than a factor of √γ, an error of at most √1.02 - 1 = 0.995 %. Negative
numbers mirror it; everything nearer to zero than `TINY` is the one bucket 0, read as 0. Buckets are numbered by
sign · (i + OFFSET), so that their order is the order of the values and they fit 16 bits; past 1e269 they are clamped.
(The mapping is DDSketch's: Masson, Rim and Lee, VLDB 2019.)
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.series.columns import Float, Int, Ragged, run_lengths, runs

GAMMA = 1.02
TINY = 1e-12
_LOG = float(np.log(GAMMA))
OFFSET = 1 - int(np.floor(np.log(TINY) / _LOG))
_LARGEST = 32_767
_CODES = 1 << 16


def buckets(values: Float) -> npt.NDArray[np.int16]:
    """The bucket of each finite value."""
    size = np.abs(values)
    index = np.ceil(np.log(np.maximum(size, TINY)) / _LOG) + OFFSET
    code = np.where(size < TINY, 0.0, np.copysign(np.clip(index, 1, _LARGEST), values))
    return code.astype(np.int16)


def middles(codes: npt.NDArray[np.int16]) -> Float:
    """The value that each bucket stands for."""
    exponent = np.abs(codes.astype(np.float64)) - OFFSET - 0.5
    return np.where(codes == 0, 0.0, np.copysign(np.exp(exponent * _LOG), codes))


@dataclass(frozen=True, slots=True)
class Histograms:
    """One histogram a row: ascending `bins` and, for each, how many values it holds (not cumulative)."""

    bins: npt.NDArray[np.int16]
    counts: Int
    lengths: Int

    @classmethod
    def build(cls, values: Float, rows: Int, n: int) -> "Histograms":
        """`n` histograms; `rows` says which one each value belongs to."""
        return cls._collect(rows, buckets(values), None, n)

    def merge(self, rows: Int, n: int) -> "Histograms":
        """`n` histograms, each the sum of those whose new row in `rows` is its own."""
        return self._collect(np.repeat(rows, self.lengths), self.bins, self.counts, n)

    def where(self, mask: npt.NDArray[np.bool_]) -> "Histograms":
        """Rows that the mask keeps."""
        kept = np.repeat(mask, self.lengths)
        return Histograms(self.bins[kept], self.counts[kept], self.lengths[mask])

    @classmethod
    def _collect(cls, rows: Int, codes: npt.NDArray[np.int16], weights: Int | None, n: int) -> "Histograms":
        # One sortable number for (row, bucket): codes are moved to 0..65535.
        keys = rows * _CODES + (codes.astype(np.int64) + _CODES // 2)
        if weights is None:
            keys = np.sort(keys)
            starts = runs(keys)
            counts = run_lengths(starts, len(keys))
        else:
            order = np.argsort(keys, kind="stable")
            keys = keys[order]
            starts = runs(keys)
            counts = np.add.reduceat(weights[order], starts) if len(keys) else np.zeros(0, np.int64)
        found = keys[starts]
        lengths = np.bincount(found // _CODES, minlength=n).astype(np.int64)
        return cls((found % _CODES - _CODES // 2).astype(np.int16), counts, lengths)

    @classmethod
    def of_columns(cls, bins: Ragged, cum: Ragged) -> "Histograms":
        """From stored columns: `cum` is cumulative within each row, and empty where each bucket holds one value."""
        counts = np.ones(len(bins.flat), np.int64)
        cumulative = cum.flat.astype(np.int64)
        steps = np.diff(cumulative, prepend=0)
        starts = cum.starts[cum.lengths > 0]
        steps[starts] = cumulative[starts]
        counts[np.repeat(cum.lengths > 0, bins.lengths)] = steps
        return cls(bins.flat, counts, bins.lengths)

    @property
    def cumulative(self) -> Int:
        """Counts summed within each row, as they are stored."""
        total = np.cumsum(self.counts)
        ends = np.cumsum(self.lengths)
        before = np.concatenate(([0], total))[ends - self.lengths]
        cumulative: Int = total - np.repeat(before, self.lengths)
        return cumulative

    @property
    def flat_rows(self) -> npt.NDArray[np.bool_]:
        """Rows in which every bucket holds one value: their cumulative counts need not be stored."""
        crowded = np.repeat(np.arange(len(self.lengths)), self.lengths)[self.counts > 1]
        flat = np.ones(len(self.lengths), np.bool_)
        flat[crowded] = False
        return flat

    def percentile(self, percent: int, *, low: Float, high: Float) -> Float:
        """The nearest-rank percentile of each row, at most 1 % off; `low` and `high` are the rows' true extremes.

        Clamped between the extremes, so that where all values are equal it is exact. Rows must not be empty.
        """
        total = np.cumsum(self.counts)
        ends = np.cumsum(self.lengths)
        before = np.concatenate(([0], total))[ends - self.lengths]
        wanted = before + ranks(total[ends - 1] - before, percent)
        at = np.searchsorted(total, wanted, side="left")
        return np.clip(middles(self.bins[at]), low, high)


def ranks(counts: Int, percent: int) -> Int:
    """The 1-based rank of a nearest-rank percentile, in whole numbers: ceil(percent · n / 100), at least 1."""
    return np.maximum(-(-percent * counts // 100), 1)


def concatenate(parts: list[Histograms]) -> Histograms:
    """The rows of all parts, one after another."""
    return Histograms(
        np.concatenate([part.bins for part in parts]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate([part.lengths for part in parts]),
    )
