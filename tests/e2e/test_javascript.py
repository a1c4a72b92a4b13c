# SPDX-License-Identifier: Apache-2.0
"""The AWS SDK for JavaScript v3 consumes what boto3 wrote."""

import json
import os
import pathlib
import subprocess

from rig import BUILD, REGION


def test_the_javascript_sdk_consumes_and_understands_errors(table, bridge):
    table.put(*[f"o{i}" for i in range(25)])
    done = subprocess.run(["node", str(pathlib.Path(__file__).parent / "javascript.mjs"), bridge.url, REGION, *bridge.key.values(), "25"],
                          env=dict(os.environ, NODE_PACKAGES=str(BUILD / "node" / "node_modules")), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert sorted(said["keys"]) == sorted(f"o{i}" for i in range(25))
    assert said["failed"] == 0
    assert said["errors"] == {"queue": "QueueDoesNotExist", "handle": "EmptyBatchRequest"}
    assert bridge.json("trace", said["sent"])["records"][0]["sent_by"] == "SendMessage"
