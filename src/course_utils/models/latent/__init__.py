"""Models with a latent vector that is inferred: linear-Gaussian, variational autoencoders."""

from course_utils.models.latent.base import BoundTerms, LatentVariableModel
from course_utils.models.latent.beta import BetaVAE
from course_utils.models.latent.factor import DensityRatio, FactorVAE, permuted
from course_utils.models.latent.linear_beta import LinearBetaVAE, RateDistortion
from course_utils.models.latent.linear_gaussian import LinearGaussian
from course_utils.models.latent.vae import VAE

__all__ = [
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
