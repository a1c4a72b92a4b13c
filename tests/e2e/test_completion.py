# SPDX-License-Identifier: Apache-2.0
"""Completions in the shells themselves: commands, their first words, flags, and the words that a flag takes."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest
from rig import BINARY

CASES = {"stream2sqs tr": "trace", "stream2sqs dead sh": "show", "stream2sqs run --target em": "embedded", "stream2sqs help com": "completion",
         "stream2sqs run --ledger-b": "--ledger-budget", "stream2sqs completion fi": "fish", "stream2sqs run --start trim": "trim_horizon", "stream2sqs run --config my": "my.yaml"}


@pytest.fixture
def script(tmp_path, request):
    (tmp_path / "my.yaml").touch()
    path = tmp_path / "completion"
    path.write_bytes(subprocess.run([str(BINARY), "completion", request.param], capture_output=True, check=True).stdout)
    assert shutil.which(request.param), f"{request.param} is not installed: make deps"
    return path


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash(script):
    ask = f'source {script}\nfor line in "$@"; do COMP_WORDS=($line); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=(); _stream2sqs; echo "${{COMPREPLY[*]}}"; done'
    done = subprocess.run(["bash", "-c", ask, "ask", *CASES], cwd=script.parent, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == list(CASES.values()) and done.stderr == ""


@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish(script):
    for line, wanted in CASES.items():
        done = subprocess.run(["fish", "-N", "-c", f"source {script}; complete -C '{line}'"], cwd=script.parent, capture_output=True, text=True, check=True,
                              env={**os.environ, "HOME": str(script.parent)})
        assert [offered.split("\t")[0] for offered in done.stdout.splitlines()] == [wanted] and done.stderr == ""


class Zsh:
    """zsh completes only at a terminal."""

    def __init__(self, directory):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.environ.update(TERM="dumb", HOME=str(directory))
            os.execvp("zsh", ["zsh", "-f", "-i"])

    def type(self, text, until, seconds=10):
        os.write(self.fd, text.encode())
        said, end = "", time.monotonic() + seconds
        while until not in said.replace("\x07", "") and time.monotonic() < end:
            if select.select([self.fd], [], [], 0.2)[0]:
                said += os.read(self.fd, 65536).decode(errors="replace")
        assert until in said.replace("\x07", ""), said
        return said

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh(script):
    zsh = Zsh(script.parent)
    try:
        zsh.type(f"autoload -Uz compinit && compinit -u -D; source {script}; echo lo''aded\n", "loaded")
        for line, wanted in CASES.items():
            zsh.type(line + "\t", line[: line.rindex(" ") + 1] + wanted + " ")
            zsh.type("\x15echo do''ne\n", "done")
    finally:
        zsh.close()
