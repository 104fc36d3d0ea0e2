"""Laws of many variables that factorise over a graph, and exact inference on them.

factors       small tables: multiply, sum out, fix
directed      Bayesian networks: program, factorisation, graph; interventions
separation    independence read from the arrows
elimination   summing variables out one by one, and what an order costs
propagation   messages between factors and variables: exact on trees
trees         spanning trees; the best tree for given data
junction      a tree of cliques made of any graph, exact again
tosses        a mixture of Bernoullis with priors, its parameters integrated out
baum_welch    hidden Markov sources learnt from symbols alone
kalman        hidden Gaussian states: filter and smoother

The hidden Markov source itself, with forward-backward and Viterbi, is a world:
``worlds.sequences.HiddenMarkovSource``.
"""

from course_utils.models.graphical.baum_welch import (
    ExpectedCounts,
    Learnt,
    baum_welch,
    expected_counts,
)
from course_utils.models.graphical.directed import BayesNet, topological_order
from course_utils.models.graphical.elimination import (
    Cost,
    eliminate,
    elimination_cost,
    log_partition,
    marginal,
    min_fill,
)
from course_utils.models.graphical.factors import Factor, all_levels, potts, product
from course_utils.models.graphical.junction import JunctionTree, junction_tree
from course_utils.models.graphical.kalman import Filtered, States, StateSpace, constant_velocity
from course_utils.models.graphical.propagation import Beliefs, belief_propagation
from course_utils.models.graphical.separation import d_separated, moral_graph
from course_utils.models.graphical.tosses import CoinTosses
from course_utils.models.graphical.trees import chow_liu, pairwise_information

__all__ = [
    "BayesNet",
    "Beliefs",
    "CoinTosses",
    "Cost",
    "ExpectedCounts",
    "Factor",
    "Filtered",
    "JunctionTree",
    "Learnt",
    "StateSpace",
    "States",
    "all_levels",
    "baum_welch",
    "belief_propagation",
    "chow_liu",
    "constant_velocity",
    "d_separated",
    "eliminate",
    "elimination_cost",
    "expected_counts",
    "junction_tree",
    "log_partition",
    "marginal",
    "min_fill",
    "moral_graph",
    "pairwise_information",
    "potts",
    "product",
    "topological_order",
]
