"""Reference implementations for the course: one pipeline, one module per arrow.

    world or dataset -> batch -> model -> objective -> fit -> sample / score -> metric -> figure

Modules, left to right; each imports only from modules to its left:

    arguments      one-line errors for wrong input
    runtime        device, seed, determinism, compute budget
    tasks          sample, score, infer, learn: the four questions and who can answer them
    lineage        which model answers which shortcoming of which other
    distributions  exact densities and the output heads built on them
    divergences    f-divergences between probability tables and densities
    coding         words of bits for symbols of known probability
    gaussians      Gaussian laws as objects: draw, score, compare
    logistic_mixtures  output heads for ordered levels and for whole pixels
    families       the classical families of distributions and what leads from one to another
    worlds         data whose truth is known
    datasets       real data beside the worlds
    nets           building blocks of networks
    samplers       one short function per sampling algorithm
    objectives     losses and their gradients as functions of callables
    inference      posteriors: conjugate, by quadrature, by modes, by mean field
    models         one file or folder per family
    training       fit(): the one training loop
    metrics        how far from the truth, with units
    comparison     every family on one scale: models, worlds and metrics in one table
    curriculum     what the course asks for, its tracks, which model holds which building block
    plotting       figures with the course's style
    interactive    frames behind a slider, live and on the static page
    grading        checks for the exercises
"""

__version__ = "0.1.0"
