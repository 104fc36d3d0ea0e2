"""Densities of worlds beside scikit-learn and hmmlearn."""

import numpy as np
import torch

from benchmarks.race import Program, Work
from course_utils.worlds.plane import spirals
from course_utils.worlds.scenes import GaussianScenes, Scenes
from course_utils.worlds.sequences import HiddenMarkovSource


def _mixture(means: np.ndarray, covariances: np.ndarray, weights: np.ndarray, kind: str):
    """scikit-learn's mixture with given parameters."""
    from sklearn.mixture import GaussianMixture

    peer = GaussianMixture(len(means), covariance_type=kind)
    peer.means_, peer.covariances_, peer.weights_ = means, covariances, weights
    if kind == "spherical":
        peer.precisions_cholesky_ = covariances**-0.5
    else:
        factors = np.linalg.cholesky(covariances)
        peer.precisions_cholesky_ = np.linalg.inv(factors).transpose(0, 2, 1)
    return peer


def _scenes() -> tuple[Program, Program]:
    world = GaussianScenes(Scenes(dtype=torch.float64))
    x = world.sample(10_000, generator=torch.Generator().manual_seed(0))
    count = len(world.scenes)
    means = world.scenes.renderings.flatten(1).numpy()
    weights = np.full(count, 1 / count)
    peer = _mixture(means, np.full(count, world.noise**2), weights, "spherical")
    flat = x.flatten(1).numpy()
    return lambda: world.log_prob(x), lambda: peer.score_samples(flat)


def _plane() -> tuple[Program, Program]:
    world = spirals(dtype=torch.float64)
    x = world.sample(20_000, generator=torch.Generator().manual_seed(0))
    parts = (world.means.numpy(), world.covariances.numpy(), world.weights.numpy())
    peer = _mixture(*parts, "full")
    points = x.numpy()
    return lambda: world.log_prob(x), lambda: peer.score_samples(points)


def _hidden() -> tuple[Program, Program]:
    from hmmlearn.hmm import CategoricalHMM

    generator = torch.Generator().manual_seed(0)

    def rows(count: int, size: int) -> torch.Tensor:
        return torch.rand(count, size, generator=generator, dtype=torch.float64).softmax(-1)

    world = HiddenMarkovSource(initial=rows(1, 6)[0], transition=rows(6, 6), emission=rows(6, 12))
    peer = CategoricalHMM(6, n_features=12)
    peer.startprob_, peer.transmat_ = world.initial.numpy(), world.transition.numpy()
    peer.emissionprob_ = world.emission.numpy()
    x = world.sample(200, length=100, generator=generator)
    joined, lengths = x.reshape(-1, 1).numpy(), [100] * 200
    return lambda: world.log_prob(x).sum(), lambda: peer.score(joined, lengths)


WORK = (
    Work(
        "scenes", "log density of 10,000 scenes, 400 renderings of 256 pixels", "sklearn", _scenes
    ),
    Work("plane", "log density of 20,000 points of the spirals", "sklearn", _plane),
    Work("hidden", "log-likelihood of 200 sequences of 100, 6 hidden states", "hmmlearn", _hidden),
)
