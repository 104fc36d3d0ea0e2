"""Worlds: generative processes whose parameters, and therefore whose truth, are known.

A world can sample, score and infer exactly, so that every chapter can print how far from perfect
its model is. Sizes are small enough that most quantities can also be found by enumeration.

    plane        2-D densities with exact log density, score and denoiser
    tables       small discrete joints
    sequences    Markov, hidden Markov and grammar sources, entropy rate known or bounded
    graphs       random graphs and small molecules with computable likelihood
    signals      stationary Gaussian sources with a known innovation variance
    solids       signed distances, and density fields whose transmittance has a closed form
    scenes       images rendered from discrete factors, with known density and captions
"""
