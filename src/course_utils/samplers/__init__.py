"""Sampling algorithms: one short function each, written for callables, so that any model fits."""
