# SPDX-License-Identifier: Apache-2.0
"""The printed policy names just what is called; check asks for queues on other servers, too."""

import json
import pathlib
import re
import subprocess

from rig import BINARY, REGION

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "src"


def run(tmp_path, config, command="policy", *arguments, env=None):
    path = tmp_path / "c.yaml"
    path.write_text(json.dumps(config))
    return subprocess.run([BINARY, command, "--config", path, *arguments], capture_output=True, text=True, timeout=30, check=False,
                          env={"HOME": str(tmp_path), "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", **(env or {})})


def test_the_policy_names_what_is_called_and_nothing_else(tmp_path):
    done = run(tmp_path, {"account_id": "123456789012", "pipelines": [
        {"stream": "orders", "queues": [{"name": "q"}, {"name": "far", "target": "sqs"},
                                        {"name": "other", "target": "sqs", "address": "arn:aws-cn:sqs:cn-north-1:210987654321:o.fifo"}]},
        {"stream": "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000", "queues": ["q"]}]})
    assert done.returncode == 0, done.stderr
    statements = {s["Sid"]: s for s in json.loads(done.stdout)["Statement"]}
    assert statements["ReadStreams"]["Resource"] == [f"arn:aws:dynamodb:{REGION}:123456789012:table/orders/stream/*",
                                                     "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"]
    assert statements["SendToQueues"]["Resource"] == [f"arn:aws:sqs:{REGION}:123456789012:far", "arn:aws-cn:sqs:cn-north-1:210987654321:o.fifo"]
    allowed = {a for s in statements.values() for a in s["Action"]}
    code = "".join(p.read_text() for p in [*SOURCES.glob("core/*.c"), SOURCES / "codec/stream_wire.h"])
    called = {"dynamodb:" + a for a in re.findall(r'"DynamoDB(?:Streams)?_2012\d+\.(\w+)"', code)}
    called |= {"sqs:" + a.replace("Batch", "") for a in re.findall(r'action = "(\w+)"', code)}
    assert allowed == called


def test_check_asks_for_each_queue(tmp_path, aws, table):
    config = {"pipelines": [{"stream": table.name, "queues": [{"name": "not-there", "target": "sqs"},
                                                             {"name": "odd", "target": "sqs", "address": "arn:aws:sns:eu-west-1:1:x"}]}]}
    done = run(tmp_path, config, "check", env={"AWS_ENDPOINT_URL": aws.url})
    assert done.returncode == 78
    assert 'the queue "not-there": sqs:GetQueueUrl: ' in done.stderr
    assert '"arn:aws:sns:eu-west-1:1:x" is no ARN of a queue' in done.stderr
