"""The compiled kernels' tests with every access of memory checked: none may be outside of a tensor.

    python -m tests.robustness.sanitize [pytest's arguments]

Compiles the kernels with GCC's address and undefined-behaviour sanitizers and runs tests/kernels with them. The
address sanitizer's allocator puts a guarded zone around each tensor. The first bad access ends the run with a stack
trace. Needs Linux and GCC with its sanitizers.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = "tests/kernels"
LEFT_OUT = "tests/kernels/test_library.py"  # compiles libraries of its own

SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover=undefined -g -O2 -fno-ivopts"
"""-fno-ivopts works around what looks like a bug of GCC 12.2, seen with both sanitizers together at -O2.

Without the flag, EvoNorm<2>::backward (activated_norm.cpp) for bfloat16 gets a wrong variance for the groups among the
first 16 channels. A program that calls the two kernels of EvoNorm-S0 shows it without Python. Neither sanitizer
reports anything there. The result is right, bit for bit, with either sanitizer alone, with the address sanitizer and
one check of the other (nine were tried), with both and --param asan-instrument-writes=0, and with none at -O2 and -O3.
It stays wrong with -fwrapv and with -fno-strict-aliasing, so neither overflow nor aliasing explains it. No undefined
behaviour was found, and none was ruled out: the error disappears when the program reads the variance.
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sanitize-") as scratch:
        compiler = Path(scratch) / "g++"
        compiler.write_text(f'#!/bin/sh\nexec /usr/bin/env -u LD_PRELOAD g++ "$@" {SANITIZERS}\n')
        compiler.chmod(0o755)
        # libstdc++ too: loaded first, it lets the sanitizer intercept the exceptions that PyTorch throws.
        ask = ["g++", "-print-file-name=libasan.so", "-print-file-name=libstdc++.so"]
        found = [subprocess.run([ask[0], name], capture_output=True, text=True, check=True) for name in ask[1:]]
        environment = os.environ | {
            "CXX": str(compiler),
            "XDG_CACHE_HOME": scratch,
            "LD_PRELOAD": " ".join(answer.stdout.strip() for answer in found),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python frees little before it ends
        }
        # Without kernels the tests would be skipped.
        built = "from normbench.kernels.library import kernels_status, library; assert library(), kernels_status()"
        subprocess.run([sys.executable, "-c", built], env=environment, check=True)
        options = ["-q", "-s", "-p", "no:cacheprovider", f"--ignore={LEFT_OUT}"]
        command = [sys.executable, "-m", "pytest", *options, TESTS, *sys.argv[1:]]
        print(shlex.join(command), flush=True)
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
