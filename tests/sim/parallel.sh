#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs seeds 1..COUNT of the simulation in as many processes as there are processors. usage: parallel.sh SIM COUNT
set -uo pipefail

sim=$1
count=$2
jobs=$(nproc)
pids=()
failed=0
for ((i = 0; i < jobs; i++)); do
    first=$((1 + count * i / jobs))
    next=$((1 + count * (i + 1) / jobs))
    "$sim" --first "$first" --seeds $((next - first)) &
    pids+=($!)
done
for pid in "${pids[@]}"; do
    wait "$pid" || failed=1
done
# the form that .ci/run sums
if [ "$failed" -eq 0 ]; then echo "[  PASSED  ] 1 test(s)."; else echo "[  FAILED  ] 1 test(s), listed below:"; fi
exit "$failed"
