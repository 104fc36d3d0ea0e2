"""The oldest latent-variable models, in which every question has a closed answer.

mixture          a Gaussian for each of K hidden classes: density, responsibilities, samples
em               expectation maximisation, one step at a time
classifier       the same joint law with the class observed: Bayes' rule as a classifier
factor_analysis  a few hidden numbers, mapped linearly, plus noise
components       principal components, the same without a law
"""

from course_utils.models.classical.classifier import (
    LogisticForm,
    bayes_error,
    fit_labelled,
    logistic_form,
)
from course_utils.models.classical.components import PrincipalComponents
from course_utils.models.classical.em import Ascent, ascend
from course_utils.models.classical.factor_analysis import (
    FactorAnalysis,
    factor_analysis_step,
    fit_factor_analysis,
)
from course_utils.models.classical.mixture import (
    GaussianMixture,
    fit_mixture,
    maximise,
    mixture_step,
)

__all__ = [
    "Ascent",
    "FactorAnalysis",
    "GaussianMixture",
    "LogisticForm",
    "PrincipalComponents",
    "ascend",
    "bayes_error",
    "factor_analysis_step",
    "fit_factor_analysis",
    "fit_labelled",
    "fit_mixture",
    "logistic_form",
    "maximise",
    "mixture_step",
]
