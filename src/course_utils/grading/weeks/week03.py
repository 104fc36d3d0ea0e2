"""The assignment of week 3: 100 points, of which 90 are judged by machine."""

from course_utils.grading.judges import (
    diagonal_gaussians,
    importance,
    linear_gaussian,
    pathwise,
    score_gradient,
    text,
    vae_weights,
)
from course_utils.grading.questions import Criterion, Question

PROVIDED: tuple[str, ...] = ()
"""Modules of the course that a submission may import; here it writes everything itself."""

QUESTIONS = (
    Question(
        id="w03-gaussian-kl",
        title="The divergence of two Gaussians",
        concept="vae.gaussian-kl",
        points=10,
        kind="implement",
        answer="gaussian_kl",
        draw=diagonal_gaussians.draw_kl,
        examine=diagonal_gaussians.examine_kl,
    ),
    Question(
        id="w03-elbo",
        title="A bound you can compute",
        concept="vae.elbo",
        points=15,
        kind="implement",
        answer="elbo",
        draw=linear_gaussian.draw_elbo,
        examine=linear_gaussian.examine_elbo,
    ),
    Question(
        id="w03-gaps",
        title="Two gaps",
        concept="vae.amortised",
        points=10,
        kind="compute",
        answer="gaps",
        draw=linear_gaussian.draw_gaps,
        examine=linear_gaussian.examine_gaps,
        handout=linear_gaussian.GAP_DATA,
    ),
    Question(
        id="w03-reparam",
        title="A gradient through the draw",
        concept="vae.reparam",
        points=15,
        kind="implement",
        answer="pathwise_gradient",
        draw=pathwise.draw,
        examine=pathwise.examine,
    ),
    Question(
        id="w03-score",
        title="A gradient without the draw",
        concept="vae.score-function",
        points=15,
        kind="implement",
        answer="score_gradient",
        draw=score_gradient.draw,
        examine=score_gradient.examine,
    ),
    Question(
        id="w03-iwae",
        title="A tighter bound",
        concept="vae.iwae",
        points=10,
        kind="implement",
        answer="importance_bound",
        draw=importance.draw,
        examine=importance.examine,
    ),
    Question(
        id="w03-vae",
        title="Down to the entropy, with a latent vector",
        concept="vae.vae",
        points=15,
        kind="experiment",
        answer="weights_file",
        draw=vae_weights.draw,
        examine=vae_weights.examine,
        handout=("x",),
    ),
    Question(
        id="w03-which-gap",
        title="Which gap is it?",
        concept="vae.elbo",
        points=10,
        kind="explain",
        answer="explanation",
        draw=text.draw,
        examine=text.examine,
        rubric=(
            Criterion(3, "Model, approximation and amortisation: each cause, and what closes it."),
            Criterion(3, "The bound alone cannot tell them apart; a measurement that does."),
            Criterion(2, "Why a looser bound pulls the decoder towards simpler posteriors."),
            Criterion(2, "A latent that is switched off, and what the two terms then show."),
        ),
    ),
)
"""The questions of the assignment, in its order."""
