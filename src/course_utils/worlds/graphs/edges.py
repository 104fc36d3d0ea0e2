"""Graphs without structure: every pair tosses its own coin, or exactly M pairs are joined.

Gilbert (1959) joins each of the N = n(n−1)/2 pairs independently with probability p; Erdős and
Rényi (1959) draw uniformly among the graphs with M edges. Both are often called by the second
name. The degree of a node in the first is Binomial(n−1, p); the Poisson law is only its limit for
large n with n p fixed.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number
from course_utils.tasks import absent, nothing_to_learn
from course_utils.worlds.graphs.adjacency import check_graphs, from_pairs, num_pairs, to_pairs

_all_observed = absent(
    "infer", "every pair of nodes is observed and nothing is hidden.", "the architecture page"
)


class IndependentEdges(ABC):
    """World p(x) = Π_{i<j} P_ij^{x_ij} (1 − P_ij)^{1 − x_ij}."""

    loss = nothing_to_learn
    posterior = _all_observed

    @property
    @abstractmethod
    def edge_matrix(self) -> Float[Tensor, "n n"]:
        """Probability P_ij that i and j are joined; symmetric, zero diagonal."""

    def log_prob(self, x: Int[Tensor, "batch n n"]) -> Float[Tensor, " batch"]:
        """Log probability log p(x) = Σ_{i<j} x_ij log P_ij + (1 − x_ij) log(1 − P_ij).

        Args:
            x: Adjacency matrices, 0 or 1.

        Returns:
            Nats per labelled graph, ≤ 0; −inf for a graph that cannot occur.

        Accuracy:
            Exact.
        """
        matrix = self.edge_matrix
        check_graphs("x", x, len(matrix), device=matrix.device)
        probs = to_pairs(matrix)
        return torch.where(to_pairs(x) == 1, probs.log(), (-probs).log1p()).sum(-1)

    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, "n n"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples n n"]:
        """Draw graphs, or complete one that is known in part.

        Args:
            num_samples: How many.
            condition: One adjacency matrix in which −1 marks the pairs to be drawn.
            generator: Source of randomness on the world's device.

        Returns:
            Adjacency matrices, int64.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        matrix = self.edge_matrix
        probs = to_pairs(matrix).expand(num_samples, -1)
        pairs = torch.bernoulli(probs, generator=generator).long()
        if condition is not None:
            known = _known_pairs(condition, len(matrix), matrix.device)
            pairs = torch.where(known < 0, pairs, known)
        return from_pairs(pairs, len(matrix))

    def entropy(self) -> Float[Tensor, ""]:
        """Entropy H(x) = −Σ_{i<j} P_ij log P_ij + (1 − P_ij) log(1 − P_ij).

        Returns:
            Nats per labelled graph.

        Accuracy:
            Exact.
        """
        probs = to_pairs(self.edge_matrix)
        return (torch.special.entr(probs) + torch.special.entr(1 - probs)).sum()

    def degree_probs(self) -> Float[Tensor, "n degrees"]:
        """Distribution of the degree of every node, over 0 … n−1.

        The degree of i is a sum of independent coins P_ij, so its distribution is built up coin
        by coin: q(d) ← (1 − P_ij) q(d) + P_ij q(d−1). With equal coins it is Binomial(n−1, p).

        Accuracy:
            Exact.
        """
        matrix = self.edge_matrix
        probs = torch.zeros_like(matrix)
        probs[:, 0] = 1
        for coin in matrix.unbind(1):
            one_more = torch.cat([torch.zeros_like(probs[:, :1]), probs[:, :-1]], dim=1)
            probs = (1 - coin[:, None]) * probs + coin[:, None] * one_more
        return probs


@dataclass(frozen=True, eq=False)
class GilbertGraphs(IndependentEdges):
    """G(n, p): every pair is joined independently with probability p (Gilbert 1959).

    Args:
        num_nodes: n ≥ 2.
        edge_prob: p in [0, 1].
        device: Where graphs are drawn and scored.
        dtype: Type of probabilities.

    Source:
        [gilbert1959random].
    """

    num_nodes: int
    edge_prob: float
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float64

    def __post_init__(self) -> None:
        check_int("num_nodes", self.num_nodes, low=2)
        check_number("edge_prob", self.edge_prob, low=0, high=1)

    @property
    def edge_matrix(self) -> Float[Tensor, "n n"]:
        """Probability p off the diagonal."""
        n = self.num_nodes
        filled = torch.full((n, n), self.edge_prob, dtype=self.dtype, device=self.device)
        return filled.fill_diagonal_(0)


@dataclass(frozen=True, eq=False)
class ErdosRenyiGraphs:
    """G(n, M): uniform over the C(N, M) labelled graphs with M edges (Erdős and Rényi 1959).

    Args:
        num_nodes: n ≥ 2.
        num_edges: M, 0 to N = n(n−1)/2.
        device: Where graphs are drawn and scored.
        dtype: Type of probabilities.

    Source:
        [erdos1959random].
    """

    num_nodes: int
    num_edges: int
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float64

    loss = nothing_to_learn
    posterior = _all_observed

    def __post_init__(self) -> None:
        check_int("num_nodes", self.num_nodes, low=2)
        check_int("num_edges", self.num_edges, low=0, high=num_pairs(self.num_nodes))

    def log_prob(self, x: Int[Tensor, "batch n n"]) -> Float[Tensor, " batch"]:
        """Log probability −log C(N, M) of a graph with M edges.

        Args:
            x: Adjacency matrices, 0 or 1.

        Returns:
            Nats per labelled graph; −inf with any other number of edges.

        Accuracy:
            Exact.
        """
        check_graphs("x", x, self.num_nodes, device=self.device)
        fits = to_pairs(x).sum(-1) == self.num_edges
        return torch.where(fits, -self.entropy(), -torch.inf)

    def entropy(self) -> Float[Tensor, ""]:
        """Entropy H(x) = log C(N, M).

        Returns:
            Nats per labelled graph.

        Accuracy:
            Exact.
        """
        count = math.comb(num_pairs(self.num_nodes), self.num_edges)
        return torch.tensor(math.log(count), dtype=self.dtype, device=self.device)

    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, "n n"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples n n"]:
        """Join the M first pairs of a random order, or complete a graph known in part.

        Args:
            num_samples: How many.
            condition: One adjacency matrix in which −1 marks the pairs to be drawn.
            generator: Source of randomness on the world's device.

        Returns:
            Adjacency matrices, int64.

        Raises:
            ArgumentError: If no graph with M edges agrees with ``condition``.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        shape = (num_samples, num_pairs(self.num_nodes))
        place = torch.rand(shape, generator=generator, dtype=torch.float64, device=self.device)
        if condition is not None:
            known = _known_pairs(condition, self.num_nodes, self.device)
            least, most = int((known == 1).sum()), int((known != 0).sum())
            if not least <= self.num_edges <= most:
                raise ArgumentError(
                    f"condition: expected room for {self.num_edges} edges, "
                    f"got a graph that can have {least} to {most}"
                )
            place = place - (known == 1).to(place) + (known == 0).to(place)
        joined = place.argsort(-1)[:, : self.num_edges]
        pairs = torch.zeros(shape, dtype=torch.int64, device=self.device)
        return from_pairs(pairs.scatter(1, joined, 1), self.num_nodes)


def _known_pairs(condition: Tensor, num_nodes: int, device: torch.device | str) -> Tensor:
    batch = condition.unsqueeze(0)
    return to_pairs(check_graphs("condition", batch, num_nodes, low=-1, device=device))[0]
