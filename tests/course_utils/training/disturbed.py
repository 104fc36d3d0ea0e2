"""A run with everything that has to survive a stop, and ways to stop it.

As a script it trains until it kills itself without warning, in a step or halfway through a write:

    python disturbed.py CHECKPOINT step|write COUNT
"""

import os
import signal
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from course_utils import training

NUM_STEPS = 23


class NoisyNet(nn.Module):
    """Regression with dropout, a buffer that changes, and a hook called in every step."""

    def __init__(self, at_step=lambda step: None) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.net = nn.Sequential(
                nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1)
            )
        self.at_step = at_step
        self.steps = 0

    def loss(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Mean squared error plus a small penalty."""
        self.steps += 1
        self.at_step(self.steps)
        x, y = batch
        error = (self.net(x)[:, 0] - y).square().mean()
        penalty = sum(p.square().sum() for p in self.parameters())
        return {"error": error, "total": error + 0.001 * penalty}


def make_data() -> tuple[Tensor, Tensor]:
    """Return 50 examples of a plane."""
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(2))
    return x, x @ torch.tensor([1.0, -2.0, 0.5])


def train(model: nn.Module, generator: torch.Generator, **options) -> training.FitResult:
    """Fit with batches that do not divide the data, averaging, and a validation that draws."""
    x, y = make_data()

    def validate(model: nn.Module) -> float:
        rows = torch.randint(50, (30,))
        return float((model.net(x[rows])[:, 0] - y[rows]).square().mean())

    settings = {
        "num_steps": NUM_STEPS,
        "batch_size": 16,
        "learning_rate": 0.03,
        "weight_decay": 0.01,
        "warmup_steps": 4,
        "ema_decay": 0.8,
        "validate": validate,
        "validate_every": 5,
        "checkpoint_every": 3,
        "generator": generator,
        "progress": False,
    }
    return training.fit(model, (x, y), **(settings | options))


def main(checkpoint: str, where: str, count: int) -> None:
    """Train and die in step ``count``, or with the bytes of save ``count`` half written."""
    torch.set_num_threads(1)
    saves = 0
    replace = Path.replace

    def die_in_step(step: int) -> None:
        if where == "step" and step == count:
            os.kill(os.getpid(), signal.SIGKILL)

    def die_in_write(partial: Path, target: Path) -> Path:
        nonlocal saves
        saves += 1
        if where == "write" and saves == count:
            os.truncate(partial, partial.stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return replace(partial, target)

    Path.replace = die_in_write
    generator = torch.Generator().manual_seed(3)
    train(NoisyNet(die_in_step), generator, checkpoint=Path(checkpoint))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
