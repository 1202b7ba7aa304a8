"""Logarithmic histograms: percentiles of merged spans within 1 % of the exact nearest-rank one.

Bucket i of the positive numbers holds γ^(i-1) < x ≤ γ^i, with γ = 1.02, and stands for its geometric middle
γ^(i-½): no value in it is further away than a factor of √γ, an error of at most √1.02 - 1 = 0.995 %. Negative
numbers mirror it; everything nearer to zero than `TINY` is the one bucket 0, read as 0. Buckets are numbered by
sign · (i + OFFSET), so that their order is the order of the values and they fit 16 bits; past 1e269 they are clamped.
(The mapping is DDSketch's: Masson, Rim and Lee, VLDB 2019.)

Stored as bytes, little-endian: one byte w, the width of a count (0: every bucket holds one value; 1, 2, 4 or 8 bytes),
then for each bucket in ascending order its number as int16 and its count in w bytes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from monitor.series.columns import Float, Int, run_lengths, runs

GAMMA = 1.02
TINY = 1e-12
_LOG = float(np.log(GAMMA))
OFFSET = 1 - int(np.floor(np.log(TINY) / _LOG))
_LARGEST = 32_767
_CODES = 1 << 16
_DENSE = 1 << 22


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


def _record(width: int) -> np.dtype[np.void]:
    return np.dtype([("bin", "<i2"), ("count", f"<u{width}")] if width else [("bin", "<i2")])


@dataclass(frozen=True, slots=True)
class Stored:
    """Histograms to be stored: row i is the byte `widths[i]` and `sizes[i]` bytes of `data` from `offsets[i]`."""

    data: bytes
    widths: npt.NDArray[np.int16]
    offsets: Int
    sizes: Int


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
        into = np.repeat(rows, self.lengths)
        low, width = (int(self.bins.min()), int(np.ptp(self.bins)) + 1) if len(self.bins) else (0, 0)
        if not 0 < n * width <= _DENSE:
            return self._collect(into, self.bins, self.counts, n)
        # Where few buckets are in use, a table of all of them is faster than sorting. Doubles count exactly to 2^53.
        cells = into * width + (self.bins.astype(np.int64) - low)
        table = np.bincount(cells, weights=self.counts, minlength=n * width).reshape(n, width)
        row, code = np.nonzero(table)
        lengths = np.bincount(row, minlength=n).astype(np.int64)
        return Histograms((code + low).astype(np.int16), table[row, code].astype(np.int64), lengths)

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
    def decode(cls, data: bytes, sizes: Int) -> "Histograms":
        """From the stored form: `data` holds the rows end to end, `sizes` their lengths in bytes."""
        ends = np.cumsum(sizes)
        begins = ends - sizes
        widths = np.frombuffer(data, np.uint8)[begins].astype(np.int64)
        sizes = sizes - 1
        lengths = sizes // (2 + widths)
        starts = np.cumsum(lengths) - lengths
        bins, counts = np.zeros(lengths.sum(), np.int16), np.ones(lengths.sum(), np.int64)
        for width in np.unique(widths).tolist():
            some = np.flatnonzero(widths == width)
            spans = zip(begins[some].tolist(), ends[some].tolist(), strict=True)
            found = np.frombuffer(b"".join([data[a + 1 : b] for a, b in spans]), _record(width))
            own = lengths[some]
            within = np.arange(len(found)) - np.repeat(np.cumsum(own) - own, own)
            place = np.repeat(starts[some], own) + within
            bins[place] = found["bin"]
            if width:
                counts[place] = found["count"]
        return cls(bins, counts, lengths)

    def encode(self) -> "Stored":
        """The stored form of all rows, end to end."""
        starts = np.cumsum(self.lengths) - self.lengths
        most = np.maximum.reduceat(self.counts, starts) if len(starts) else starts
        widths = np.select([most <= 1, most < 1 << 8, most < 1 << 16, most < 1 << 32], [0, 1, 2, 4], 8)
        sizes = self.lengths * (2 + widths)
        offsets = np.zeros(len(sizes), np.int64)
        parts, total = [], 0
        for width in np.unique(widths).tolist():
            some = widths == width
            kept = np.repeat(some, self.lengths)
            made = np.empty(int(kept.sum()), _record(width))
            made["bin"] = self.bins[kept]
            if width:
                made["count"] = self.counts[kept]
            offsets[some] = total + np.cumsum(sizes[some]) - sizes[some]
            parts.append(made.tobytes())
            total += made.nbytes
        return Stored(b"".join(parts), widths.astype(np.int16), offsets, sizes)

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
