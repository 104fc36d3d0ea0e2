"""Models with latent vectors that are inferred: linear-Gaussian, autoencoders, hierarchies."""
"""Models with a latent vector: linear-Gaussian, variational and classical autoencoders.

base                    what all variational families share
linear_gaussian         the one with closed forms everywhere
vae                     encoder, decoder and head of any kind
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
from course_utils.models.latent.iwae import (
    IWAE,
    expected_bound,
    importance_weighted_bound,
    importance_weighted_loss,
)
from course_utils.models.latent.hierarchical import HierarchicalVAE, Hierarchy
from course_utils.models.latent.ladder import LadderVAE, precision_weighted
from course_utils.models.latent.level_chain import LevelChain
from course_utils.models.latent.linear_chain import LinearChain
from course_utils.models.latent.beta import BetaVAE
from course_utils.models.latent.factor import DensityRatio, FactorVAE, permuted
from course_utils.models.latent.linear_beta import LinearBetaVAE, RateDistortion
from course_utils.models.latent.linear_gaussian import LinearGaussian
from course_utils.models.latent.linear_hierarchy import LinearHierarchy
from course_utils.models.latent.vae import VAE

__all__ = [
    "IWAE",
    "VAE",
    "BoundTerms",
    "LatentVariableModel",
    "LinearGaussian",
    "expected_bound",
    "importance_weighted_bound",
    "importance_weighted_loss",
    "VAE",
    "BoundTerms",
    "HierarchicalVAE",
    "Hierarchy",
    "LadderVAE",
    "LatentVariableModel",
    "LevelChain",
    "LinearChain",
    "LinearGaussian",
    "LinearHierarchy",
    "precision_weighted",
from course_utils.models.latent.collapse import GuardedBound, active_units, free_bits, kl_weight
from course_utils.models.latent.linear_gaussian import LinearGaussian
from course_utils.models.latent.vae import VAE, SharedScale

__all__ = [
    "VAE",
    "Autoencoder",
    "AutoregressiveVAE",
    "BoundTerms",
    "DiagonalMixture",
    "GuardedBound",
    "LatentVariableModel",
    "LinearGaussian",
    "RateSplit",
    "Refined",
    "SharedScale",
    "active_units",
    "bound_at",
    "discarded_variance",
    "free_bits",
    "kl_weight",
    "refine",
    "split_rate",
    "VAE",
    "BetaVAE",
    "BoundTerms",
    "DensityRatio",
    "FactorVAE",
    "LatentVariableModel",
    "LinearBetaVAE",
    "LinearGaussian",
    "RateDistortion",
    "permuted",
]
