# SPDX-License-Identifier: Apache-2.0
"""The benchmark's own programs still fit the ledger and the protocol: they are run for a moment, and nothing is measured."""

import hashlib
import json
import os
import subprocess

import boto3
import pytest
from rig import BUILD, REGION, wait_until


@pytest.mark.parametrize("engine", [[], ["--raw"]])
def test_the_limit_program(tmp_path, engine):
    done = subprocess.run([str(BUILD / "tests/bench/limit"), "--ledger", str(tmp_path / "l.db"), "--records", "1000", "--repeat", "1", *engine],
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_the_server_that_keeps_nothing(tmp_path):
    port = tmp_path / "port"
    quiet = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}  # its digests are of libmicrohttpd's thread, which is gone before they could be freed
    server = subprocess.Popen([str(BUILD / "tests/bench/null_sqs"), str(port)], stdin=subprocess.PIPE, env=quiet)
    try:
        wait_until("its port", lambda: port.exists() and port.read_text().strip(), process=server)
        url = f"http://127.0.0.1:{port.read_text().strip()}"
        sqs = boto3.client("sqs", endpoint_url=url, region_name=REGION, aws_access_key_id="k", aws_secret_access_key="s")
        done = sqs.send_message_batch(QueueUrl=f"{url}/000000000000/q", Entries=[{"Id": str(i), "MessageBody": str(i)} for i in range(3)])
        assert [m["MD5OfMessageBody"] for m in done["Successful"]] == [hashlib.md5(str(i).encode()).hexdigest() for i in range(3)]
    finally:
        server.stdin.close()
        assert server.wait(20) == 0


def test_the_load_program(make_bridge, tmp_path):
    bridge = make_bridge("--queue", "bench", endpoint=None).start()
    for mode in ("send", "consume", "send", "single"):
        done = subprocess.run([str(BUILD / "tests/bench/sqs_load"), "--endpoint", bridge.url.removeprefix("http://"), "--queue-url",
                               f"{bridge.url}/000000000000/bench", "--keys", f"{bridge.ledger}.keys", "--mode", mode, "--messages", "50", "--connections", "2",
                               "--wait", "0"], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    assert bridge.command("audit")[0] == 0
    assert bridge.stop() == 0
