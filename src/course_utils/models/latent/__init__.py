"""Models with latent vectors that are inferred: linear-Gaussian, autoencoders, hierarchies."""

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
]
