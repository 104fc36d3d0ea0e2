"""Scenes with real pixels: a rendering plus independent Gaussian noise.

That is exactly a mixture of K Gaussians, and stays one when more noise is added, so the score
function and the best denoiser are known at every noise level.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import check_number
from course_utils.worlds.scenes.mixture import SceneMixture


@dataclass(frozen=True)
class GaussianScenes(SceneMixture):
    """World p(x) = (1/K) Σ_k N(x; r_k, σ² I).

    ``noised(sigma)`` is the same world seen through further noise; ask it for the density or the
    posterior at that level.
    """

    def noised(self, sigma: float) -> "GaussianScenes":
        """The world of x + sigma · ε, ε ~ N(0, I): the same renderings, variance σ² + sigma²."""
        check_number("sigma", sigma, low=0)
        return GaussianScenes(self.scenes, math.hypot(self.noise, sigma))

    def component_log_prob(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch scenes"]:
        """Log density log N(x; r_k, σ² I), in nats per image."""
        self._check(x, "float")
        num_pixels = self._flat.shape[1]
        constant = 0.5 * num_pixels * math.log(2 * math.pi * self.noise**2)
        return -0.5 * self._squared_distances(x) / self.noise**2 - constant

    def component_entropy(self) -> Float[Tensor, " scenes"]:
        """Entropy ½ D log(2πe σ²) of the noise on D pixels, the same around every rendering."""
        entropy = 0.5 * self._flat.shape[1] * math.log(2 * math.pi * math.e * self.noise**2)
        return torch.full_like(self._flat[:, 0], entropy)

    def add_noise(
        self, index: Int[Tensor, " batch"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch *event"]:
        """Draw x = r_k + σ ε for the scenes numbered ``index``."""
        clean = self.scenes.renderings[index]
        return clean + self.noise * torch.empty_like(clean).normal_(generator=generator)

    def score_function(
        self, x: Float[Tensor, "batch *event"], sigma: float = 0.0
    ) -> Float[Tensor, "batch *event"]:
        """Score ∇ log p_sigma(x) = Σ_k p(k | x) (r_k − x) / (σ² + sigma²).

        Args:
            x: Images of the world at noise level ``sigma``.
            sigma: Standard deviation of the noise added to the world's images, ≥ 0.

        Returns:
            Gradient of the log density, nats per unit of brightness.

        Accuracy:
            Exact.
        """
        world = self.noised(sigma)
        mean = (world.posterior(x) @ self._flat.to(x.dtype)).reshape(x.shape)
        return (mean - x) / world.noise**2

    def denoiser(
        self, x: Float[Tensor, "batch *event"], sigma: float
    ) -> Float[Tensor, "batch *event"]:
        """Best denoiser E[x_data | x] = x + sigma² ∇ log p_sigma(x).

        Args:
            x: Noisy images x = x_data + sigma · ε, with x_data from this world.
            sigma: Standard deviation of that noise, ≥ 0.

        Returns:
            Images with the smallest expected squared error to x_data any function can reach.

        Accuracy:
            Exact.

        Source:
            [robbins1956empirical].
        """
        return x + sigma**2 * self.score_function(x, sigma)
