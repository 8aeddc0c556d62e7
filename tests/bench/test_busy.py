"""Programs that keep cores busy: they end with the process that started them."""

import subprocess
import sys

ENDED_INSIDE = "import os\nfrom normbench.bench.busy import busy_programs\nwith busy_programs(1): os._exit(7)"


def test_a_busy_program_outlives_no_process_that_was_killed() -> None:
    """The program shares the pipe of stderr, so that reading it ends when both have ended."""
    done = subprocess.run([sys.executable, "-c", ENDED_INSIDE], stderr=subprocess.PIPE, timeout=60, check=False)
    assert done.returncode == 7
