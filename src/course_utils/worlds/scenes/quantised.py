"""Scenes with L grey levels: each pixel an independent categorical variable given the rendering.

Models of discrete pixels can be held against it in bits per dimension with no dequantisation.
"""

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import check_int
from course_utils.distributions import categorical_entropy, sample_categorical
from course_utils.worlds.scenes.mixture import SceneMixture


@dataclass(frozen=True)
class QuantisedScenes(SceneMixture):
    """World p(x) = (1/K) Σ_k Π_i p(x_i | r_ki) with p(l | r) ∝ exp(−(l/(L−1) − r)² / 2σ²).

    Args:
        num_levels: Number L ≥ 2 of grey levels 0 … L−1, evenly spaced over brightness 0 … 1.
    """

    num_levels: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("num_levels", self.num_levels, low=2)

    def component_log_prob(self, x: Int[Tensor, "batch *event"]) -> Float[Tensor, "batch scenes"]:
        """Log probability Σ_i log p(x_i | r_ki), in nats per image."""
        self._check(x, "integer", high=self.num_levels - 1)
        quadratic = self._squared_distances(self._levels()[x])
        return -0.5 * quadratic / self.noise**2 - self._log_normalisers

    def component_entropy(self) -> Float[Tensor, " scenes"]:
        """Entropy Σ_i H(p(· | r_ki)), in nats per image."""
        return categorical_entropy(self._logits(self._flat).log_softmax(-1)).sum(1)

    def add_noise(
        self, index: Int[Tensor, " batch"], generator: torch.Generator | None = None
    ) -> Int[Tensor, "batch *event"]:
        """Draw every pixel's level for the scenes numbered ``index``."""
        return sample_categorical(self._logits(self.scenes.renderings[index]), generator)

    def _levels(self) -> Tensor:
        """Brightness of each level."""
        return torch.linspace(
            0, 1, self.num_levels, dtype=self._flat.dtype, device=self._flat.device
        )

    @functools.cached_property
    def _log_normalisers(self) -> Tensor:
        return self._logits(self._flat).logsumexp(-1).sum(1)

    def _logits(self, renderings: Tensor) -> Tensor:
        """Unnormalised log p(l | r), the levels along a further last axis."""
        distances = self._levels() - renderings.unsqueeze(-1)
        return -0.5 * (distances / self.noise) ** 2
