r"""Networks on graphs: every node reads itself and the sum of its neighbours [gilmer2017neural].

    h_i <- f(W h_i + V \sum_j A_ij h_j + b)

The same W and V serve all nodes, and a sum does not know the order of its terms. So if the nodes
are renumbered by a permutation P, that is A -> P A P^T and H -> P H, the result is renumbered in
the same way and is otherwise unchanged. A pool over the nodes then describes the graph itself.

What such a network cannot see is known too: it distinguishes no two graphs that the colour
refinement of Weisfeiler and Leman does not distinguish [xu2019how].
"""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn
from torch.nn import functional

from course_utils.arguments import ArgumentError, check_int, check_tensor


class GraphLayer(nn.Module):
    r"""h_i <- W h_i + V \sum_j A_ij h_j + b, linear in the nodes' features.

    Args:
        num_inputs: Features of a node.
        num_outputs: Features of a node afterwards.

    Raises:
        ArgumentError: A size is not a positive whole number.

    Source:
        [gilmer2017neural].
    """

    def __init__(self, num_inputs: int, num_outputs: int):
        super().__init__()
        check_int("num_inputs", num_inputs, low=1)
        check_int("num_outputs", num_outputs, low=1)
        self.own = nn.Linear(num_inputs, num_outputs)
        self.neighbours = nn.Linear(num_inputs, num_outputs, bias=False)

    def forward(
        self, adjacency: Num[Tensor, "*batch nodes nodes"], h: Float[Tensor, "*batch nodes inputs"]
    ) -> Float[Tensor, "*batch nodes outputs"]:
        """Return the features of every node."""
        return self.own(h) + self.neighbours(adjacency.to(h.dtype) @ h)


class GraphNet(nn.Module):
    """A stack of graph layers with a smooth non-linearity between them.

    Args:
        sizes: Features of a node before the first layer and after each layer.

    Raises:
        ArgumentError: There are fewer than two sizes, or one is no positive whole number.

    Source:
        [gilmer2017neural].
    """

    def __init__(self, sizes: Sequence[int]):
        super().__init__()
        if len(sizes) < 2:
            raise ArgumentError(f"sizes: expected at least two numbers, got {list(sizes)}")
        pairs = itertools.pairwise(sizes)
        self.layers = nn.ModuleList([GraphLayer(a, b) for a, b in pairs])

    def forward(
        self, adjacency: Num[Tensor, "*batch nodes nodes"], h: Float[Tensor, "*batch nodes inputs"]
    ) -> Float[Tensor, "*batch nodes outputs"]:
        """Return the features of every node after the last layer."""
        for number, layer in enumerate(self.layers):
            h = layer(adjacency, functional.silu(h) if number else h)
        return h


def refine_colours(adjacency: Num[Tensor, "nodes nodes"]) -> Int[Tensor, " nodes"]:
    """Colours of the nodes after the refinement of Weisfeiler and Leman has come to rest.

    All nodes start alike. In each round two nodes keep the same colour if they had the same one and
    their neighbours' colours agree with multiplicity. To compare two graphs, refine both together,
    as the blocks of one matrix.

    Args:
        adjacency: A, symmetric, of zeros and ones.

    Returns:
        A number from 0 upwards for each node; no graph network that starts from equal features can
        tell nodes of one number apart.

    Raises:
        ArgumentError: ``adjacency`` is not square and symmetric.

    Accuracy:
        Exact.

    Source:
        [xu2019how].
    """
    nodes = len(check_tensor("adjacency", adjacency, shape=("nodes", "nodes"), low=0, high=1))
    if adjacency.shape[1] != nodes or not torch.equal(adjacency, adjacency.mT):
        raise ArgumentError("adjacency: expected a square symmetric matrix, got another")
    links = [row.nonzero()[:, 0].tolist() for row in adjacency]
    colours = [0] * nodes
    while True:
        seen = [(colours[i], tuple(sorted(colours[j] for j in links[i]))) for i in range(nodes)]
        names = {key: number for number, key in enumerate(sorted(set(seen)))}
        if len(names) == len(set(colours)):
            return torch.tensor(colours, device=adjacency.device)
        colours = [names[key] for key in seen]
