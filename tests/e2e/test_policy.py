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
        {"stream": "orders", "queues": [{"name": "q"}, {"name": "far", "target": "sqs", "dead_letter_queue": "far-dead", "oversize": "s3", "s3_bucket": "large", "s3_prefix": "orders/"},
                                        {"name": "other", "target": "sqs", "address": "arn:aws-cn:sqs:cn-north-1:210987654321:o.fifo", "gateway": False}]},
        {"stream": "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000", "queues": ["q"]}]})
    assert done.returncode == 0, done.stderr
    statements = {s["Sid"]: s for s in json.loads(done.stdout)["Statement"]}
    assert statements["ReadStreams"]["Resource"] == [f"arn:aws:dynamodb:{REGION}:123456789012:table/orders/stream/*",
                                                     "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"]
    assert statements["SendToQueues"]["Resource"] == [f"arn:aws:sqs:{REGION}:123456789012:far", "arn:aws-cn:sqs:cn-north-1:210987654321:o.fifo"]
    assert statements["ConsumeThroughTheGateway"]["Resource"] == [f"arn:aws:sqs:{REGION}:123456789012:far"]
    assert statements["StoreLargePayloads"]["Resource"] == ["arn:aws:s3:::large/orders/*"]
    assert statements["ReadDeadLetterQueues"]["Resource"] == [f"arn:aws:sqs:{REGION}:123456789012:far-dead"]
    allowed = {a for s in statements.values() for a in s["Action"]}
    code = "".join(p.read_text() for p in [*SOURCES.glob("core/*.c"), SOURCES / "codec/stream_wire.h"])
    called = {"dynamodb:" + a for a in re.findall(r'"DynamoDB(?:Streams)?_2012\d+\.(\w+)"', code)}
    called |= {("s3:" if a == "PutObject" else "sqs:") + a.replace("Batch", "") for a in re.findall(r'action = "(\w+)"', code)}
    forwarded = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"}  # core/gateway.c: gateway_forwards
    assert allowed == called | forwarded


def test_each_role_has_a_policy_of_its_own(tmp_path):
    role = "arn:aws:iam::210987654321:role/bridge"
    config = {"pipelines": [{"stream": "orders", "queues": [{"name": "mine", "target": "sqs"}, {"name": "theirs", "target": "sqs", "queue_role_arn": role}]}]}
    mine = {s["Sid"]: s for s in json.loads(run(tmp_path, config).stdout)["Statement"]}
    theirs = {s["Sid"]: s for s in json.loads(run(tmp_path, config, "policy", "--of-role", role).stdout)["Statement"]}
    assert mine["UseRoles"] == {"Sid": "UseRoles", "Effect": "Allow", "Action": ["sts:AssumeRole"], "Resource": [role]}
    assert [r.rsplit(":", 1)[1] for r in mine["SendToQueues"]["Resource"]] == ["mine"]
    assert list(theirs) == ["SendToQueues", "ConsumeThroughTheGateway"] and [r.rsplit(":", 1)[1] for r in theirs["SendToQueues"]["Resource"]] == ["theirs"]


def test_streams_are_read_and_queues_are_sent_to_in_their_roles(table, make_bridge, aws, tmp_path):
    import boto3
    from rig import KEY, wait_until

    sqs = boto3.client("sqs", endpoint_url=aws.url, region_name=REGION, **KEY)
    sqs.create_queue(QueueName="in-role")
    role = "arn:aws:iam::000000000000:role/bridge"
    config = {"pipelines": [{"stream": table.name, "role_arn": role, "external_id": "x1",
                             "queues": [{"name": "in-role", "target": "sqs", "queue_role_arn": role + "-2"}]}]}
    assert run(tmp_path, config, "check", env={"AWS_ENDPOINT_URL": aws.url}).returncode == 0
    bridge = make_bridge("--config", tmp_path / "c.yaml").start()
    table.put("a")
    wait_until("it is sent", lambda: next(q for q in bridge.json("status")["queues"])["sent"] == 1)
    refused = run(tmp_path, config | {"pipelines": [config["pipelines"][0] | {"role_arn": "bridge"}]}, "check", "--offline")
    assert refused.returncode == 78 and '"bridge" is no role: wanted arn:aws:iam::ACCOUNT:role/NAME' in refused.stderr


def test_check_asks_for_each_queue(tmp_path, aws, table):
    config = {"pipelines": [{"stream": table.name, "queues": [{"name": "not-there", "target": "sqs"},
                                                             {"name": "odd", "target": "sqs", "address": "arn:aws:sns:eu-west-1:1:x"}]}]}
    done = run(tmp_path, config, "check", env={"AWS_ENDPOINT_URL": aws.url})
    assert done.returncode == 78
    assert 'the queue "not-there": sqs:GetQueueUrl: ' in done.stderr
    assert '"arn:aws:sns:eu-west-1:1:x" is no ARN of a queue' in done.stderr
