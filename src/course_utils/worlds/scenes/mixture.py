"""What real-valued and quantised scenes share: both are a mixture of K equally likely renderings.

It does not matter what is rendered: one object or two, grey or in colour, a picture or a clip.
With log p(x | k) known for every rendering k, the density is a log-sum-exp over k, the posterior a
softmax, and the entropy one small correction away from a closed form.
"""

import functools
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.distributions import categorical_entropy
from course_utils.tasks import nothing_to_learn
from course_utils.worlds.scenes.factors import Scenes
from course_utils.worlds.scenes.renderings import Renderings


@dataclass(frozen=True)
class SceneMixture(ABC):
    """World p(x) = (1/K) Σ_k p(x | r_k) over the renderings r_k of ``scenes``.

    Args:
        scenes: The renderings, ``Scenes`` or another set of them.
        noise: Standard deviation σ > 0 of the pixel noise; brightness runs from 0 to 1.
    """

    scenes: Renderings = field(default_factory=Scenes)
    noise: float = 0.15

    loss = nothing_to_learn

    def __post_init__(self) -> None:
        check_number("noise", self.noise, low=0, open_low=True)

    @abstractmethod
    def component_log_prob(
        self, x: Float[Tensor, "batch *event"] | Int[Tensor, "batch *event"]
    ) -> Float[Tensor, "batch scenes"]:
        """Log density log p(x | k) under every rendering k, in nats per image."""

    @abstractmethod
    def component_entropy(self) -> Float[Tensor, " scenes"]:
        """Entropy H(x | k) of the noise around every rendering k, in nats per image."""

    @abstractmethod
    def add_noise(
        self, index: Int[Tensor, " batch"], generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw x ~ p(x | k) for the scenes numbered ``index``."""

    def log_prob(
        self, x: Float[Tensor, "batch *event"] | Int[Tensor, "batch *event"]
    ) -> Float[Tensor, " batch"]:
        """Log density log p(x) = log Σ_k p(x | k) − log K.

        Returns:
            Nats per image, summed over pixels.

        Accuracy:
            Exact; one matrix product. In float32 the rounding is below 0.01 nats per image.
        """
        return self.component_log_prob(x).logsumexp(-1) - math.log(len(self.scenes))

    def posterior(
        self, x: Float[Tensor, "batch *event"] | Int[Tensor, "batch *event"]
    ) -> Float[Tensor, "batch scenes"]:
        """Posterior p(k | x) over the scenes; sums to one over the last axis.

        Accuracy:
            Exact.
        """
        return self.component_log_prob(x).softmax(-1)

    def factor_posterior(
        self, x: Float[Tensor, "batch *event"] | Int[Tensor, "batch *event"]
    ) -> dict[str, Float[Tensor, "batch levels"]]:
        """Posterior p(factor | x) of each factor by name: the best possible classifier.

        Accuracy:
            Exact: the posterior over scenes summed over the other factors.
        """
        joint = self.posterior(x).reshape(-1, *self.scenes.num_levels)
        axes = range(1, joint.ndim)
        return {
            name: joint.sum([a for a in axes if a != axis])
            for axis, name in zip(axes, self.scenes.LEVELS, strict=True)
        }

    def class_posterior(
        self, x: Float[Tensor, "batch *event"] | Int[Tensor, "batch *event"]
    ) -> Float[Tensor, "batch classes"]:
        """Posterior p(label | x) over the class labels of ``scenes``: the oracle classifier.

        Accuracy:
            Exact; no classifier has a lower expected cross-entropy or error rate.
        """
        return self.factor_posterior(x)[self.scenes.CLASS_FACTOR]

    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, " factors"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw images, all of them or only those that agree with ``condition``.

        Args:
            num_samples: How many.
            condition: Factors, −1 where a factor is free; ``scenes.condition(shape="disc")``
                writes them in words.
            generator: Source of randomness on the device of the scenes.

        Returns:
            Images or clips, axes (sample, *event).

        Accuracy:
            Exact.
        """
        return self.sample_with_index(num_samples, condition=condition, generator=generator)[0]

    def sample_with_index(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, " factors"] | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Int[Tensor, " num_samples"]]:
        """As ``sample``, with the scene's number k of each image beside it."""
        check_int("num_samples", num_samples, low=1)
        free = self.scenes.condition() if condition is None else condition
        allowed = self.scenes.matches(free)
        place = torch.randint(
            len(allowed), (num_samples,), generator=generator, device=allowed.device
        )
        index = allowed[place]
        return self.add_noise(index, generator), index

    def entropy(
        self, num_samples: int = 4000, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Entropy H(x) = log K + H(x | k) − H(k | x) with its standard error.

        The first two terms are closed forms; only H(k | x), the uncertainty about the scene that
        an image leaves, is an average over samples. It is small, hence so is its error.

        Args:
            num_samples: Images drawn for H(k | x), at least 2.
            generator: Source of randomness on the device of the scenes.

        Returns:
            Estimate and standard error, nats per image (differential entropy for real pixels).

        Accuracy:
            Estimate, unbiased.
        """
        check_int("num_samples", num_samples, low=2)
        x = self.sample(num_samples, generator=generator)
        left = categorical_entropy(self.component_log_prob(x).log_softmax(-1))
        known = math.log(len(self.scenes)) + self.component_entropy().mean()
        return known - left.mean(), left.std() / math.sqrt(num_samples)

    def _check(self, x: Tensor, dtype: str, high: int | None = None) -> None:
        event, device = self.scenes.event_shape, self._flat.device
        low = None if high is None else 0
        check_tensor(
            "x", x, shape=("batch", *event), dtype=dtype, device=device, low=low, high=high
        )

    @functools.cached_property
    def _flat(self) -> Tensor:
        return self.scenes.renderings.flatten(1)

    def _squared_distances(self, values: Tensor) -> Tensor:
        """Squared distance ‖x − r_k‖² of images to renderings, by one matrix product."""
        x = values.flatten(1)
        r = self._flat.to(x.dtype)
        cross = torch.addmm(r.square().sum(1), x, r.T, alpha=-2)
        return cross + x.square().sum(1, keepdim=True)
