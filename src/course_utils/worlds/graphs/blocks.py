"""Stochastic block models: whether two nodes are joined depends only on their blocks.

Holland, Laskey and Leinhardt (1983). With the blocks given the edges are independent. With the
blocks hidden the graph is a mixture over all B^n assignments of n nodes to B blocks, and finding
them from the graph is community detection; for a few nodes the sum is simply written out.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import categorical_entropy, check_probabilities, sample_categorical
from course_utils.tasks import nothing_to_learn
from course_utils.worlds.graphs.adjacency import (
    MAX_NODES,
    all_graphs,
    check_graphs,
    from_pairs,
    to_pairs,
)
from course_utils.worlds.graphs.edges import IndependentEdges

MAX_ASSIGNMENTS = 65_536
"""Largest number B^n of assignments that are summed over."""

_CHUNK = 1024


def _check_edge_probs(edge_probs: Tensor) -> None:
    check_tensor("edge_probs", edge_probs, shape=("B", "B"), dtype="float", low=0, high=1)
    if edge_probs.shape[0] != edge_probs.shape[1] or bool((edge_probs != edge_probs.mT).any()):
        raise ArgumentError("edge_probs: expected a symmetric matrix, got otherwise")


@dataclass(frozen=True, eq=False)
class BlockModel(IndependentEdges):
    """World with P_ij = θ[z_i, z_j] for blocks z that are given.

    Args:
        blocks: z, the block 0 … B−1 of each of the n nodes.
        edge_probs: θ, symmetric, entries in [0, 1].

    Source:
        [holland1983stochastic].
    """

    blocks: Int[Tensor, " n"]
    edge_probs: Float[Tensor, "B B"]

    def __post_init__(self) -> None:
        _check_edge_probs(self.edge_probs)
        high, device = len(self.edge_probs) - 1, self.edge_probs.device
        check_tensor("blocks", self.blocks, dtype="integer", low=0, high=high, device=device)
        check_int("len(blocks)", len(self.blocks), low=2)

    @property
    def edge_matrix(self) -> Float[Tensor, "n n"]:
        """Probability θ[z_i, z_j] off the diagonal."""
        return self.edge_probs[self.blocks][:, self.blocks].fill_diagonal_(0)


@dataclass(frozen=True, eq=False)
class LatentBlockModel:
    """World p(x) = Σ_z Π_i π[z_i] Π_{i<j} θ[z_i, z_j]^{x_ij} (1 − θ[z_i, z_j])^{1 − x_ij}.

    Drawing works for any n. The probability, the posterior and what follows from it need
    B^n ≤ 65 536 assignments.

    Args:
        num_nodes: n ≥ 2.
        proportions: π, the probability of each of the B blocks.
        edge_probs: θ, symmetric, entries in [0, 1].
    """

    num_nodes: int
    proportions: Float[Tensor, " B"]
    edge_probs: Float[Tensor, "B B"]

    loss = nothing_to_learn

    def __post_init__(self) -> None:
        check_int("num_nodes", self.num_nodes, low=2)
        _check_edge_probs(self.edge_probs)
        check_probabilities("proportions", self.proportions)
        theta = self.edge_probs
        check_tensor("proportions", self.proportions, shape=(len(theta),), device=theta.device)
        check_tensor("proportions", self.proportions, dtype=theta.dtype)

    @property
    def num_blocks(self) -> int:
        """Number of blocks B."""
        return len(self.edge_probs)

    def assignments(self) -> Int[Tensor, "assignments n"]:
        """All B^n assignments z, the last node running fastest.

        Raises:
            ArgumentError: If there are more than 65 536.
        """
        count = self.num_blocks**self.num_nodes
        if count > MAX_ASSIGNMENTS:
            raise ArgumentError(
                f"num_nodes: expected at most {MAX_ASSIGNMENTS} assignments of nodes to blocks, "
                f"got {self.num_blocks}^{self.num_nodes} = {count}"
            )
        codes = torch.arange(count, device=self.edge_probs.device).unsqueeze(-1)
        places = torch.arange(self.num_nodes - 1, -1, -1, device=codes.device)
        return codes // self.num_blocks**places % self.num_blocks

    def joint_log_prob(self, x: Int[Tensor, "batch n n"]) -> Float[Tensor, "batch assignments"]:
        """Log probability log p(z) + log p(x | z) of every graph with every assignment.

        Returns:
            Nats; axis 1 as ``assignments``; −inf where x cannot occur with z.

        Accuracy:
            Exact; one matrix product over pairs, and another that finds the impossible.
        """
        check_graphs("x", x, self.num_nodes, device=self.edge_probs.device)
        z = self.assignments()
        probs = to_pairs(self.edge_probs[z[:, :, None], z[:, None, :]])
        joined = to_pairs(x).to(probs.dtype)
        coins = torch.cat([joined, 1 - joined], dim=1)
        logs = torch.cat([probs.log(), (-probs).log1p()], dim=1)
        never = coins @ (logs == -torch.inf).to(probs.dtype).T > 0
        likelihood = coins @ logs.where(logs != -torch.inf, 0).T
        return self.proportions.log()[z].sum(-1) + likelihood.masked_fill(never, -torch.inf)

    def log_prob(self, x: Int[Tensor, "batch n n"]) -> Float[Tensor, " batch"]:
        """Log probability log p(x) = log Σ_z p(z) p(x | z).

        Args:
            x: Adjacency matrices, 0 or 1.

        Returns:
            Nats per labelled graph, ≤ 0.

        Raises:
            ArgumentError: If there are more than 65 536 assignments.

        Accuracy:
            Exact, by enumeration.
        """
        return self.joint_log_prob(x).logsumexp(-1)

    def posterior(self, x: Int[Tensor, "batch n n"]) -> Float[Tensor, "batch assignments"]:
        """Posterior p(z | x) over ``assignments``; sums to one over the last axis.

        Raises:
            ArgumentError: If there are more than 65 536 assignments, or x cannot occur.

        Accuracy:
            Exact, by enumeration.
        """
        joint = self.joint_log_prob(x)
        if bool((joint.max(-1).values == -torch.inf).any()):
            raise ArgumentError("x: expected graphs that can occur, got one of probability 0")
        return joint.softmax(-1)

    def block_posterior(self, x: Int[Tensor, "batch n n"]) -> Float[Tensor, "batch n B"]:
        """Posterior p(z_i | x) of each node's block.

        If the model does not change when two blocks swap names, neither does this: both are then
        equally likely for every node, and ``same_block`` is the question to ask.

        Accuracy:
            Exact, by enumeration.
        """
        member = torch.nn.functional.one_hot(self.assignments(), self.num_blocks)
        posterior = self.posterior(x)
        return torch.einsum("ba,anc->bnc", posterior, member.to(posterior))

    def same_block(self, x: Int[Tensor, "batch n n"]) -> Float[Tensor, "batch n n"]:
        """Posterior p(z_i = z_j | x) that two nodes share a block, whatever it is called.

        Accuracy:
            Exact, by enumeration.
        """
        z, posterior = self.assignments(), self.posterior(x)
        same = (z[:, :, None] == z[:, None, :]).to(posterior)
        return torch.einsum("ba,aij->bij", posterior, same)

    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, " n"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples n n"]:
        """Draw graphs for any n, all blocks free or some of them given.

        Args:
            num_samples: How many.
            condition: Block of each node, −1 where it is free.
            generator: Source of randomness on the world's device.

        Returns:
            Adjacency matrices, int64.

        Accuracy:
            Exact.
        """
        return self.sample_with_blocks(num_samples, condition=condition, generator=generator)[0]

    def sample_with_blocks(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, " n"] | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Int[Tensor, "num_samples n n"], Int[Tensor, "num_samples n"]]:
        """As ``sample``, with the blocks z of every graph beside it."""
        check_int("num_samples", num_samples, low=1)
        shape = (num_samples, self.num_nodes, self.num_blocks)
        z = sample_categorical(self.proportions.log().expand(shape), generator)
        if condition is not None:
            high = self.num_blocks - 1
            shape, device = (self.num_nodes,), self.edge_probs.device
            check_tensor("condition", condition, shape=shape, dtype="integer", device=device)
            check_tensor("condition", condition, low=-1, high=high)
            z = torch.where(condition < 0, z, condition)
        probs = to_pairs(self.edge_probs[z[:, :, None], z[:, None, :]])
        pairs = torch.bernoulli(probs, generator=generator).long()
        return from_pairs(pairs, self.num_nodes), z

    def entropy(self) -> Float[Tensor, ""]:
        """Entropy H(x) = −Σ_x p(x) log p(x) over all 2^(n(n−1)/2) graphs, the blocks summed out.

        Returns:
            Nats per labelled graph.

        Raises:
            ArgumentError: If n > 6.

        Accuracy:
            Exact, by enumeration.
        """
        check_int("num_nodes", self.num_nodes, low=2, high=MAX_NODES)
        graphs = all_graphs(self.num_nodes, device=self.edge_probs.device)
        return categorical_entropy(torch.cat([self.log_prob(x) for x in graphs.split(_CHUNK)]))
