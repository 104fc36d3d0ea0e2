r"""Principal components: the directions in which data vary most, and nothing said about a law.

Let u_1, u_2, … be the eigenvectors of the data's covariance, by falling eigenvalue λ_1 ≥ λ_2 ≥ …
Keeping the coordinates along the first k of them loses, per example and in the mean,

    (1/N) Σ_n ‖x_n − x̂_n‖² = λ_{k+1} + … + λ_d,

and no other k directions lose less.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import check_int, check_tensor


@dataclass(frozen=True)
class PrincipalComponents:
    """A mean and orthonormal directions, as a code of few numbers.

    Attributes:
        mean: The data's mean.
        directions: u_1 … u_k as columns, orthonormal, each with its largest entry positive.
        variances: All eigenvalues λ_1 ≥ λ_2 ≥ … of the covariance (divisor: number of data).
    """

    mean: Float[Tensor, " dim"]
    directions: Float[Tensor, "dim kept"]
    variances: Float[Tensor, " dim"]

    @classmethod
    def fitted(cls, x: Float[Tensor, "batch dim"], num_kept: int) -> "PrincipalComponents":
        """The leading directions of data, by a singular value decomposition of the centred data.

        Args:
            x: Examples.
            num_kept: k, from 1 to the dimension.

        Accuracy:
            Exact; directions of equal eigenvalues are arbitrary in their plane.

        Source:
            [pearson1901lines], [hotelling1933analysis].
        """
        check_tensor("x", x, shape=("batch", "dim"), dtype="float")
        check_int("num_kept", num_kept, low=1, high=x.shape[1])
        mean = x.mean(0)
        _, singular, rows = torch.linalg.svd(x - mean, full_matrices=len(x) < x.shape[1])
        variances = torch.zeros_like(mean)
        variances[: len(singular)] = singular.square() / len(x)
        kept = rows[:num_kept]
        largest = kept.gather(1, kept.abs().argmax(1, keepdim=True))
        return cls(mean, (kept * largest.sign()).mT, variances)

    @property
    def discarded(self) -> float:
        """Mean squared error Σ_{j > k} λ_j of the data it was fitted to."""
        return float(self.variances[self.directions.shape[1] :].sum())

    def encode(self, x: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch kept"]:
        """Coordinates uᵀ(x − mean) along the kept directions."""
        return (x - self.mean) @ self.directions

    def decode(self, codes: Float[Tensor, "batch kept"]) -> Float[Tensor, "batch dim"]:
        """The point mean + Σ_j c_j u_j of each code."""
        return codes @ self.directions.mT + self.mean
