#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each bug must make the program fail, or hang. usage: planted.sh PROGRAM BUG... -- ARGUMENT...
set -uo pipefail

program=$1
shift
bugs=()
while [ $# -gt 0 ] && [ "$1" != "--" ]; do
    bugs+=("$1")
    shift
done
shift
missed=0
for bug in "${bugs[@]}"; do
    if said=$(timeout 60 "$program" --bug "$bug" "$@" 2>/dev/null); then
        echo "planted: $bug was not caught"
        missed=$((missed + 1))
    else
        echo "planted: $bug is caught: $(grep -m 1 -E '^seed|FAILED' <<<"$said" | cut -c1-150)"
    fi
done
if [ "$missed" -eq 0 ]; then echo "[  PASSED  ] ${#bugs[@]} test(s)."; else echo "[  FAILED  ] $missed test(s), listed below:"; fi
[ "$missed" -eq 0 ]
