r"""A codebook of K vectors: each vector z is replaced by the nearest code e_k [oord2017neural].

    k(z) = argmin_k \|z - e_k\|,   q = e_{k(z)}

Nothing differentiable happens here, so three rules replace the derivative. Towards the encoder the
gradient is copied from q to z (straight-through). The encoder is held near its codes by the
commitment beta \|z - sg[q]\|^2. The codes follow the vectors they stand for: by the gradient of
\|sg[z] - q\|^2, or, without a gradient, as moving averages, which is k-means on a stream:

    N_k <- g N_k + (1 - g) n_k,    e_k <- e_k + (1 - g) (s_k - n_k e_k) / N_k,

with n_k vectors of the batch nearest to code k and s_k their sum. The second line is the paper's
e_k = m_k / N_k, m_k <- g m_k + (1 - g) s_k, with m_k = N_k e_k put in; in this form a code that
nothing is near to keeps its place exactly, for ever: it is dead. A revival moves it to a vector of
the batch.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from course_utils.arguments import check_int, check_number, check_tensor
from course_utils.distributions import categorical_entropy
from course_utils.nets.embeddings import nearest_token
from course_utils.nets.straight_through import straight_through

USAGE_DECAY = 0.99
"""Decay of the counts N_k of a codebook that learns by gradient."""


class Quantised(NamedTuple):
    """What a quantiser makes of vectors.

    Attributes:
        codes: k(z), integers.
        vectors: q, with the gradient of z.
        codebook_loss: Mean of \\|sg[z] - q\\|^2; zero where moving averages move the codes.
        commitment_loss: beta times the mean of \\|z - sg[q]\\|^2.
    """

    codes: Int[Tensor, "*places"]
    vectors: Float[Tensor, "*places dim"]
    codebook_loss: Float[Tensor, ""]
    commitment_loss: Float[Tensor, ""]


class VectorQuantiser(nn.Module):
    """Codebook e_1 .. e_K, nearest-code look-up, and the rules by which it learns.

    Args:
        num_codes: K.
        dim: D, the size of a vector.
        commitment: beta >= 0.
        decay: g in [0, 1) of the moving averages; ``None`` learns the codes by gradient.
        revive_below: Codes whose count N_k, in vectors per batch, falls below this are moved to a
            random vector of the batch; 0 never does.
        spread: Standard deviation of the initial codes, normal about the origin.

    Raises:
        ArgumentError: A number is out of range.

    Source:
        [oord2017neural] equations 1 to 3 and appendix A.1; the revival follows
        [dhariwal2020jukebox].
    """

    codebook: Tensor
    counts: Tensor

    def __init__(
        self,
        num_codes: int,
        dim: int,
        *,
        commitment: float = 0.25,
        decay: float | None = 0.99,
        revive_below: float = 0.0,
        spread: float = 1.0,
    ):
        super().__init__()
        check_int("num_codes", num_codes, low=2)
        check_int("dim", dim, low=1)
        self.commitment = check_number("commitment", commitment, low=0)
        self.revive_below = check_number("revive_below", revive_below, low=0)
        check_number("spread", spread, low=0, open_low=True)
        if decay is not None:
            check_number("decay", decay, low=0, high=1, open_high=True)
        self.decay = decay
        start = spread * torch.randn(num_codes, dim)
        if decay is None:
            self.codebook = nn.Parameter(start)
        else:
            self.register_buffer("codebook", start)
        self.register_buffer("counts", torch.ones(num_codes))

    @torch.no_grad()
    def codes(self, vectors: Float[Tensor, "*places dim"]) -> Int[Tensor, "*places"]:
        r"""Return k(z) = argmin_k \|z - e_k\| of every vector.

        Raises:
            ArgumentError: The last axis is not D long, or a value is not finite.
        """
        return nearest_token(vectors, self.codebook)

    def look_up(self, codes: Int[Tensor, "*places"]) -> Float[Tensor, "*places dim"]:
        """Return the codes e_k themselves."""
        return self.codebook[codes]

    def forward(self, vectors: Float[Tensor, "*places dim"]) -> Quantised:
        """Quantise, and in training mode let the codebook follow.

        Args:
            vectors: z, any number of places.

        Returns:
            Codes, vectors and the two losses, whose means are over places and sums over D.
        """
        codes = self.codes(vectors)
        near = self.look_up(codes)
        apart = (vectors - near.detach()).square().sum(-1).mean()
        follow = (vectors.detach() - near).square().sum(-1).mean()
        if self.training:
            self.follow(vectors.detach(), codes)
        return Quantised(
            codes,
            straight_through(vectors, near),
            follow if self.decay is None else torch.zeros_like(follow),
            self.commitment * apart,
        )

    @torch.no_grad()
    def follow(self, vectors: Float[Tensor, "*places dim"], codes: Int[Tensor, "*places"]) -> None:
        """Take a batch into the counts and the moving averages, and revive dead codes.

        Args:
            vectors: z.
            codes: k(z).

        Accuracy:
            With g = 0 exactly one step of Lloyd's algorithm, in which a code without vectors stays.
        """
        rows, names = vectors.reshape(-1, vectors.shape[-1]).to(self.codebook), codes.flatten()
        hits = torch.zeros_like(self.counts).index_add_(0, names, torch.ones_like(rows[:, 0]))
        sums = torch.zeros_like(self.codebook).index_add_(0, names, rows)
        decay = USAGE_DECAY if self.decay is None else self.decay
        self.counts.lerp_(hits, 1 - decay)
        if self.decay is not None:
            pull = sums - hits[:, None] * self.codebook
            smallest = torch.finfo(pull.dtype).tiny
            self.codebook += (1 - decay) * pull / self.counts.clamp_min(smallest)[:, None]
        if self.revive_below > 0:
            self._revive(rows)

    def _revive(self, rows: Float[Tensor, "rows dim"]) -> None:
        """Move codes with a small count to random rows, and count them as used on average."""
        dead = self.counts < self.revive_below
        chosen = rows[torch.randint(len(rows), self.counts.shape, device=rows.device)]
        self.codebook.copy_(torch.where(dead[:, None], chosen, self.codebook))
        self.counts.masked_fill_(dead, max(len(rows) / len(self.counts), 2 * self.revive_below))


def code_perplexity(codes: Int[Tensor, "*places"], num_codes: int) -> Float[Tensor, ""]:
    """Perplexity exp(H(f)) of the frequencies f of the codes: how many of them are in use.

    Args:
        codes: Integers 0 .. K - 1 of many examples.
        num_codes: K.

    Returns:
        From 1, when one code does everything, to K, when all are used alike.

    Raises:
        ArgumentError: A code is out of range.

    Accuracy:
        Exact for these codes; of fewer codes than about 10 K it is too low.
    """
    check_int("num_codes", num_codes, low=1)
    check_tensor("codes", codes, dtype="integer", low=0, high=num_codes - 1)
    share = torch.bincount(codes.flatten(), minlength=num_codes).double() / codes.numel()
    return categorical_entropy(share.log()).exp()
