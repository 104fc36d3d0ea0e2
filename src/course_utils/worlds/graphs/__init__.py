"""Random graphs on labelled nodes whose probability can be computed, as adjacency matrices.

A graph on n nodes is an integer matrix (n, n), symmetric with a zero diagonal; a batch of them has
the shape (batch, n, n). Probabilities are those of labelled graphs: node 3 is node 3, and two
isomorphic graphs count twice.

adjacency     checks, the n(n−1)/2 pairs as a vector, all graphs on a few nodes, relabelling
edges         independent edges, G(n, p), and graphs with exactly M edges, G(n, M)
blocks        stochastic block models, the blocks given or hidden
attachment    nodes arrive one by one and prefer neighbours that already have many
molecules     atoms with valences and bond orders, by enumeration
"""

from course_utils.worlds.graphs.adjacency import all_graphs, relabel
from course_utils.worlds.graphs.attachment import PreferentialAttachment
from course_utils.worlds.graphs.blocks import BlockModel, LatentBlockModel
from course_utils.worlds.graphs.edges import ErdosRenyiGraphs, GilbertGraphs
from course_utils.worlds.graphs.molecules import Molecules

__all__ = [
    "BlockModel",
    "ErdosRenyiGraphs",
    "GilbertGraphs",
    "LatentBlockModel",
    "Molecules",
    "PreferentialAttachment",
    "all_graphs",
    "relabel",
]
