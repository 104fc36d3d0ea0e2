"""Gaussian laws of stacked levels, cut into factors from the bottom up or from the top down.

A law of two levels has both forms, q(z_1) q(z_2 | z_1) = q(z_2) q(z_1 | z_2). The joint law is the
same; what differs is the covariance that is left of a level once the one before it is known, and so
the terms into which a bound splits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_choice, check_int
from course_utils.gaussians import Gaussian

ORDERS = ("bottom-up", "top-down")
"""The two orders in which the levels of a chain can be drawn."""


@dataclass(frozen=True)
class LinearChain:
    """A Gaussian law of the stacked levels, drawn level by level.

    Attributes:
        law: The joint law of z = (z_1, …, z_L), a mean for each example and one covariance.
        dims: Sizes of the levels, bottom first.
        order: ``"bottom-up"`` or ``"top-down"``.
        conditional_covariances: Covariance of each level given the one drawn before it, bottom
            first.
    """

    law: Gaussian
    dims: tuple[int, ...]
    order: str
    conditional_covariances: tuple[Float[Tensor, "_ _"], ...]

    @classmethod
    def of(cls, law: Gaussian, dims: Sequence[int], order: str) -> "LinearChain":
        """The chain with the same levels, and the same pairs of neighbouring levels, as ``law``.

        Its joint law is ``law`` itself if that is Markov along the levels, as the posterior of a
        hierarchy is, and as every law of two levels is.

        Raises:
            ArgumentError: The order is unknown, the sizes do not add up, or ``law`` is not Markov.
        """
        check_choice("order", order, ORDERS)
        dims = tuple(check_int("dims", size, low=1) for size in dims)
        if sum(dims) != law.mean.shape[-1]:
            raise ArgumentError(f"dims: expected a sum of {law.mean.shape[-1]}, got {dims}")
        blocks = level_blocks(law.covariance, dims)
        step = -1 if order == "bottom-up" else 1
        left = []
        for level, _ in enumerate(dims):
            covariance, before = blocks[level][level], level + step
            if 0 <= before < len(dims):
                cross = blocks[level][before]
                explained = cross @ torch.linalg.solve(blocks[before][before], cross.mT)
                covariance = covariance - explained
            left.append((covariance + covariance.mT) / 2)
        joint = torch.logdet(law.covariance)
        if abs(float(sum(torch.logdet(part) for part in left) - joint)) > 1e-6:
            raise ArgumentError("law: expected a Markov chain along the levels, got another law")
        return cls(law, dims, order, tuple(left))

    def conditional_entropies(self) -> Float[Tensor, " levels"]:
        """Entropy ½ log det 2πe S_l of each level given the one before it, in nats.

        Accuracy:
            Exact.
        """
        parts = self.conditional_covariances
        return torch.stack([Gaussian(part.new_zeros(len(part)), part).entropy() for part in parts])


def level_blocks(
    matrix: Float[Tensor, "latent latent"], dims: Sequence[int]
) -> list[tuple[Float[Tensor, "_ _"], ...]]:
    """A matrix over stacked levels cut into blocks, ``blocks[i][j]`` between levels i and j."""
    return [row.split(tuple(dims), 1) for row in matrix.split(tuple(dims), 0)]
