"""Small molecules: atoms with valences, joined by single, double and triple bonds.

A molecule of n atoms is a list of elements a and a matrix x of bond orders 0 … 3. It is valid if
it is connected and no atom has bonds in excess of its valence (C 4, N 3, O 2); hydrogen fills what
is left and is not written. Validity couples all entries of the matrix, which is why a model with
independent bonds cannot be right, and why a count over all matrices is the honest normaliser.
"""

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from course_utils.arguments import ArgumentError, check_int, check_number, check_tensor
from course_utils.distributions import categorical_entropy, sample_categorical
from course_utils.tasks import nothing_to_learn
from course_utils.worlds.graphs.adjacency import (
    check_graphs,
    from_pairs,
    is_connected,
    num_pairs,
    to_pairs,
)

ELEMENTS = ("C", "N", "O")
"""Elements by number 0, 1, 2."""

VALENCES = (4, 3, 2)
"""Largest sum of bond orders at an atom of each element."""

MAX_BOND = 3
"""Highest order of a bond."""

MAX_ATOMS = 5
"""Largest n for which all 4^(n(n−1)/2) matrices are tried."""


@dataclass(frozen=True, eq=False)
class Molecules:
    """World p(x, a) ∝ Π_i w[a_i] Π_{i<j} v[x_ij] over the valid pairs of bonds x and atoms a.

    The event is the bond matrix x; the elements a of the atoms are hidden, so
    p(x) = Σ_a p(x, a). With all weights 1 every valid labelled molecule is equally likely, and
    a bond matrix counts once for every assignment of elements that it allows.

    Args:
        num_atoms: n, 2 to 5.
        element_weights: w of C, N and O, ≥ 0, not all zero.
        bond_weights: v of a single, double and triple bond, ≥ 0, not all zero; no bond weighs 1.
        device: Where molecules are drawn and scored.
        dtype: Type of probabilities.

    Raises:
        ArgumentError: If n is too large to enumerate, or no molecule has a positive weight.
    """

    num_atoms: int
    element_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bond_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    device: torch.device | str = "cpu"
    dtype: torch.dtype = torch.float64

    loss = nothing_to_learn

    def __post_init__(self) -> None:
        check_int("num_atoms", self.num_atoms, low=2, high=MAX_ATOMS)
        for name in ("element_weights", "bond_weights"):
            for weight in getattr(self, name):
                check_number(name, weight, low=0)
            if not any(getattr(self, name)):
                raise ArgumentError(f"{name}: expected a positive weight, got only zeros")
        if bool(self.joint_log_probs.isnan().any()):
            raise ArgumentError("element_weights, bond_weights: expected a molecule, got none")

    @functools.cached_property
    def atoms(self) -> Int[Tensor, "assignments n"]:
        """All 3^n lists of elements, as numbers, the last atom running fastest."""
        axis = torch.arange(len(ELEMENTS), device=self.device)
        return torch.cartesian_prod(*[axis] * self.num_atoms)

    @functools.cached_property
    def bonds(self) -> Int[Tensor, "matrices n n"]:
        """All connected bond matrices that carbon alone would allow."""
        pairs = num_pairs(self.num_atoms)
        codes = torch.arange((MAX_BOND + 1) ** pairs, device=self.device)
        matrices = from_pairs(codes[:, None] // self._places % (MAX_BOND + 1), self.num_atoms)
        matrices = matrices[(matrices.sum(-1) <= max(VALENCES)).all(-1)]
        return matrices[is_connected(matrices)]

    @functools.cached_property
    def joint_log_probs(self) -> Float[Tensor, "matrices assignments"]:
        """Table log p(x, a), axes as ``bonds`` and ``atoms``; −inf where a valence is exceeded."""
        elements = torch.tensor(self.element_weights, dtype=self.dtype, device=self.device)
        orders = torch.tensor((1, *self.bond_weights), dtype=self.dtype, device=self.device)
        by_atoms = elements.log()[self.atoms].sum(-1)
        by_bonds = orders.log()[to_pairs(self.bonds)].sum(-1)
        valences = torch.tensor(VALENCES, device=self.device)[self.atoms]
        valid = self.bonds.new_ones(len(self.bonds), len(self.atoms), dtype=torch.bool)
        for used, allowed in zip(self.bonds.sum(-1).unbind(-1), valences.unbind(-1), strict=True):
            valid &= used[:, None] <= allowed
        joint = (by_bonds[:, None] + by_atoms).masked_fill(~valid, -torch.inf)
        return joint - joint.logsumexp((0, 1))

    @property
    def num_valid(self) -> int:
        """Number of labelled molecules (x, a) of positive probability."""
        return int((self.joint_log_probs > -torch.inf).sum())

    def log_prob(self, x: Int[Tensor, "batch n n"]) -> Float[Tensor, " batch"]:
        """Log probability log p(x) = log Σ_a p(x, a) of a bond matrix.

        Args:
            x: Bond orders 0 … 3, symmetric, zero diagonal.

        Returns:
            Nats per labelled matrix, ≤ 0; −inf if no choice of elements makes it valid.

        Accuracy:
            Exact, from the table.
        """
        return self._rows(x).logsumexp(-1)

    def joint_log_prob(
        self, x: Int[Tensor, "batch n n"], atoms: Int[Tensor, "batch n"]
    ) -> Float[Tensor, " batch"]:
        """Log probability log p(x, a) of bonds together with elements.

        Args:
            x: Bond orders 0 … 3.
            atoms: Elements by number, 0 C, 1 N, 2 O.

        Returns:
            Nats per labelled molecule; −inf for one that is not valid.

        Accuracy:
            Exact, from the table.
        """
        shape, high = (len(x), self.num_atoms), len(ELEMENTS) - 1
        device = self.atoms.device
        check_tensor("atoms", atoms, shape=shape, dtype="integer", device=device, low=0, high=high)
        powers = torch.arange(self.num_atoms - 1, -1, -1, device=atoms.device)
        column = (atoms * len(ELEMENTS) ** powers).sum(-1, keepdim=True)
        return self._rows(x).gather(1, column).squeeze(1)

    def posterior(self, x: Int[Tensor, "batch n n"]) -> Float[Tensor, "batch assignments"]:
        """Posterior p(a | x) over the lists in ``atoms``; sums to one over the last axis.

        Raises:
            ArgumentError: If a matrix cannot occur.

        Accuracy:
            Exact, from the table.
        """
        rows = self._rows(x)
        if bool((rows.max(-1).values == -torch.inf).any()):
            raise ArgumentError("x: expected molecules that can occur, got one of probability 0")
        return rows.softmax(-1)

    def entropy(self) -> Float[Tensor, ""]:
        """Entropy H(x) of the bond matrix, the elements summed out.

        Returns:
            Nats per labelled matrix.

        Accuracy:
            Exact, by enumeration.
        """
        return categorical_entropy(self.joint_log_probs.logsumexp(-1))

    def joint_entropy(self) -> Float[Tensor, ""]:
        """Entropy H(x, a) of bonds and elements; with all weights 1 the log of ``num_valid``.

        Accuracy:
            Exact, by enumeration.
        """
        return categorical_entropy(self.joint_log_probs.flatten())

    def sample(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, " n"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Int[Tensor, "num_samples n n"]:
        """Draw bond matrices, all elements free or some of them given.

        Args:
            num_samples: How many.
            condition: Element of each atom by number, −1 where it is free.
            generator: Source of randomness on the world's device.

        Returns:
            Bond orders, int64.

        Raises:
            ArgumentError: If no molecule agrees with ``condition``.

        Accuracy:
            Exact.
        """
        return self.sample_with_atoms(num_samples, condition=condition, generator=generator)[0]

    def sample_with_atoms(
        self,
        num_samples: int,
        *,
        condition: Int[Tensor, " n"] | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Int[Tensor, "num_samples n n"], Int[Tensor, "num_samples n"]]:
        """As ``sample``, with the elements of every molecule beside it."""
        check_int("num_samples", num_samples, low=1)
        table = self.joint_log_probs
        if condition is not None:
            shape, high = (self.num_atoms,), len(ELEMENTS) - 1
            check_tensor("condition", condition, shape=shape, dtype="integer", device=table.device)
            check_tensor("condition", condition, low=-1, high=high)
            agrees = ((condition < 0) | (condition == self.atoms)).all(-1)
            table = table.masked_fill(~agrees, -torch.inf)
            if bool((table == -torch.inf).all()):
                raise ArgumentError("condition: expected elements that can occur, got otherwise")
        by_row = table.logsumexp(-1)
        row = torch.multinomial(by_row.softmax(-1), num_samples, True, generator=generator)
        column = sample_categorical(table[row], generator)
        return self.bonds[row], self.atoms[column]

    @property
    def _places(self) -> Tensor:
        pairs = torch.arange(num_pairs(self.num_atoms), device=self.device)
        return (MAX_BOND + 1) ** pairs

    @functools.cached_property
    def _codes(self) -> Tensor:
        return (to_pairs(self.bonds) * self._places).sum(-1)

    def _rows(self, x: Tensor) -> Tensor:
        """Rows log p(x, ·) of the table; a matrix that is not in it has only −inf."""
        check_graphs("x", x, self.num_atoms, high=MAX_BOND, device=self.device)
        wanted = (to_pairs(x) * self._places).sum(-1)
        row = torch.searchsorted(self._codes, wanted).clamp_max(len(self._codes) - 1)
        return self.joint_log_probs[row].masked_fill(
            (self._codes[row] != wanted)[:, None], -torch.inf
        )
