"""Laws of several levels, each drawn given the one drawn just before it.

Prior and encoder of a hierarchy are such chains: the prior runs from the top down, an encoder from
the top down or from the bottom up. The levels are stacked in one vector, the lowest first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.gaussians import DiagonalGaussian


@dataclass(frozen=True)
class LevelChain:
    """A law of stacked levels, each drawn given the one drawn just before it.

    Attributes:
        dims: Sizes of the levels, lowest first.
        from_top: Whether the top level is drawn first.
        given: ``given(level, before)`` is the law of a level; ``before`` holds draws of the level
            drawn before it, or ``None`` for the first.
    """

    dims: tuple[int, ...]
    from_top: bool
    given: Callable[[int, Tensor | None], DiagonalGaussian]

    @property
    def order(self) -> tuple[int, ...]:
        """The levels in the order in which they are drawn; 0 is the lowest."""
        levels = range(len(self.dims))
        return tuple(reversed(levels) if self.from_top else levels)

    def sample(
        self,
        num_samples: int,
        generator: torch.Generator | None = None,
        first: Sequence[Tensor] = (),
    ) -> Float[Tensor, "samples *batch latent"]:
        """Draw all levels, or those that follow the given ones.

        Args:
            num_samples: Draws for each example.
            generator: Source of randomness.
            first: Values ``(samples, *batch, dim)`` of the levels drawn first, in drawing order.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        if len(first) > len(self.dims):
            raise ArgumentError(f"first: expected at most {len(self.dims)}, got {len(first)}")
        levels: dict[int, Tensor] = {}
        before: Tensor | None = None
        for place, level in enumerate(self.order):
            if place < len(first):
                shape = (num_samples, *("batch",) * (first[place].ndim - 2), self.dims[level])
                before = check_tensor("first", first[place], shape=shape, dtype="float")
            elif before is None:
                before = self.given(level, None).sample(num_samples, generator)
            else:
                before = self.given(level, before).sample(1, generator).squeeze(0)
            levels[level] = before
        return torch.cat([levels[level] for level in range(len(self.dims))], -1)

    def laws(self, z: Float[Tensor, "... latent"]) -> list[DiagonalGaussian]:
        """The law of each level given the one before it at the values ``z``, lowest first."""
        levels, before = z.split(self.dims, -1), None
        laws: dict[int, DiagonalGaussian] = {}
        for level in self.order:
            laws[level] = self.given(level, before)
            before = levels[level]
        return [laws[level] for level in range(len(self.dims))]

    def log_prob(self, z: Float[Tensor, "... latent"]) -> Float[Tensor, "..."]:
        """Log density Σ_l log p(z_l | the level before), in nats.

        Accuracy:
            Exact.
        """
        levels = z.split(self.dims, -1)
        terms = zip(self.laws(z), levels, strict=True)
        return torch.stack([law.log_prob(level) for law, level in terms]).sum(0)
