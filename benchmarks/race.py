"""Interleaved runs of two programs on the same work, and the ratio of their times.

A shared machine is fast one second and slow the next. So both programs run in turn, as a pair,
and each pair gives one ratio; a disturbance that lasts longer than a pair touches both. The median
of the ratios is reported with its quartiles. Times are processor seconds of this process, on one
thread, so waiting for other programs does not count.
"""

import importlib.util
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Program = Callable[[], Any]


@dataclass(frozen=True)
class Work:
    """One piece of work that our code and a peer can both do.

    Attributes:
        name: Short name, as typed on the command line.
        says: What is computed, with its sizes.
        peer: Name of the peer library as one imports it.
        prepare: Makes the inputs and returns our program and the peer's; each returns its answer.
        compare: Difference of the two answers, ours first; the largest relative difference of the
            numbers if not given.
    """

    name: str
    says: str
    peer: str
    prepare: Callable[[], tuple[Program, Program]]
    compare: Callable[[Any, Any], float] | None = None

    @property
    def installed(self) -> bool:
        """Whether the peer can be imported."""
        return importlib.util.find_spec(self.peer) is not None


@dataclass(frozen=True)
class Result:
    """What came of racing one piece of work.

    Attributes:
        work: The piece of work.
        ours: Our median processor seconds.
        theirs: The peer's.
        ratios: Peer's time over ours of each pair; above 1 we are faster.
        difference: How far the answers differ.
    """

    work: Work
    ours: float
    theirs: float
    ratios: tuple[float, ...]
    difference: float

    def quartiles(self) -> tuple[float, float, float]:
        """First quartile, median and third quartile of the ratios."""
        return tuple(float(q) for q in np.quantile(self.ratios, (0.25, 0.5, 0.75)))


def race(work: Work, num_pairs: int) -> Result:
    """Compare the answers of one run each, then run both in pairs, taking turns to begin."""
    ours, theirs = work.prepare()
    compare = work.compare or relative_difference
    difference = compare(ours(), theirs())
    times = np.empty((num_pairs, 2))
    for pair in range(num_pairs):
        order = (0, 1) if pair % 2 == 0 else (1, 0)
        for which in order:
            times[pair, which] = _seconds((ours, theirs)[which])
    medians = np.median(times, axis=0)
    ratios = times[:, 1] / times[:, 0]
    return Result(work, float(medians[0]), float(medians[1]), tuple(ratios.tolist()), difference)


def _seconds(program: Program) -> float:
    """Processor seconds of one run; work too short for the clock is repeated."""
    runs = 1
    while True:
        start = time.process_time()
        for _ in range(runs):
            program()
        passed = time.process_time() - start
        if passed > 0.01:
            return passed / runs
        runs *= 4


def relative_difference(ours: Any, theirs: Any) -> float:
    """Largest |ours − theirs| over the largest |theirs|, over all numbers of the two answers."""
    return absolute_difference(ours, theirs) / max(np.abs(_numbers(theirs)).max(), 1e-300)


def absolute_difference(ours: Any, theirs: Any) -> float:
    """Largest |ours − theirs|, for answers near zero."""
    return float(np.abs(_numbers(ours) - _numbers(theirs)).max())


def _numbers(answer: Any) -> np.ndarray:
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu()
    return np.asarray(answer, dtype=float).ravel()
