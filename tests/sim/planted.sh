#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each bug must make the simulation fail, within 200 seeds. usage: planted.sh SIM BUG...
set -uo pipefail

sim=$1
shift
missed=0
for bug in "$@"; do
    if said=$("$sim" --bug "$bug" --seeds 200); then
        echo "planted: $bug was not caught"
        missed=$((missed + 1))
    else
        echo "planted: $bug is caught: $(head -n 1 <<<"$said" | cut -c1-150)"
    fi
done
if [ "$missed" -eq 0 ]; then echo "[  PASSED  ] $# test(s)."; else echo "[  FAILED  ] $missed test(s), listed below:"; fi
[ "$missed" -eq 0 ]
