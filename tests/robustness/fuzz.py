"""How many examples the fuzz tests draw: in the suite a few, always the same ones; by hand as many as wanted.

NORMBENCH_FUZZ=500 pytest tests/end_to_end/test_config_fuzz.py tests/end_to_end/test_record_fuzz.py
"""

import os

from hypothesis import HealthCheck, settings

NUM_EXAMPLES = int(os.environ.get("NORMBENCH_FUZZ", "0"))


def drawing(in_the_suite: int, slower: int = 1) -> settings:
    """Hypothesis settings of one test. By hand a test that is `slower` by a factor draws that many times fewer.

    No database is kept: a failure that is found becomes a test of its own.
    """
    return settings(
        max_examples=NUM_EXAMPLES // slower or in_the_suite,
        derandomize=not NUM_EXAMPLES,
        database=None,
        deadline=None,  # run_main has a limit of its own
        suppress_health_check=list(HealthCheck),
        print_blob=bool(NUM_EXAMPLES),
    )
