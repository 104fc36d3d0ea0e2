"""Diagnostics of Markov chains beside ArviZ, calibration beside torchmetrics."""

import torch

from benchmarks.race import Program, Work
from course_utils.metrics.calibration import expected_calibration_error
from course_utils.metrics.chains import effective_sample_size, split_r_hat
from course_utils.worlds.signals import AutoregressiveSource


def _chains() -> torch.Tensor:
    source = AutoregressiveSource(torch.tensor([0.9], dtype=torch.float64))
    draws = source.sample(4 * 50, length=2000, generator=torch.Generator().manual_seed(0))
    return draws.reshape(4, 50, 2000).transpose(1, 2).contiguous()


def _ess() -> tuple[Program, Program]:
    from arviz_stats.base import array_stats

    chains = _chains()
    values = chains.numpy()
    return (
        lambda: effective_sample_size(chains),
        lambda: array_stats.ess(values, chain_axis=0, draw_axis=1, method="bulk"),
    )


def _r_hat() -> tuple[Program, Program]:
    from arviz_stats.base import array_stats

    chains = _chains()
    values = chains.numpy()
    return (
        lambda: split_r_hat(chains),
        lambda: array_stats.rhat(values, chain_axis=0, draw_axis=1, method="rank"),
    )


def _calibration() -> tuple[Program, Program]:
    from torchmetrics.functional.classification import binary_calibration_error

    generator = torch.Generator().manual_seed(0)
    probs, chance = torch.rand(2, 100_000, generator=generator, dtype=torch.float64)
    happened = chance < probs
    return (
        lambda: expected_calibration_error(probs, happened).value,
        lambda: binary_calibration_error(probs, happened.long(), n_bins=15),
    )


WORK = (
    Work("ess", "bulk effective sample size, 4 chains of 2000, 50 variables", "arviz_stats", _ess),
    Work("rhat", "rank-normalised R-hat, 4 chains of 2000, 50 variables", "arviz_stats", _r_hat),
    Work("calibration", "calibration error of 100,000 forecasts", "torchmetrics", _calibration),
)
