r"""Bayesian networks: a program, a factorisation and a graph that are three views of one law.

    program         draw each variable from a table that its parents select
    factorisation   p(x) = \prod_i p(x_i | x_pa(i))
    graph           an arrow from each parent to its child, without cycles

The graph alone says which independences hold whatever the tables are; see ``separation``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import check_probabilities, sample_categorical, sample_dirichlet
from course_utils.models.graphical.elimination import marginal
from course_utils.models.graphical.factors import Factor, product
from course_utils.tasks import absent
from course_utils.worlds.tables import TableWorld

Parents = Sequence[Sequence[int]]
"""For each variable 0, 1, ... the numbers of its parents."""


def topological_order(parents: Parents) -> list[int]:
    """Return the variables so that each comes after its parents.

    Raises:
        ArgumentError: A parent does not exist, or the arrows run in a circle.
    """
    for node, its in enumerate(parents):
        for parent in its:
            check_int(f"parents[{node}]", parent, low=0, high=len(parents) - 1)
    try:
        return list(TopologicalSorter(dict(enumerate(parents))).static_order())
    except CycleError as error:
        raise ArgumentError(f"parents: expected no cycle, got {error.args[1]}") from None


@dataclass(frozen=True, eq=False)
class BayesNet:
    r"""Law p(x) = \prod_i p(x_i | x_pa(i)) of discrete variables on a directed acyclic graph.

    Args:
        parents: The parents of each variable.
        tables: For variable i the table p(x_i | x_pa(i)): one axis for each parent in the order
            given, then the levels of x_i; rows sum to one.

    Raises:
        ArgumentError: The graph has a cycle, or a table does not fit its variables.

    Source:
        [pearl1988probabilistic].
    """

    parents: tuple[tuple[int, ...], ...]
    tables: tuple[Float[Tensor, "..."], ...]

    loss = absent(
        "learn",
        "its tables of highest likelihood are counts, BayesNet.fitted(parents, x, levels).",
        "the chapter on graphical models (week 0)",
    )

    def __post_init__(self) -> None:
        topological_order(self.parents)
        if len(self.tables) != len(self.parents):
            raise ArgumentError(f"tables: expected {len(self.parents)}, got {len(self.tables)}")
        for i, table in enumerate(self.tables):
            check_probabilities(f"tables[{i}]", table)
        for i, (its, table) in enumerate(zip(self.parents, self.tables, strict=True)):
            shape = (*(self.levels[parent] for parent in its), self.levels[i])
            check_tensor(f"tables[{i}]", table, shape=shape)

    @classmethod
    def random(
        cls,
        parents: Parents,
        levels: Sequence[int] | int = 2,
        generator: torch.Generator | None = None,
        concentration: float = 1.0,
    ) -> "BayesNet":
        """Draw every row of every table from the symmetric Dirichlet distribution, in float64.

        Args:
            parents: The graph.
            levels: Number of levels of each variable, or one number for all.
            generator: Source of randomness.
            concentration: Dirichlet parameter above zero.
        """
        topological_order(parents)
        counts = [levels] * len(parents) if isinstance(levels, int) else list(levels)
        parents = tuple(tuple(its) for its in parents)
        shapes = [(*(counts[p] for p in its), counts[i]) for i, its in enumerate(parents)]
        return cls(parents, tuple(sample_dirichlet(s, concentration, generator) for s in shapes))

    @classmethod
    def fitted(
        cls,
        parents: Parents,
        x: Int[Tensor, "batch variables"],
        levels: Sequence[int],
        pseudo_count: float = 0.0,
    ) -> "BayesNet":
        """The tables of highest likelihood on a graph: counts divided by their row's sum.

        Args:
            parents: The graph.
            x: Examples.
            levels: Number of levels of each variable.
            pseudo_count: Added to every count. Rows that stay empty get the uniform law.

        Returns:
            A network in float64.

        Accuracy:
            Exact maximum likelihood without pseudo-counts.
        """
        check_number("pseudo_count", pseudo_count, low=0)
        check_tensor("x", x, shape=("batch", len(parents)), dtype="integer", low=0)
        tables = []
        for i, its in enumerate(parents):
            shape = [levels[v] for v in (*its, i)]
            counts = torch.full(shape, pseudo_count, dtype=torch.float64, device=x.device)
            ones = torch.ones(len(x), dtype=torch.float64, device=x.device)
            counts.index_put_(tuple(x[:, v] for v in (*its, i)), ones, accumulate=True)
            total = counts.sum(-1, keepdim=True)
            tables.append(torch.where(total > 0, counts / total, 1 / shape[-1]))
        return cls(tuple(tuple(its) for its in parents), tuple(tables))

    @property
    def levels(self) -> tuple[int, ...]:
        """Number of levels of each variable."""
        return tuple(table.shape[-1] for table in self.tables)

    def factors(self) -> tuple[Factor, ...]:
        """The conditionals as factors, variable by variable; their product is p(x)."""
        scopes = [(*its, i) for i, its in enumerate(self.parents)]
        return tuple(Factor(s, table) for s, table in zip(scopes, self.tables, strict=True))

    def joint(self) -> TableWorld:
        """The whole table p(x), by multiplying all factors; exponential in the variables."""
        return TableWorld(product(self.factors()).table)

    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, " variables"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples variables"]:
        """Draw x ~ p(x), parents before children, or given the known part of ``condition``.

        Args:
            num_samples: How many.
            condition: One state in which −1 marks what is to be drawn. Then the table of the
                unknown variables is written out, which is exponential in their number.
            generator: Source of randomness.

        Accuracy:
            Exact.
        """
        check_int("num_samples", num_samples, low=1)
        if condition is not None:
            return self.joint().sample(num_samples, condition=condition, generator=generator)
        shape, device = (num_samples, len(self.parents)), self.tables[0].device
        x = torch.zeros(shape, dtype=torch.int64, device=device)
        for i in topological_order(self.parents):
            rows = self.tables[i][tuple(x[:, parent] for parent in self.parents[i])]
            rows = rows.expand(num_samples, -1)
            x[:, i] = sample_categorical(rows.log(), generator)
        return x

    def log_prob(self, x: Int[Tensor, "batch variables"]) -> Float[Tensor, " batch"]:
        r"""Return log p(x) = \sum_i log p(x_i | x_pa(i)) in nats, one look-up per variable.

        Raises:
            ArgumentError: A value is not a level of its variable.

        Accuracy:
            Exact.
        """
        check_tensor("x", x, shape=("batch", len(self.parents)), dtype="integer", low=0)
        for i, count in enumerate(self.levels):
            check_tensor(f"x[:, {i}]", x[:, i], high=count - 1)
        scopes = [(*its, i) for i, its in enumerate(self.parents)]
        terms = [
            table[tuple(x[:, v] for v in scope)].log()
            for scope, table in zip(scopes, self.tables, strict=True)
        ]
        return torch.stack(terms).sum(0)

    def query(
        self, variables: Sequence[int], evidence: Mapping[int, int] | None = None
    ) -> Float[Tensor, "..."]:
        """Return the table p(x_variables | evidence), axes as asked, by variable elimination.

        Raises:
            ArgumentError: The evidence has probability zero.

        Accuracy:
            Exact.
        """
        return marginal(self.factors(), tuple(variables), evidence=evidence).table

    def posterior(self, x: Int[Tensor, "batch variables"]) -> Float[Tensor, "batch ..."]:
        """Return p(x_hidden | x_observed) for each row; −1 marks what is hidden.

        Args:
            x: States with the same hidden variables in every row.

        Returns:
            One table per row, over the hidden variables in increasing order.

        Raises:
            ArgumentError: The rows hide different variables, or none.

        Accuracy:
            Exact; exponential in the number of hidden variables.
        """
        return self.joint().posterior(x)

    def do(self, values: Mapping[int, int]) -> "BayesNet":
        """The network after an intervention: the variables are set, whatever their parents say.

        Their tables are replaced by certainty and their incoming arrows are cut; all other tables
        stay as they are.

        Args:
            values: The level that each of some variables is set to.

        Source:
            [pearl2009causality].
        """
        parents, tables = list(self.parents), list(self.tables)
        for variable, value in values.items():
            check_int("values", variable, low=0, high=len(parents) - 1)
            count = self.levels[variable]
            check_int(f"values[{variable}]", value, low=0, high=count - 1)
            certain = torch.zeros_like(tables[variable].flatten()[:count])
            certain[value] = 1
            parents[variable], tables[variable] = (), certain
        return BayesNet(tuple(parents), tuple(tables))


def edges(parents: Parents) -> list[tuple[int, int]]:
    """The arrows (parent, child) of a graph."""
    return [(parent, child) for child, its in enumerate(parents) for parent in its]


def ancestors(parents: Parents, nodes: Iterable[int]) -> set[int]:
    """The nodes themselves, their parents, the parents of these, and so on."""
    found, waiting = set(), list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(parents[node])
    return found
