r"""Circuits written out: a graph of sums, products and leaves that computes a probability.

    leaf      a law of one variable
    product   the factors speak of different variables: independence
    sum       weighted, with weights that sum to one: a mixture

Bottom-up evaluation gives a number for a state x. If each sum adds functions of the *same*
variables (smoothness) and each product multiplies functions of *different* ones (decomposability),
then sums over variables can be moved past both kinds of node down to the leaves. So to sum a
variable out, one replaces its leaves by 1, and every marginal costs one evaluation.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from course_utils.arguments import ArgumentError, check_int, check_tensor
from course_utils.distributions import check_probabilities, sample_dirichlet


@dataclass(frozen=True, eq=False)
class Leaf:
    """Law of one variable, p(x_v = k) = ``probs[k]``.

    Raises:
        ArgumentError: The probabilities do not sum to one.
    """

    variable: int
    probs: Float[Tensor, " levels"]

    def __post_init__(self) -> None:
        check_int("variable", self.variable, low=0)
        check_probabilities("probs", self.probs)


@dataclass(frozen=True, eq=False)
class Product:
    """Product of its children."""

    children: tuple["Node", ...]


@dataclass(frozen=True, eq=False)
class Sum:
    """Sum of its children, weighted.

    Raises:
        ArgumentError: The weights do not sum to one, or there is not one for each child.
    """

    weights: Float[Tensor, " children"]
    children: tuple["Node", ...]

    def __post_init__(self) -> None:
        check_tensor("weights", self.weights, shape=(len(self.children),))
        check_probabilities("weights", self.weights)


Node = Leaf | Product | Sum
"""A node of a circuit; the same node may be the child of several."""


def ordered(root: Node) -> list[Node]:
    """All nodes below ``root`` and itself, each once, children before parents."""
    done: dict[int, Node] = {}
    waiting: list[tuple[Node, bool]] = [(root, False)]
    while waiting:
        node, opened = waiting.pop()
        if id(node) in done:
            continue
        if opened or isinstance(node, Leaf):
            done[id(node)] = node
        else:
            waiting.append((node, True))
            waiting.extend((child, False) for child in node.children)
    return list(done.values())


def scopes(root: Node) -> dict[int, frozenset[int]]:
    """The variables each node speaks of, by the node's ``id``."""
    found: dict[int, frozenset[int]] = {}
    for node in ordered(root):
        if isinstance(node, Leaf):
            found[id(node)] = frozenset((node.variable,))
        else:
            found[id(node)] = frozenset().union(*(found[id(child)] for child in node.children))
    return found


def is_smooth(root: Node) -> bool:
    """Say whether all children of each sum speak of the same variables.

    Source:
        [darwiche2003differential].
    """
    scope = scopes(root)
    sums = [node for node in ordered(root) if isinstance(node, Sum)]
    return all(scope[id(child)] == scope[id(node)] for node in sums for child in node.children)


def is_decomposable(root: Node) -> bool:
    """Say whether the children of each product speak of different variables.

    Source:
        [darwiche2003differential].
    """
    scope = scopes(root)
    products = [node for node in ordered(root) if isinstance(node, Product)]
    return all(
        sum(len(scope[id(child)]) for child in node.children) == len(scope[id(node)])
        for node in products
    )


def log_value(root: Node, x: Int[Tensor, "batch variables"]) -> Float[Tensor, " batch"]:
    r"""Evaluate the circuit bottom-up at states in which −1 marks what is summed out.

    Args:
        root: The circuit.
        x: States; a leaf whose variable is −1 counts as 1.

    Returns:
        Log of the root's value in nats. For a smooth and decomposable circuit it is log p(x_seen),
        with everything marked −1 summed out.

    Raises:
        ArgumentError: A variable of the circuit has no column, or a value no level.

    Accuracy:
        Exact for smooth and decomposable circuits, in time proportional to their edges. For
        others the value at a complete state is what the circuit says, and that at a partial state
        is not the sum over the missing variables.

    Source:
        [poon2011sum].
    """
    return _upward(root, indicators(root, x))


