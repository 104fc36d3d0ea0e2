"""Growing graphs: nodes arrive one by one and prefer neighbours that already have many.

Barabási and Albert (1999) describe the idea and leave two choices open; here they are made so that
the probability can be computed. The first m + 1 nodes are all joined to each other. Each later
node t draws m different neighbours among 0 … t−1, one after the other without replacement, each
with probability proportional to its degree before t arrived, among those not yet drawn.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int
from course_utils.distributions import categorical_entropy, sample_categorical
from course_utils.tasks import absent, nothing_to_learn
from course_utils.worlds.graphs.adjacency import check_graphs

MAX_SUPPORT = 50_000
"""Largest number of graphs that are listed for the entropy."""

MAX_LINKS = 6
"""Largest m; the probability of a neighbourhood sums over the m! orders of drawing it."""


@dataclass(frozen=True, eq=False)
class PreferentialAttachment:
    """World in which node t joins S_t, |S_t| = m, drawn in proportion to the degrees.

    Nodes are numbered in the order of arrival, which is therefore known, and the probability of
    a graph changes when its nodes are renumbered.

    Args:
        num_nodes: n > m.
        num_links: m, 1 to 6.
        device: Where graphs are drawn and scored.
        dtype: Type of probabilities.

    Source:
        [barabasi1999emergence].
    """

    num_nodes: int
    num_links: int = 1
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float64

    loss = nothing_to_learn
    posterior = absent(
        "infer", "the order of arrival is known and nothing is hidden.", "the architecture page"
    )

    def __post_init__(self) -> None:
        check_int("num_links", self.num_links, low=1, high=MAX_LINKS)
        check_int("num_nodes", self.num_nodes, low=self.num_links + 1)

    def log_prob(self, x: Int[Tensor, "batch n n"]) -> Float[Tensor, " batch"]:
        """Log probability log p(x) = Σ_{t>m} log p(S_t | x_<t), the order of arrival being known.

        A set is drawn in any of m! orders, and with D the sum of the degrees d before t came,
        p(S | x_<t) = Σ_σ Π_k d_{σ_k} / (D − d_{σ_1} − … − d_{σ_{k−1}}).

        Args:
            x: Adjacency matrices, 0 or 1, node i having arrived as number i.

        Returns:
            Nats per graph, ≤ 0; −inf for a graph that cannot grow by this rule.

        Accuracy:
            Exact.
        """
        check_graphs("x", x, self.num_nodes, device=self.device)
        links = x.tril().sum(-1)
        expected = torch.arange(self.num_nodes, device=x.device).clamp_max(self.num_links)
        possible = (links == expected).all(-1)
        total = torch.zeros(len(x), dtype=self.dtype, device=x.device)
        for t in range(self.num_links + 1, self.num_nodes):
            total = total + self._neighbourhood_log_prob(x, t)
        return torch.where(possible, total, -torch.inf)

    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, "start start"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples n n"]:
        """Grow graphs from the m + 1 first nodes, or from a graph on the nodes that came first.

        Args:
            num_samples: How many.
            condition: Adjacency matrix of the first nodes, at least m + 1 and at most n of them.
            generator: Source of randomness on the world's device.

        Returns:
            Adjacency matrices, int64.

        Raises:
            ArgumentError: If ``condition`` cannot grow by this rule.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        start = self._core() if condition is None else self._start(condition)
        n = self.num_nodes
        x = torch.zeros(num_samples, n, n, dtype=torch.int64, device=self.device)
        x[:, : len(start), : len(start)] = start
        for t in range(len(start), n):
            logits = x[:, :t, :t].sum(-1).to(self.dtype).log()
            for _ in range(self.num_links):
                drawn = sample_categorical(logits, generator).unsqueeze(-1)
                logits = logits.scatter(1, drawn, -torch.inf)
            x[:, t, :t] = x[:, :t, t] = (logits == -torch.inf).long()
        return x

    def support(self) -> Int[Tensor, "graphs n n"]:
        """All Π_{t>m} C(t, m) graphs that can grow.

        Raises:
            ArgumentError: If there are more than 50 000.
        """
        m, n = self.num_links, self.num_nodes
        count = math.prod(math.comb(t, m) for t in range(m + 1, n))
        if count > MAX_SUPPORT:
            raise ArgumentError(
                f"num_nodes: expected at most {MAX_SUPPORT} possible graphs to list, got {count}"
            )
        x = torch.zeros(1, n, n, dtype=torch.int64, device=self.device)
        x[:, : m + 1, : m + 1] = self._core()
        for t in range(m + 1, n):
            sets = torch.combinations(torch.arange(t, device=self.device), m)
            rows = torch.zeros(len(sets), t, dtype=torch.int64, device=self.device)
            rows = rows.scatter(1, sets, 1).repeat(len(x), 1)
            x = x.repeat_interleave(len(sets), 0)
            x[:, t, :t] = x[:, :t, t] = rows
        return x

    def entropy(self) -> Float[Tensor, ""]:
        """Entropy H(x) = −Σ p log p over ``support``.

        Returns:
            Nats per graph, its order of arrival being known.

        Raises:
            ArgumentError: If more than 50 000 graphs are possible.

        Accuracy:
            Exact, by enumeration.
        """
        return categorical_entropy(self.log_prob(self.support()))

    def _core(self) -> Tensor:
        ones = torch.ones(self.num_links + 1, self.num_links + 1, device=self.device).long()
        return ones.fill_diagonal_(0)

    def _start(self, condition: Tensor) -> Tensor:
        low = self.num_links + 1
        start = check_int("len(condition)", len(condition), low=low, high=self.num_nodes)
        first = PreferentialAttachment(start, self.num_links, self.device, self.dtype)
        if bool(first.log_prob(condition.unsqueeze(0)) == -torch.inf):
            raise ArgumentError("condition: expected a graph that can grow, got probability 0")
        return condition

    def _neighbourhood_log_prob(self, x: Tensor, t: int) -> Tensor:
        """log p(S_t | x_<t) for the m nodes (or, if there are not m, any m) that t has joined."""
        degrees = x[:, :t, :t].sum(-1).to(self.dtype)
        chosen = x[:, t, :t].topk(self.num_links).indices
        orders = list(itertools.permutations(range(self.num_links)))
        drawn = degrees.gather(1, chosen)[:, torch.tensor(orders, device=x.device)]
        left = degrees.sum(-1)[:, None, None] - (drawn.cumsum(-1) - drawn)
        return (drawn.log() - left.log()).sum(-1).logsumexp(-1)
