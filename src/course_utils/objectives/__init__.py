"""What training lowers, as functions of callables, and estimates of its gradient.

    stochastic_gradients  derivatives of an expectation by the parameters of its own law
    svi                   bounds from minibatches, and ascent with falling steps

A family with an objective of its own keeps it in its class; here stand those that several share.
"""
