#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Can this compiler make a fuzzer? It says why not. usage: available.sh CLANG
set -uo pipefail

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
if [ -z "${1:-}" ]; then
    echo "fuzz: NOT RUN: clang is missing (Debian 12: clang-19 libclang-rt-19-dev; make deps installs them)"
    exit 1
fi
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n); int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return n > 9 && d[0] ? 0 : 0; }' >"$directory/a.c"
if ! "$1" -fsanitize=fuzzer,address,undefined -o "$directory/a" "$directory/a.c" 2>/dev/null; then
    echo "fuzz: NOT RUN: $1 has no libFuzzer (Debian 12: libclang-rt-19-dev; make deps installs it)"
    exit 1
fi
