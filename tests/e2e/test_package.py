# SPDX-License-Identifier: Apache-2.0
"""The Debian package: what is in it works where it was unpacked, and it names what it needs."""

import gzip
import os
import re
import subprocess

import pytest
from rig import BUILD, ROOT


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    if BUILD.name.endswith("asan"):
        pytest.skip("a sanitizer's build is not packaged")
    made = subprocess.run(["make", "--no-print-directory", "-C", ROOT, "deb", f"BUILD={os.path.relpath(BUILD, ROOT)}"], capture_output=True, text=True, check=True)
    path = made.stdout.splitlines()[-1]
    root = tmp_path_factory.mktemp("package")
    subprocess.run(["dpkg-deb", "-x", path, root], check=True)
    return path, root


def test_it_holds_what_works(package):
    path, root = package
    version = re.search(r"_([0-9.]+)_", path)[1]
    done = subprocess.run([root / "usr/bin/stream2sqs", "version"], capture_output=True, text=True, check=True)
    assert version in done.stdout
    with gzip.open(root / "usr/share/man/man1/stream2sqs.1.gz", "rt") as page:
        assert page.read().startswith(".TH")
    unit = (root / "usr/lib/systemd/system/stream2sqs.service").read_text()
    program = re.search(r"^ExecStart=(\S+)", unit, re.M)[1]
    assert (root / program.lstrip("/")).is_file()
    example = root / "usr/share/doc/stream2sqs/examples/stream2sqs.example.yaml"
    subprocess.run([root / "usr/bin/stream2sqs", "check", "--offline", "--config", example, "--ledger", root / "l.db"], check=True, capture_output=True)
    assert (root / "usr/lib/libstream2sqs.so").resolve().is_file()
    modes = {f.stat().st_mode & 0o7777 for f in (root / "usr").rglob("*") if f.is_file()}
    assert modes <= {0o644, 0o755}


def test_it_needs_its_libraries_and_nothing_else(package):
    path, root = package
    needed = subprocess.run(["dpkg-deb", "-f", path, "Depends"], capture_output=True, text=True, check=True).stdout
    names = set(re.findall(r"([a-z][\w.+-]*)(?: \([^)]*\))?(?:,|$)", needed.strip()))
    assert {"libcurl4", "libssl3", "libjansson4", "libsqlite3-0"} <= names <= {
        "libc6", "libcurl4", "libgnutls30", "libjansson4", "libmicrohttpd12", "libsqlite3-0", "libssl3", "libyaml-0-2"}, needed
    scripts = subprocess.run(["dpkg-deb", "-I", path, "postinst"], capture_output=True, text=True, check=True).stdout
    subprocess.run(["sh", "-n"], input=scripts, text=True, check=True)
