"""Metrics of feature clouds and images beside prdc and torchmetrics."""

import contextlib
import io

import torch

from benchmarks.race import Program, Work, absolute_difference
from course_utils.metrics.frechet import feature_statistics, gaussian_frechet_distance
from course_utils.metrics.kid import kid
from course_utils.metrics.manifold import manifold_scores


def _clouds(n: int, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, n, dim, generator=generator, dtype=torch.float64)
    scale = torch.linspace(0.5, 1.5, dim, dtype=torch.float64)
    return scale * x, scale.flip(0) * y + 0.1


def _manifold() -> tuple[Program, Program]:
    from prdc import compute_prdc

    x, y = _clouds(5000, 256)
    real, generated = x.numpy(), y.numpy()
    names = ("precision", "recall", "density", "coverage")

    def ours() -> list[float]:
        scores = manifold_scores(x, y)
        return [getattr(scores, name).value for name in names]

    def theirs() -> list[float]:
        with contextlib.redirect_stdout(io.StringIO()):
            scores = compute_prdc(real, generated, nearest_k=5)
        return [scores[name] for name in names]

    return ours, theirs


def _frechet() -> tuple[Program, Program]:
    from torchmetrics.image.fid import _compute_fid

    x, y = _clouds(4000, 1024)
    moments = (*feature_statistics(x), *feature_statistics(y))
    return (
        lambda: gaussian_frechet_distance(*moments),
        lambda: _compute_fid(moments[0], moments[1], moments[2], moments[3]),
    )


def _kid() -> tuple[Program, Program]:
    from torchmetrics.image.kid import poly_mmd

    x, y = _clouds(2000, 64)
    return lambda: kid(x, y).value, lambda: poly_mmd(x, y)


WORK = (
    Work("manifold", "precision to coverage, 5000 points of 256 features", "prdc", _manifold),
    Work("frechet", "Frechet distance of given moments, 1024 features", "torchmetrics", _frechet),
    Work(
        "kid",
        "kernel distance of 2000 points, 64 features; ours with error",
        "torchmetrics",
        _kid,
        absolute_difference,
    ),
)
