"""Discrete latent variables: an encoder names one of K codes per place, a prior learns the names.

quantiser   a codebook: nearest code, its losses, moving averages, revival of dead codes
scalar      quantisers of a Gaussian variable with exact distortion, and Shannon's bound
coder       what image coders share: encode, decode, the loss
vqvae       one map of codes
vqvae2      a coarse map of codes, and a fine one that is chosen knowing the coarse one
code_prior  coder and prior together: samples, and a bound on the likelihood
"""

from course_utils.models.vq.code_prior import CodeModel
from course_utils.models.vq.coder import ImageCoder
from course_utils.models.vq.quantiser import Quantised, VectorQuantiser, code_perplexity
from course_utils.models.vq.scalar import (
    best_uniform,
    cells,
    distortion,
    lloyd_max,
    shannon_distortion,
)
from course_utils.models.vq.vqvae import VQVAE
from course_utils.models.vq.vqvae2 import VQVAE2

__all__ = [
    "VQVAE",
    "VQVAE2",
    "CodeModel",
    "ImageCoder",
    "Quantised",
    "VectorQuantiser",
    "best_uniform",
    "cells",
    "code_perplexity",
    "distortion",
    "lloyd_max",
    "shannon_distortion",
]
