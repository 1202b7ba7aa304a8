"""Whatever happens over a long time: nothing missed, nothing without cause, nothing lost, and the same again."""

from datetime import timedelta

import pytest

from tests.simulation.pure import Outcome, Simulation
from tests.simulation.world import make_world


def _run(seed: int, length: timedelta, agents: int, *, often: float = 1) -> Outcome:
    return Simulation(make_world(seed, length, agents, often=often), seed).run()


def _check(done: Outcome) -> None:
    assert not done.faults, f"{len(done.faults)} faults: {done.faults[:20]}"
    assert done.dead == 0
    assert done.sent == done.queued
    assert done.fired >= done.resolved > 0
    assert done.withheld > 0, "the world has no silence that withholds anything"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_eventful_days_of_the_pure_core(seed: int) -> None:
    done = _run(seed, timedelta(days=3), 2, often=6)
    _check(done)
    assert done.fired > 20


def test_the_same_seed_repeats_exactly_and_another_differs() -> None:
    first, again, other = (_run(seed, timedelta(days=2), 1, often=4) for seed in (7, 7, 8))
    assert first == again
    assert first.trace != other.trace


@pytest.mark.accept
@pytest.mark.parametrize("seed", [11, 12])
def test_a_year_of_the_pure_core(seed: int) -> None:
    done = _run(seed, timedelta(days=365), 3)
    _check(done)
    assert done.fired > 300
