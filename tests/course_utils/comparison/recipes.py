"""Recipes that other processes can import, for the tests of ``comparison``."""

import os
import signal
from functools import partial
from pathlib import Path

import torch
from torch import nn

from course_utils.comparison import Contender, DataSet, Lesson, Splits, World
from course_utils.tasks import absent
from course_utils.training import fit
from course_utils.worlds.plane import eight_gaussians, two_moons


class Normal(nn.Module):
    """A normal law along each axis, fitted by gradient from random parameters."""

    def __init__(self, dim: int):
        super().__init__()
        self.mean = nn.Parameter(torch.randn(dim))
        self.log_std = nn.Parameter(torch.randn(dim))

    def log_prob(self, x):
        return torch.distributions.Normal(self.mean, self.log_std.exp()).log_prob(x).sum(-1)

    def loss(self, batch):
        return {"total": -self.log_prob(batch).mean()}

    def sample(self, num_samples, *, condition=None, generator=None):
        noise = torch.randn(num_samples, len(self.mean), generator=generator)
        return self.mean + noise * self.log_std.exp()


class Bounded(nn.Module):
    """Has a lower bound of its log-density, half a nat below it, and a network of two calls."""

    log_prob = absent("score", "its integral has no closed form.", "week 4")

    def __init__(self, lesson: Lesson):
        super().__init__()
        self.net = nn.Linear(2, 2)
        self.law = torch.distributions.Normal(lesson.train.mean(0), lesson.train.std(0))

    def elbo(self, x):
        return self.law.log_prob(x).sum(-1) - 0.5

    def sample(self, num_samples, *, condition=None, generator=None):
        noise = torch.randn(num_samples, 2, generator=generator)
        return self.net(self.net(noise))


class Copier:
    """Returns training examples."""

    def __init__(self, lesson: Lesson):
        self.train_examples = lesson.train

    def sample(self, num_samples, *, condition=None, generator=None):
        index = torch.randint(len(self.train_examples), (num_samples,), generator=generator)
        return self.train_examples[index]


def build_normal(lesson: Lesson) -> Normal:
    return Normal(lesson.train.shape[1])


def train_normal(model: Normal, lesson: Lesson, *, num_steps: int) -> None:
    fit(model, lesson.train, num_steps=num_steps, generator=lesson.generator)


def broken(model: nn.Module, lesson: Lesson) -> None:
    raise ValueError("the loss is NaN\nat step 3")


def killed_once(model: nn.Module, lesson: Lesson, *, marker: Path | str) -> None:
    """The process dies without a word, but only the first time."""
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)


def load_small() -> Splits:
    generator = torch.Generator().manual_seed(5)
    return Splits(*torch.randn(600, 2, generator=generator).split([200, 200, 200]))


NORMAL = Contender("normal", build_normal, partial(train_normal, num_steps=5))
BOUNDED = Contender("bounded", Bounded)
COPIER = Contender("copier", Copier)
BROKEN = Contender("broken", build_normal, broken)
GAUSSIANS = World("eight Gaussians", eight_gaussians)
MOONS = World("two moons", two_moons)
SMALL = DataSet("small", load_small)
