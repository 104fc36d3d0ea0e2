"""Probabilistic circuits: sums and products whose every marginal is one evaluation.

nodes      circuits written out node by node, their two conditions, what happens without them
layered    a circuit with layers of sums and products that learns from data
"""

from course_utils.models.circuits.layered import CircuitTree, quadrants
from course_utils.models.circuits.nodes import (
    Leaf,
    Node,
    Product,
    Sum,
    indicators,
    is_decomposable,
    is_smooth,
    log_value,
    marginals,
    ordered,
    random_circuit,
    scopes,
)

__all__ = [
    "CircuitTree",
    "Leaf",
    "Node",
    "Product",
    "Sum",
    "indicators",
    "is_decomposable",
    "is_smooth",
    "log_value",
    "marginals",
    "ordered",
    "quadrants",
    "random_circuit",
    "scopes",
]
