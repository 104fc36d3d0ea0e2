"""Side by side with other libraries: the same work, the same answer, the ratio of the times.

    make benchmarks                      all of them
    make benchmarks B="sinkhorn kid"     some of them
    python -m benchmarks --help          the options

Nothing here is a test, and nothing in the book depends on it. The other libraries are the extra
`benchmarks` of pyproject.toml; work whose peer is not installed is reported and left out.

race        interleaved runs and what is reported of them
transport, two_samples, features, ...   one file per subject, each a tuple WORK
digits_autoregressive                   quality per second on real data, run by itself
"""
