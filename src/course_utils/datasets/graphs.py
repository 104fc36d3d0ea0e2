"""Small social networks that everybody who writes about graphs writes about, from networkx.

karate         34 members of a club, 78 friendships; the club later split in two
les miserables 77 characters of the novel, 254 pairs that appear together, with how often
florentine     15 families of Renaissance Florence, 20 marriages between them
southern women 18 women and 14 events, 89 attendances: a graph with two kinds of nodes
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass

import networkx
import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import check_choice

_GRAPHS: dict[str, tuple[Callable[[], networkx.Graph], str | None, tuple[str, ...]]] = {
    "karate": (networkx.karate_club_graph, "club", ("Mr. Hi", "Officer")),
    "les miserables": (networkx.les_miserables_graph, None, ()),
    "florentine": (networkx.florentine_families_graph, None, ()),
    "southern women": (networkx.davis_southern_women_graph, "bipartite", ("woman", "event")),
}
CLASSIC_GRAPHS = tuple(_GRAPHS)
"""Names of the graphs that can be asked for."""


@dataclass(frozen=True, eq=False)
class ClassicGraph:
    """An undirected graph with named nodes.

    Attributes:
        adjacency: 1 where two nodes are joined, symmetric, zeros on the diagonal.
        weights: How strong a tie is, 0 where there is none and 1 where strength is not recorded.
        node_names: Name of each node.
        groups: Known group of each node; all 0 if none are known.
        group_names: What the groups are; empty if none are known.
    """

    adjacency: Int[Tensor, "n n"]
    weights: Float[Tensor, "n n"]
    node_names: tuple[str, ...]
    groups: Int[Tensor, " n"]
    group_names: tuple[str, ...]


def classic_graph(name: str) -> ClassicGraph:
    """One of the classic graphs, on the CPU.

    Args:
        name: One of ``CLASSIC_GRAPHS``.

    Raises:
        ArgumentError: For another name.
    """
    make, attribute, group_names = _GRAPHS[check_choice("name", name, CLASSIC_GRAPHS)]
    graph = make()
    nodes: list[Hashable] = list(graph)
    weights = torch.from_numpy(networkx.to_numpy_array(graph, nodes)).to(torch.float32)
    groups = torch.zeros(len(nodes), dtype=torch.int64)
    if attribute is not None:
        values = sorted({graph.nodes[node][attribute] for node in nodes})
        groups = torch.tensor([values.index(graph.nodes[node][attribute]) for node in nodes])
    return ClassicGraph((weights != 0).long(), weights, tuple(map(str, nodes)), groups, group_names)
