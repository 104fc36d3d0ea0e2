r"""Coins and dice whose chances are themselves unknown: the Dirichlet law and what follows from it.

The Dirichlet density on probability vectors is proportional to prod_k rho_k^(a_k - 1); with two
faces it is the beta density. Observing n_k faces of kind k multiplies it by prod_k rho_k^(n_k),
so it stays in the family and the counts are added to a. Predictions average over what is left
unknown: the chance that face k comes next is (a_k + n_k) / sum_j (a_j + n_j).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributions import Dirichlet

from course_utils.arguments import check_int, check_tensor
from course_utils.distributions import sample_categorical


@dataclass(frozen=True, eq=False)
class UnknownDie:
    """A die with chances ρ ~ Dirichlet(a); a coin with a beta prior if it has two faces.

    Args:
        concentration: a_k > 0, float64; they count like faces seen before the first throw.

    Raises:
        ArgumentError: An entry is not positive.
    """

    concentration: Float[Tensor, " faces"]

    def __post_init__(self) -> None:
        smallest = torch.finfo(torch.float64).tiny
        check_tensor(
            "concentration",
            self.concentration,
            shape=("faces",),
            dtype=torch.float64,
            low=smallest,
        )

    @property
    def chances(self) -> Dirichlet:
        """The law of ρ, as an object of ``torch.distributions``."""
        return Dirichlet(self.concentration)

    def given(self, counts: Int[Tensor, " faces"]) -> "UnknownDie":
        """The die after n_k faces of kind k were seen: ρ ~ Dirichlet(a + n), exact.

        Args:
            counts: n_k ≥ 0.
        """
        shape, device = self.concentration.shape, self.concentration.device
        check_tensor("counts", counts, shape=tuple(shape), dtype="integer", device=device, low=0)
        return UnknownDie(self.concentration + counts)

    def predictive(self) -> Float[Tensor, " faces"]:
        """Chance of each face at the next throw, E[ρ_k] = a_k / Σ_j a_j, exact."""
        return self.concentration / self.concentration.sum()

    def log_prob(self, x: Int[Tensor, "batch throws"]) -> Float[Tensor, " batch"]:
        r"""Log probability of sequences of throws with ρ integrated out, in nats per sequence.

        p(x) = Γ(Σa) / Γ(Σa + n) Π_k Γ(a_k + n_k) / Γ(a_k): it depends on the counts alone.

        Args:
            x: Faces 0 … K−1.

        Accuracy:
            Exact.
        """
        check_tensor("x", x, shape=("batch", "throws"), dtype="integer", low=0)
        faces = torch.arange(len(self.concentration), device=x.device)
        check_tensor("x", x, high=len(faces) - 1)
        counts = (x[..., None] == faces).sum(1)
        total = self.concentration.sum()
        gained = torch.lgamma(self.concentration + counts) - torch.lgamma(self.concentration)
        return gained.sum(-1) + torch.lgamma(total) - torch.lgamma(total + x.shape[1])

    def sample(
        self,
        num_samples: int,
        *,
        throws: int,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples throws"]:
        """Draw sequences by the urn: each throw follows the predictive law given those before.

        Args:
            num_samples: How many sequences.
            throws: n.
            generator: Source of randomness on the device of ``concentration``.

        Accuracy:
            Exact; ρ itself is never drawn.

        Source:
            [blackwell1973ferguson].
        """
        check_int("num_samples", num_samples, low=1)
        weights, drawn = self.concentration.expand(num_samples, -1), []
        for _ in range(check_int("throws", throws, low=1)):
            face = sample_categorical(weights.log(), generator)
            weights = weights + torch.nn.functional.one_hot(face, weights.shape[1])
            drawn.append(face)
        return torch.stack(drawn, 1)
