# SPDX-License-Identifier: Apache-2.0
"""Messages longer than their queue takes: the payload goes to S3 first, in the form of Amazon's Extended Client, which reads it here."""

import json
import pathlib
import subprocess
import sys
import uuid

import boto3
import pytest
from botocore.config import Config
from fault_proxy import FaultProxy
from rig import KEY, REGION, wait_until
from test_targets import Far, queue_of, write_config

LARGE = "x" * 3000


@pytest.fixture
def bucket(aws):
    s3 = boto3.client("s3", endpoint_url=aws.url, region_name=REGION, config=Config(s3={"addressing_style": "path"}), **KEY)
    name = "b" + uuid.uuid4().hex[:12]
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3, name


def put(table, key, text):
    table.dynamodb.put_item(TableName=table.name, Item={"id": {"S": key}, "text": {"S": text}})


def queue(far, url, bucket, **more):
    return {"name": far.name, "target": "sqs", "endpoint_url": url, "oversize": "s3", "s3_bucket": bucket, "s3_prefix": "big/", **more}


def consume(bridge, name, bucket, count, s3_url):
    """Through the bridge's endpoint: the Extended Client takes handles apart at hyphens, which this test's other servers have in theirs, unlike SQS."""
    program = pathlib.Path(__file__).parent / "extended_client.py"
    done = subprocess.run([sys.executable, program, bridge.url, name, bucket, str(count), s3_url, *bridge.key.values()], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
def test_the_extended_client_reads_what_was_too_large(table, make_bridge, aws, bucket, tmp_path, fifo):
    s3, name = bucket
    far = Far(aws.port, fifo, MaximumMessageSize="2048")
    bridge = make_bridge("--config", write_config(tmp_path, table.name, queue(far, aws.url, name, s3_endpoint_url=aws.url))).start()
    texts = {f"k{i}": (LARGE + str(i) if i % 2 else "small") for i in range(12)}
    for key, text in texts.items():
        put(table, key, text)
    wait_until("all sent", lambda: queue_of(bridge, far.name)["sent"] == 12)
    assert "stream2sqs_target_stored_total{queue=\"%s\"} 6" % far.name in bridge.admin("/metrics")[1]
    assert s3.list_objects_v2(Bucket=name, Prefix="big/")["KeyCount"] == 6
    assert consume(bridge, far.name, name, 12, aws.url) == texts
    assert queue_of(bridge, far.name)["deleted"] == 12
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0  # the client deletes them with their messages
    bridge.command("audit", check=0)


def test_nothing_points_to_an_object_that_is_not_there(table, make_bridge, aws, bucket, tmp_path):
    s3, name = bucket
    far = Far(aws.port, MaximumMessageSize="2048")
    proxy = FaultProxy(aws.port, rates={"error_503": 1.0})
    proxy.operations = ("",)  # everything
    bridge = make_bridge("--config", write_config(tmp_path, table.name, queue(far, aws.url, name, s3_endpoint_url=proxy.url))).start()
    try:
        put(table, "large", LARGE)
        put(table, "small", "small")
        wait_until("the small one goes", lambda: queue_of(bridge, far.name)["sent"] == 1)
        wait_until("it says why", lambda: "S3: " in bridge.admin("/readyz")[1])
        assert queue_of(bridge, far.name)["pending"] == 1 and queue_of(bridge, far.name)["parked"] == 0
        bridge.kill()
        proxy.calm()
        bridge.start()
        wait_until("both are sent", lambda: queue_of(bridge, far.name)["sent"] == 2)
        assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 1
    finally:
        proxy.close()


def test_a_missing_bucket_waits_for_an_operator(table, make_bridge, aws, tmp_path):
    far = Far(aws.port, MaximumMessageSize="2048")
    bridge = make_bridge("--config", write_config(tmp_path, table.name, queue(far, aws.url, "never-made-" + uuid.uuid4().hex[:8], s3_endpoint_url=aws.url))).start()
    put(table, "large", LARGE)
    wait_until("it says why", lambda: "NoSuchBucket" in bridge.admin("/readyz")[1])
    assert queue_of(bridge, far.name)["pending"] == 1