def marginals(
    root: Node, x: Int[Tensor, "batch variables"]
) -> dict[int, Float[Tensor, "batch levels"]]:
    r"""All p(x_v = k | the other variables seen) at once: one pass up, one pass down.

    With an indicator λ_{vk} at each leaf the value is a polynomial f(λ), linear in the indicators
    of each variable, and ∂f/∂λ_{vk} is the probability of x_v = k with all else as observed.

    Args:
        root: A smooth and decomposable circuit.
        x: States; −1 marks what is not seen.

    Returns:
        For each variable its law given the *other* variables seen, whether it is itself seen or
        not.

    Raises:
        ArgumentError: The circuit is not smooth or not decomposable.

    Accuracy:
        Exact.

    Source:
        [darwiche2003differential].
    """
    if not is_smooth(root) or not is_decomposable(root):
        raise ArgumentError("root: expected a smooth and decomposable circuit, got another one")
    shown = {v: t.requires_grad_() for v, t in indicators(root, x).items()}
    with torch.enable_grad():
        gradients = torch.autograd.grad(_upward(root, shown).sum(), list(shown.values()))
    return {v: g / g.sum(-1, keepdim=True) for v, g in zip(shown, gradients, strict=True)}


def indicators(
    root: Node, x: Int[Tensor, "batch variables"]
) -> dict[int, Float[Tensor, "batch levels"]]:
    """For each variable λ_{vk} = 1 where x_v is k or not seen, else 0."""
    leaves = {node.variable: node for node in ordered(root) if isinstance(node, Leaf)}
    check_tensor("x", x, shape=("batch", "variables"), dtype="integer", low=-1)
    check_int("x.shape[1]", x.shape[1], low=max(leaves) + 1)
    shown = {}
    for v, leaf in sorted(leaves.items()):
        check_tensor(f"x[:, {v}]", x[:, v], high=len(leaf.probs) - 1)
        seen = one_hot(x[:, v].clamp_min(0), len(leaf.probs)).to(leaf.probs.dtype)
        shown[v] = torch.where(x[:, v, None] < 0, 1, seen)
    return shown


def _upward(root: Node, shown: Mapping[int, Tensor]) -> Tensor:
    value: dict[int, Tensor] = {}
    for node in ordered(root):
        if isinstance(node, Leaf):
            value[id(node)] = (shown[node.variable] @ node.probs).log()
            continue
        below = torch.stack([value[id(child)] for child in node.children], -1)
        weighed = below + node.weights.log() if isinstance(node, Sum) else below
        value[id(node)] = weighed.logsumexp(-1) if isinstance(node, Sum) else weighed.sum(-1)
    return value[id(root)]


def random_circuit(
    num_variables: int,
    width: int = 2,
    generator: torch.Generator | None = None,
    levels: int = 2,
) -> Sum:
    """A smooth and decomposable circuit with random structure and weights, in float64.

    The variables are split into two halves at random, and each half again, down to single ones.
    For each part there are ``width`` sums, each over all products of one node per half. The root
    mixes two such circuits with different splits, so that it is not a tree.

    Args:
        num_variables: At least 2.
        width: Nodes per part.
        generator: Source of randomness.
        levels: Levels of each variable.
    """
    check_int("num_variables", num_variables, low=2)
    check_int("width", width, low=1)
    check_int("levels", levels, low=2)
    halves = []
    for _ in range(2):
        order = torch.randperm(num_variables, generator=generator).tolist()
        halves.append(_part(order, width, levels, generator)[0])
    return Sum(sample_dirichlet((2,), 1.0, generator), tuple(halves))


def _part(
    variables: list[int], width: int, levels: int, generator: torch.Generator | None
) -> list[Node]:
    if len(variables) == 1:
        probs = sample_dirichlet((width, levels), 1.0, generator)
        return [Leaf(variables[0], row) for row in probs]
    cut = len(variables) // 2
    sides = [_part(part, width, levels, generator) for part in (variables[:cut], variables[cut:])]
    pairs = tuple(Product((a, b)) for a in sides[0] for b in sides[1])
    weights = sample_dirichlet((width, len(pairs)), 1.0, generator)
    return [Sum(row, pairs) for row in weights]
