"""Distances between samples beside POT."""

import numpy as np
import torch

from benchmarks.race import Program, Work
from course_utils.metrics.transport import sinkhorn_divergence, sliced_wasserstein, wasserstein

TOLERANCE = 1e-7


def _clouds(n: int, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, n, dim, generator=generator, dtype=torch.float64)
    return x, 0.8 * y + 0.5


def _wasserstein() -> tuple[Program, Program]:
    import ot

    x, y = _clouds(500, 8)
    a, b = x.numpy(), y.numpy()
    weights = np.full(len(a), 1 / len(a))
    return (
        lambda: wasserstein(x, y),
        lambda: np.sqrt(ot.emd2(weights, weights, ot.dist(a, b))),
    )


def _sinkhorn() -> tuple[Program, Program]:
    import ot

    x, y = _clouds(300, 2)
    a, b = x.numpy(), y.numpy()
    epsilon = 0.1

    def theirs() -> float:
        def cost(p: np.ndarray, q: np.ndarray) -> float:
            m = ot.dist(p, q)
            weights = np.full(len(p), 1 / len(p))
            _, log = ot.sinkhorn(
                weights,
                weights,
                m,
                epsilon,
                method="sinkhorn_log",
                stopThr=TOLERANCE,
                numItermax=20000,
                log=True,
            )
            return float(weights @ (epsilon * log["log_u"]) + weights @ (epsilon * log["log_v"]))

        return cost(a, b) - 0.5 * (cost(a, a) + cost(b, b))

    return lambda: sinkhorn_divergence(x, y, epsilon, tolerance=TOLERANCE), theirs


def _sliced() -> tuple[Program, Program]:
    import ot

    x, y = _clouds(2000, 16)
    a, b = x.numpy(), y.numpy()
    generator = torch.Generator().manual_seed(0)
    directions = torch.empty(256, 16, dtype=torch.float64).normal_(generator=generator)
    projections = (directions / directions.norm(dim=1, keepdim=True)).T.numpy()
    return (
        lambda: (
            sliced_wasserstein(
                x, y, num_projections=256, generator=torch.Generator().manual_seed(0)
            ).value
        ),
        lambda: ot.sliced_wasserstein_distance(a, b, projections=projections),
    )


WORK = (
    Work("wasserstein", "W2 of two clouds of 500 points in 8 dimensions", "ot", _wasserstein),
    Work("sinkhorn", "Sinkhorn divergence, 300 points in the plane, eps .1", "ot", _sinkhorn),
    Work("sliced", "sliced W2, 2000 points in 16 dimensions, 256 directions", "ot", _sliced),
)
