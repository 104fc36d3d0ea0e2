"""Models with a hidden vector that is inferred: linear-Gaussian, autoencoders, hierarchies.

base                    what all variational families share
linear_gaussian         the one with closed forms everywhere
vae, iwae               encoder, decoder and head of any kind; many weighted draws
beta, linear_beta       a weight on the rate, and where it can be solved
factor                  a penalty on the total correlation of the codes
hierarchical, ladder    several levels, inferred from below or merged from both sides
linear_hierarchy        several levels with closed forms; linear_chain, level_chain: their parts
autoregressive_decoder  a decoder that may do without the code
autoencoder             the classical kind, without a law of the codes
collapse                KL warm-up, free bits, active units
amortisation            the best q for each example
aggregate               the law of the codes, and mixtures fitted to it
paths                   ways between two codes
"""

from course_utils.models.latent.aggregate import DiagonalMixture, RateSplit, split_rate
from course_utils.models.latent.amortisation import Refined, bound_at, refine
from course_utils.models.latent.autoencoder import Autoencoder, discarded_variance
from course_utils.models.latent.autoregressive_decoder import AutoregressiveVAE
from course_utils.models.latent.base import BoundTerms, LatentVariableModel
from course_utils.models.latent.beta import BetaVAE
from course_utils.models.latent.collapse import GuardedBound, active_units, free_bits, kl_weight
from course_utils.models.latent.factor import DensityRatio, FactorVAE, permuted
from course_utils.models.latent.hierarchical import HierarchicalVAE, Hierarchy
from course_utils.models.latent.iwae import (
    IWAE,
    expected_bound,
    importance_weighted_bound,
    importance_weighted_loss,
)
from course_utils.models.latent.ladder import LadderVAE, precision_weighted
from course_utils.models.latent.level_chain import LevelChain
from course_utils.models.latent.linear_beta import LinearBetaVAE, RateDistortion
from course_utils.models.latent.linear_chain import LinearChain
from course_utils.models.latent.linear_gaussian import LinearGaussian
from course_utils.models.latent.linear_hierarchy import LinearHierarchy
from course_utils.models.latent.vae import VAE, SharedScale

__all__ = [
    "IWAE",
    "VAE",
    "Autoencoder",
    "AutoregressiveVAE",
    "BetaVAE",
    "BoundTerms",
    "DensityRatio",
    "DiagonalMixture",
    "FactorVAE",
    "GuardedBound",
    "HierarchicalVAE",
    "Hierarchy",
    "LadderVAE",
    "LatentVariableModel",
    "LevelChain",
    "LinearBetaVAE",
    "LinearChain",
    "LinearGaussian",
    "LinearHierarchy",
    "RateDistortion",
    "RateSplit",
    "Refined",
    "SharedScale",
    "active_units",
    "bound_at",
    "discarded_variance",
    "expected_bound",
    "free_bits",
    "importance_weighted_bound",
    "importance_weighted_loss",
    "kl_weight",
    "permuted",
    "precision_weighted",
    "refine",
    "split_rate",
]
