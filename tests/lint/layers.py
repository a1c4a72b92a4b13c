#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails an include that goes up the layers, SQL outside src/store, and a source without its licence line.

usage: layers.py ROOT"""
import pathlib
import re
import sys

LAYERS = ["base", "codec", "io", "store", "core", "aws", "consumer", "serve", "app"]
INCLUDE = re.compile(r'^\s*#\s*include\s+"([a-z0-9_]+)/')
SQL = re.compile(r'sqlite3\.h|"(SELECT|INSERT|UPDATE|DELETE|CREATE|PRAGMA) ')


def problems_of(path, layer):
    allowed = LAYERS[: LAYERS.index(layer) + 1]
    if layer == "core":
        allowed = [name for name in allowed if name != "io"]  # the core is sans I/O
    if layer == "consumer":
        allowed = [name for name in allowed if name != "store"]  # the library has no ledger
    elif layer in ("serve", "app"):
        allowed = [name for name in allowed if name != "consumer"]  # commands use it as any program does: by include/stream2sqs.h
    lines = path.read_text().splitlines()
    if not lines or "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
        yield 1, "no SPDX line"
    for number, line in enumerate(lines, 1):
        found = INCLUDE.match(line)
        if found and found.group(1) in LAYERS and found.group(1) not in allowed:
            yield number, f"{layer} must not include {found.group(1)}"
        if layer != "store" and path.name != "cmd_version.c" and SQL.search(line):
            yield number, "only store/ knows SQL"
        if len(line) > 160:
            yield number, f"{len(line)} columns; at most 160"


def main():
    root = pathlib.Path(sys.argv[1])
    count = 0
    for layer in LAYERS:
        for path in sorted((root / "src" / layer).glob("*.[ch]")):
            for number, problem in problems_of(path, layer):
                print(f"{path.relative_to(root)}:{number}: {problem}")
                count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
