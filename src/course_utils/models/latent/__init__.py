"""Models with a latent vector that is inferred: linear-Gaussian, variational autoencoders."""

from course_utils.models.latent.base import BoundTerms, LatentVariableModel
from course_utils.models.latent.linear_gaussian import LinearGaussian
from course_utils.models.latent.vae import VAE

__all__ = ["VAE", "BoundTerms", "LatentVariableModel", "LinearGaussian"]
