"""One module per thing to be judged. Each gives ``draw(seed)`` and ``examine(answer, instance)``.

The truth is computed in plain loops over all sequences or masks, in double precision, so that it
shares no code with what the course teaches and none with a good answer.
"""
