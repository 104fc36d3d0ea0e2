"""Spanning trees, and the best tree-shaped network for given data (Chow and Liu)."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import check_int, check_number, check_tensor


def maximum_spanning_tree(
    num_nodes: int, weight: Callable[[int, int], float]
) -> tuple[tuple[int, int], ...]:
    """Links i < j that join all nodes without a cycle and have the largest total weight (Kruskal).

    Args:
        num_nodes: Number of nodes, numbered from 0.
        weight: Weight of the link between i and j, for i < j. Ties go to the smaller j, then i.

    Returns:
        ``num_nodes − 1`` links, the heaviest first.

    Accuracy:
        Exact.
    """
    check_int("num_nodes", num_nodes, low=1)
    pairs = [(i, j) for j in range(num_nodes) for i in range(j)]
    pairs.sort(key=lambda pair: -weight(*pair))
    group, links = list(range(num_nodes)), []
    for i, j in pairs:
        if group[i] != group[j]:
            links.append((i, j))
            group = [group[i] if g == group[j] else g for g in group]
    return tuple(links)


def chow_liu(
    x: Int[Tensor, "batch variables"], levels: int, *, root: int = 0, pseudo_count: float = 0.0
) -> tuple[tuple[int, ...], ...]:
    r"""The tree on which a network has the highest likelihood for the data.

    With tables fitted by counting, the mean log-likelihood on a tree is
    \sum_{arrows} I(x_i; x_j) − \sum_i H(x_i) under the data's own frequencies. Only the first sum
    depends on the tree, and it is largest for the maximum spanning tree of the mutual informations.

    Args:
        x: Examples.
        levels: Levels of every variable.
        root: The variable without a parent.
        pseudo_count: Added to each count of a pair.

    Returns:
        The parents of each variable, for ``BayesNet.fitted``; every direction of the arrows that
        leaves one root gives the same law.

    Accuracy:
        Exact without pseudo-counts.

    Source:
        [chow1968approximating].
    """
    check_number("pseudo_count", pseudo_count, low=0)
    check_int("root", root, low=0, high=x.shape[1] - 1)
    information = pairwise_information(x, levels, pseudo_count).tolist()
    links = maximum_spanning_tree(x.shape[1], lambda i, j: information[i][j])
    neighbours: list[list[int]] = [[] for _ in range(x.shape[1])]
    for i, j in links:
        neighbours[i].append(j)
        neighbours[j].append(i)
    parents: list[tuple[int, ...]] = [()] * x.shape[1]
    waiting, seen = [root], {root}
    while waiting:
        node = waiting.pop()
        for other in neighbours[node]:
            if other not in seen:
                parents[other] = (node,)
                seen.add(other)
                waiting.append(other)
    return tuple(parents)


def pairwise_information(
    x: Int[Tensor, "batch variables"], levels: int, pseudo_count: float = 0.0
) -> Float[Tensor, "variables variables"]:
    """Mutual information I(x_i; x_j) in nats of all pairs, under the data's own frequencies.

    The diagonal holds the entropies H(x_i).

    Accuracy:
        Exact for the frequencies; as an estimate of the source's information it is too high.

    Source:
        [cover2006elements].
    """
    check_int("levels", levels, low=2)
    check_tensor("x", x, shape=("batch", "variables"), dtype="integer", low=0, high=levels - 1)
    shown = torch.nn.functional.one_hot(x, levels).double()
    joint = torch.einsum("bik,bjl->ijkl", shown, shown) + pseudo_count
    joint = joint / joint.sum((2, 3), keepdim=True)
    entropy = torch.special.entr(joint).sum((2, 3))
    first, second = (torch.special.entr(joint.sum(axis)).sum(-1) for axis in (3, 2))
    return first + second - entropy
