#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Shows that the lints can fail: each planted violation must be found.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0

# planted LAYER LINE: a file of that layer with that line must be refused.
planted() {
    rm -rf "$work/src" && mkdir -p "$work/src/$1"
    printf '%s\n%s\n' "${3:-/* SPDX-License-Identifier: Apache-2.0 */}" "$2" >"$work/src/$1/planted.c"
    if python3 "$here/layers.py" "$work" >/dev/null; then
        echo "lint: not found in $1: $2" >&2
        exit 1
    fi
    passed=$((passed + 1))
}

planted base '#include "codec/json.h"'
planted core '#include "io/loop.h"'
planted store '#include "core/queue.h"'
planted consumer '#include "store/ledger.h"'
planted app '#include "consumer/jobs.h"'
planted core 'const char *sql = "SELECT 1";'
planted base 'int x;' '/* no licence */'
rm -rf "$work/src" && mkdir -p "$work/src/core"
printf '%s\n%s\n' '/* SPDX-License-Identifier: Apache-2.0 */' '#include "store/ledger.h"' >"$work/src/core/good.c"
python3 "$here/layers.py" "$work"
echo "lint self-test: $((passed + 1)) cases"
