#!/bin/sh
# All that a machine with an NVIDIA GPU has to show, in at most 6 minutes: the tests marked `cuda`, then the speed of
# training. What was done before either is cut is kept in a folder named by the card.
#
#     tests/gpu/run.sh [FOLDER]     by default results/published/bench/<card>; PYTHON names the Python to use
set -u
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
card=$("$python" -c 'import torch; print(torch.cuda.get_device_name() if torch.cuda.is_available() else "")') || exit 1
[ -n "$card" ] || { echo "$0: torch finds no CUDA device on this machine" >&2; exit 1; }
folder=${1:-results/published/bench/$(echo "$card" | tr 'A-Z ' 'a-z-')}
mkdir -p "$folder"
failed=0

timeout 170 "$python" -m pytest -m cuda -n 0 tests/gpu >"$folder/tests.txt" 2>&1 || failed=1
tail -n 30 "$folder/tests.txt"

timeout 180 "$python" -m normbench bench --device cuda --full --rounds 3 --format md --output "$folder/full.json" \
    >"$folder/full.md" || failed=1
cat "$folder/full.md"
exit $failed
