"""The most that a number on the command line may be: beyond, memory or a call of the system would give out."""

MOST_THREADS = 1024
"""Of one process; also the most processes at a time."""

MOST_STEPS = 1_000_000
"""Of a measurement."""

MOST_RUNS = 10_000
"""Of an experiment, or seeds: `config.ranges.MAX_RUNS`, which would take a while to import."""

MOST_SEED = 2**63 - 1
"""What a generator of random numbers takes: `config.schema.MAX_SEED`."""
