r"""Quadrature: a posterior density tabulated on a grid, the truth in one or two dimensions.

On a regular grid that reaches so far that the density is negligible at its border, the plain sum

    ∫ f(θ) dθ ≈ Σ_nodes f(θ_node) · (volume of a cell)

is not a crude rule: for smooth functions its error falls faster than any power of the spacing.
The price is the number of nodes, n^d in d dimensions, which is why the rest of ``inference``
exists.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor

_MOST_NODES = 4_000_000


@dataclass(frozen=True)
class GridLaw:
    """A normalised density on the nodes of a regular grid.

    Attributes:
        axes: The coordinates of the nodes, one ascending vector per dimension.
        log_density: log p(θ) at every node, one axis per dimension.
        log_evidence: log ∫ f of the density that was given, in nats.
    """

    axes: tuple[Float[Tensor, " nodes"], ...]
    log_density: Float[Tensor, "..."]
    log_evidence: Float[Tensor, ""]

    @classmethod
    def of(
        cls,
        log_joint: Callable[[Tensor], Tensor],
        axes: Sequence[Float[Tensor, " nodes"]],
    ) -> "GridLaw":
        """Tabulate and normalise a density.

        Args:
            log_joint: From points (nodes, dim) to log f, axis ``nodes``; the same function that
                a Markov chain uses.
            axes: Ascending, equally spaced coordinates, at least two in each dimension.

        Raises:
            ArgumentError: An axis is not equally spaced, the grid has more than four million
                nodes, or the density is zero, NaN or infinite on it.

        Accuracy:
            Quadrature. Check ``border``, the share of the mass in the outermost cells, and that
            a finer grid gives the same.
        """
        for i, axis in enumerate(axes):
            _check_axis(f"axes[{i}]", axis)
        shape = tuple(len(axis) for axis in axes)
        check_int("number of nodes", torch.Size(shape).numel(), low=2, high=_MOST_NODES)
        nodes = torch.cartesian_prod(*axes).reshape(-1, len(axes))
        values = log_joint(nodes)
        check_tensor("log_joint(nodes)", values, shape=(len(nodes),), dtype="float", finite=False)
        cell = sum(float(torch.log(axis[1] - axis[0])) for axis in axes)
        evidence = values.logsumexp(0) + cell
        if not bool(torch.isfinite(evidence)):
            raise ArgumentError("log_joint: expected a finite integral on the grid, got none")
        return cls(tuple(axes), (values - evidence).reshape(shape), evidence)

    @property
    def nodes(self) -> Float[Tensor, "nodes dim"]:
        """All nodes, the last dimension running fastest."""
        return torch.cartesian_prod(*self.axes).reshape(-1, len(self.axes))

    @property
    def probs(self) -> Float[Tensor, "..."]:
        """Mass of the cell of every node; sums to one."""
        return self.log_density.flatten().softmax(0).reshape(self.log_density.shape)

    @property
    def border(self) -> float:
        """Share of the mass in the outermost cells, which tells whether the grid is wide enough."""
        inner = self.probs[tuple(slice(1, -1) for _ in self.axes)]
        return float(1 - inner.sum())

    def expectation(self, values: Float[Tensor, "nodes *event"]) -> Float[Tensor, "*event"]:
        """E[g(θ)] from the values of g at ``nodes``.

        Raises:
            ArgumentError: Not one value per node.
        """
        check_tensor("values", values, dtype="float")
        if len(values) != self.log_density.numel():
            raise ArgumentError(
                f"values: expected {self.log_density.numel()}, one per node, got {len(values)}"
            )
        return torch.tensordot(self.probs.flatten(), values, 1)

    @property
    def mean(self) -> Float[Tensor, " dim"]:
        """E[θ]."""
        return self.expectation(self.nodes)

    @property
    def covariance(self) -> Float[Tensor, "dim dim"]:
        """Cov[θ]."""
        centred = self.nodes - self.mean
        return (self.probs.flatten()[:, None] * centred).mT @ centred

    def marginal(self, dimension: int) -> Float[Tensor, " nodes"]:
        """Density of one coordinate at the nodes of its axis."""
        check_int("dimension", dimension, low=0, high=len(self.axes) - 1)
        others = [i for i in range(len(self.axes)) if i != dimension]
        mass = self.probs.sum(others) if others else self.probs
        axis = self.axes[dimension]
        return mass / (axis[1] - axis[0])

    def sample(
        self, num_samples: int, generator: torch.Generator | None = None
    ) -> Float[Tensor, "samples dim"]:
        """Draw nodes, each shifted uniformly within its cell.

        Accuracy:
            Exact for the density that is constant on each cell.
        """
        check_int("num_samples", num_samples, low=1)
        cumulative = self.probs.flatten().cumsum(0)
        level = cumulative.new_empty(num_samples).uniform_(generator=generator)
        index = torch.searchsorted(cumulative, level * cumulative[-1], right=True)
        drawn = self.nodes[index.clamp_max(len(cumulative) - 1)]
        cell = torch.stack([axis[1] - axis[0] for axis in self.axes])
        return drawn + cell * (torch.empty_like(drawn).uniform_(generator=generator) - 0.5)


def even_axes(
    center: Float[Tensor, " dim"], std: Float[Tensor, " dim"], *, reach: float, num_nodes: int
) -> tuple[Float[Tensor, " nodes"], ...]:
    """Axes of a grid from center − reach · std to center + reach · std in each dimension.

    Raises:
        ArgumentError: Fewer than two nodes, or shapes that differ.
    """
    check_tensor("center", center, shape=("dim",), dtype="float")
    check_tensor("std", std, shape=(len(center),), dtype="float", low=0)
    check_int("num_nodes", num_nodes, low=2)
    steps = torch.linspace(-reach, reach, num_nodes, dtype=center.dtype, device=center.device)
    return tuple((c + s * steps) for c, s in zip(center, std, strict=True))


def _check_axis(name: str, axis: Tensor) -> None:
    check_tensor(name, axis, shape=("nodes",), dtype="float")
    steps = axis.diff()
    even = len(axis) > 1 and bool(steps[0] > 0)
    if not even or bool(((steps - steps[0]).abs() > 1e-4 * steps[0]).any()):
        raise ArgumentError(f"{name}: expected equally spaced ascending nodes, got others")
