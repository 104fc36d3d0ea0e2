r"""Factors: non-negative tables over a few variables, and the three things one does with them.

A joint law of many variables is written as a product of small tables, p(x) ∝ \prod_a f_a(x_a).
All exact inference on graphs is made of multiplying tables, summing (or maximising) a variable out
of one, and fixing a variable to what was observed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_tensor


@dataclass(frozen=True, eq=False)
class Factor:
    """Function f(x_S) >= 0 of the discrete variables S, one axis for each.

    Args:
        variables: S, distinct numbers of variables; none of them makes f a single number.
        table: The values, axis i indexes the levels of ``variables[i]``.

    Raises:
        ArgumentError: The variables are not distinct, their number is not that of the axes, or a
            value is negative.
    """

    variables: tuple[int, ...]
    table: Float[Tensor, "..."]

    def __post_init__(self) -> None:
        for variable in self.variables:
            check_int("variables", variable, low=0)
        if len(set(self.variables)) != len(self.variables):
            raise ArgumentError(f"variables: expected distinct numbers, got {self.variables}")
        check_tensor("table", self.table, dtype="float", low=0)
        if self.table.ndim != len(self.variables):
            raise ArgumentError(
                f"table: expected {len(self.variables)} axes, one per variable, "
                f"got shape {tuple(self.table.shape)}"
            )

    @property
    def levels(self) -> dict[int, int]:
        """Number of levels of each variable."""
        return dict(zip(self.variables, self.table.shape, strict=True))

    def aligned(self, variables: Sequence[int]) -> Float[Tensor, "..."]:
        """The table with its axes in the order of ``variables``, of length one for those not in S.

        Raises:
            ArgumentError: A variable of S is missing in ``variables``.
        """
        missing = set(self.variables) - set(variables)
        if missing:
            raise ArgumentError(f"variables: expected all of {self.variables}, got {variables}")
        own = [self.variables.index(v) for v in variables if v in self.variables]
        levels = self.levels
        return self.table.permute(own).reshape([levels.get(v, 1) for v in variables])

    def __mul__(self, other: "Factor") -> "Factor":
        """The product (f g)(x) = f(x_S) g(x_T), a function of S ∪ T."""
        return product((self, other))

    def sum_out(self, variables: Iterable[int]) -> "Factor":
        r"""The function \sum_{x_V} f(x) of the variables that are left.

        Raises:
            ArgumentError: f does not depend on one of ``variables``.
        """
        axes = self._axes(variables)
        table = self.table.sum(axes) if axes else self.table
        return Factor(self._others(axes), table)

    def max_out(self, variables: Iterable[int]) -> "Factor":
        """The function max_{x_V} f(x) of the variables that are left.

        Raises:
            ArgumentError: f does not depend on one of ``variables``.
        """
        axes = self._axes(variables)
        table = self.table.amax(axes) if axes else self.table
        return Factor(self._others(axes), table)

    def onto(self, variables: Sequence[int]) -> "Factor":
        """Sum all other variables out; the axes come in the order asked for.

        Raises:
            ArgumentError: f does not depend on one of ``variables``.
        """
        self._axes(variables)
        rest = self.sum_out([v for v in self.variables if v not in variables])
        return Factor(tuple(variables), rest.aligned(variables))

    def observe(self, evidence: Mapping[int, int]) -> "Factor":
        """Fix variables to their observed levels; variables that f does not have are ignored.

        Raises:
            ArgumentError: A level does not exist.
        """
        levels = self.levels
        for v in self.variables:
            if v in evidence:
                check_int(f"evidence[{v}]", evidence[v], low=0, high=levels[v] - 1)
        index = tuple(evidence.get(v, slice(None)) for v in self.variables)
        left = tuple(v for v in self.variables if v not in evidence)
        return Factor(left, self.table[index])

    def normalised(self) -> "Factor":
        """The same function divided by its sum.

        Raises:
            ArgumentError: The sum is zero.
        """
        total = self.table.sum()
        if not bool(total > 0):
            raise ArgumentError("table: expected a sum above zero, got a factor that is zero")
        return Factor(self.variables, self.table / total)

    def _axes(self, variables: Iterable[int]) -> list[int]:
        variables = tuple(variables)
        unknown = [v for v in variables if v not in self.variables]
        if unknown:
            raise ArgumentError(f"variables: expected some of {self.variables}, got {unknown}")
        return [self.variables.index(v) for v in variables]

    def _others(self, axes: Collection[int]) -> tuple[int, ...]:
        return tuple(v for i, v in enumerate(self.variables) if i not in axes)


def product(factors: Iterable[Factor]) -> Factor:
    r"""The product \prod_a f_a(x_a), a function of all their variables in increasing order.

    Args:
        factors: At least one.

    Raises:
        ArgumentError: There are none, or two factors give a variable different numbers of levels.

    Accuracy:
        Exact; the table has as many entries as the variables have joint states.
    """
    factors = tuple(factors)
    if not factors:
        raise ArgumentError("factors: expected at least one, got none")
    variables = tuple(sorted(all_levels(factors)))
    table = factors[0].aligned(variables)
    for factor in factors[1:]:
        table = table * factor.aligned(variables)
    return Factor(variables, table)


def all_levels(factors: Iterable[Factor]) -> dict[int, int]:
    """Number of levels of every variable of ``factors``.

    Raises:
        ArgumentError: Two factors disagree.
    """
    found: dict[int, int] = {}
    for factor in factors:
        for variable, count in factor.levels.items():
            if found.setdefault(variable, count) != count:
                raise ArgumentError(
                    f"factors: expected one number of levels for variable {variable}, "
                    f"got {found[variable]} and {count}"
                )
    return found


def potts(
    edges: Iterable[tuple[int, int]],
    couplings: Iterable[float],
    *,
    fields: Mapping[int, float] = {},
) -> tuple[Factor, ...]:
    """Factors of binary variables that like to agree or to differ, in float64.

    exp(J s_i s_j) for each edge and exp(h s_i) for each field, with s = 2x − 1 = ±1.

    Args:
        edges: Pairs (i, j).
        couplings: J of each edge; positive likes agreement.
        fields: h of some variables; positive likes x = 1.

    Raises:
        ArgumentError: Numbers of edges and couplings differ.
    """
    edges, couplings = tuple(edges), tuple(couplings)
    if len(edges) != len(couplings):
        raise ArgumentError(f"couplings: expected {len(edges)}, one per edge, got {len(couplings)}")
    spins = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    pairs = [
        Factor(edge, (coupling * spins[:, None] * spins).exp())
        for edge, coupling in zip(edges, couplings, strict=True)
    ]
    return (*pairs, *(Factor((i,), (field * spins).exp()) for i, field in fields.items()))
