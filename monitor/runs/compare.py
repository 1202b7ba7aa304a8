"""Each version or model of an agent with the one before: what changed, and whether that is more than chance. Pure.

Shares are compared by Newcombe's interval for a difference of proportions, made of two Wilson ones (R. G. Newcombe,
"Interval estimation for the difference between independent proportions", Statistics in Medicine 17, 1998, method 10).
Durations, tokens and costs have long tails, so not their means but their ranks are compared: the test of Mann and
Whitney ("On a test of whether one of two random variables is stochastically larger than the other", Annals of
Mathematical Statistics 18, 1947) with the normal approximation, corrected for ties and continuity. Its effect is the
chance that a task of the new one is larger than one of the old, ties counting half (A. Vargha and H. D. Delaney,
Journal of Educational and Behavioral Statistics 25, 2000): 0.5 is no difference.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

FLOOR = 30
"""Tasks that each side has at least: with fewer nothing is said."""
LEVEL = 0.05
"""What is called a difference would come about by chance in fewer cases than this, if there were none."""
_Z = 1.959963984540054  # of the standard normal distribution, two-sided 5 %

Values = npt.NDArray[np.float64]


class Metric(StrEnum):
    """What is compared."""

    SUCCESS_RATE = "success_rate"
    DURATION = "duration_ms"
    TOKENS = "tokens"
    COST = "cost_usd"


class Verdict(StrEnum):
    """`too_few`: one of the two has fewer tasks than the floor. `unclear`: what is seen may be chance."""

    BETTER = "better"
    WORSE = "worse"
    UNCLEAR = "unclear"
    TOO_FEW = "too few"


@dataclass(frozen=True, slots=True)
class Finding:
    """How the new one differs. `difference`: of the shares, or of the medians. `low`, `high`: what the difference of
    shares may be, at 95 %. `p`: how probable such ranks are by chance; `larger`: the chance that a task of the new
    one has the larger value."""

    verdict: Verdict
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    larger: float | None = None


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (E. B. Wilson, Journal of the American Statistical Association 22, 1927)."""
    share, z2 = successes / trials, _Z * _Z
    middle = share + z2 / (2 * trials)
    reach = _Z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    return (middle - reach) / (1 + z2 / trials), (middle + reach) / (1 + z2 / trials)


def compare_shares(before: tuple[int, int], after: tuple[int, int], *, floor: int = FLOOR) -> Finding:
    """Successes and trials of each; more is better."""
    if min(before[1], after[1]) < floor:
        return Finding(Verdict.TOO_FEW)
    old, new = before[0] / before[1], after[0] / after[1]
    (old_low, old_high), (new_low, new_high) = wilson(*before), wilson(*after)
    difference = new - old
    low = difference - math.hypot(new - new_low, old_high - old)
    high = difference + math.hypot(new_high - new, old - old_low)
    verdict = Verdict.BETTER if low > 0 else Verdict.WORSE if high < 0 else Verdict.UNCLEAR
    return Finding(verdict, difference, low, high)


def compare_values(before: Sequence[float], after: Sequence[float], *, floor: int = FLOOR) -> Finding:
    """The values of each one's tasks; less is better."""
    if min(len(before), len(after)) < floor:
        return Finding(Verdict.TOO_FEW)
    old, new = np.sort(np.asarray(before, np.float64)), np.sort(np.asarray(after, np.float64))
    larger, p = rank_test(old, new)
    difference = median(new) - median(old)
    verdict = Verdict.UNCLEAR if p >= LEVEL else Verdict.WORSE if larger > 0.5 else Verdict.BETTER
    return Finding(verdict, difference, p=p, larger=larger)


def rank_test(old: Values, new: Values) -> tuple[float, float]:
    """The chance that a value of `new` is larger than one of `old`, both sorted, and the test's two-sided p."""
    n, m = len(old), len(new)
    below = np.searchsorted(old, new, "left") + np.searchsorted(old, new, "right")
    u = float(below.sum()) / 2
    _, ties = np.unique(np.concatenate([old, new]), return_counts=True)
    whole = n + m
    tied = float((ties.astype(np.float64) ** 3 - ties).sum()) / (whole * (whole - 1))
    deviation = math.sqrt(n * m / 12 * (whole + 1 - tied))
    if deviation == 0:
        return 0.5, 1.0
    away = max(0.0, abs(u - n * m / 2) - 0.5)
    return u / (n * m), math.erfc(away / deviation / math.sqrt(2))


def median(values: Values) -> float:
    """By nearest rank, as percentiles are everywhere here. `values` are sorted."""
    return percentile(values, 0.5)


def percentile(values: Values, share: float) -> float:
    """The smallest value that at least this share is not above. `values` are sorted and not empty."""
    return float(values[max(0, math.ceil(share * len(values)) - 1)])
