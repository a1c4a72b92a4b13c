# SPDX-License-Identifier: Apache-2.0
"""Fixtures: one ministack for all tests; each test has its own table, ledger and bridges, stopped however it ends."""

import pathlib
import signal
import sys
import uuid

import boto3
import pytest
from botocore.config import Config

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import BINARY, KEY, REGION, Bridge, Elasticmq, Fauxqs, Ministack  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored, and what we start would too

assert BINARY.exists(), f"{BINARY} is not built: make"


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    server = Ministack(tmp_path_factory.mktemp("ministack"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def peers(aws, tmp_path_factory):
    made = {"ministack": aws, "fauxqs": Fauxqs(tmp_path_factory.mktemp("fauxqs")), "elasticmq": Elasticmq(tmp_path_factory.mktemp("elasticmq"))}
    yield made
    made["fauxqs"].stop()
    made["elasticmq"].stop()


class Table:
    def __init__(self, aws, name):
        self.name = name
        self.dynamodb = boto3.client("dynamodb", endpoint_url=aws.url, region_name=REGION, **KEY)
        self.dynamodb.create_table(TableName=name, KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                                   AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST")

    def stream(self, on=True):
        what = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"} if on else {"StreamEnabled": False}
        return self.dynamodb.update_table(TableName=self.name, StreamSpecification=what)["TableDescription"].get("LatestStreamArn")

    def put(self, *ids, **attributes):
        for at in range(0, len(ids), 25):
            self.dynamodb.batch_write_item(RequestItems={self.name: [
                {"PutRequest": {"Item": {"id": {"S": i}, **attributes}}} for i in ids[at:at + 25]]})


@pytest.fixture
def table(aws):
    made = Table(aws, "t" + uuid.uuid4().hex[:12])
    made.stream()
    return made


@pytest.fixture
def bare_table(aws):
    return Table(aws, "t" + uuid.uuid4().hex[:12])


@pytest.fixture
def make_bridge(aws, tmp_path):
    made = []

    def make(*flags, endpoint=aws.url, directory=tmp_path, env=None):
        quick = ["--poll-interval", "200ms"] if "--stream" in flags else []
        bridge = Bridge(directory, endpoint, *quick, *flags, env=env)
        made.append(bridge)
        return bridge

    yield make
    for bridge in made:
        bridge.stop()


@pytest.fixture
def server(make_bridge):
    """An SQS server and nothing more."""
    return make_bridge("--aws-waits=false", endpoint=None).start()


def client(bridge, region=REGION):
    return boto3.client("sqs", endpoint_url=bridge.url, region_name=region, **bridge.key, config=Config(retries={"max_attempts": 1}, read_timeout=30))


@pytest.fixture
def sqs(server):
    return client(server)


@pytest.fixture
def bridge(make_bridge, table):
    """Reads the table into the queue q; dead after two receives."""
    return make_bridge("--stream", table.name, "--queue", "q", "--max-receive-count", 2, "--dead-letter-queue", "q-dead", "--visibility-timeout",
                       "1s").start()


class Queue:
    """A boto3 consumer of one queue."""

    def __init__(self, bridge, name="q", **key):
        self.sqs = boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **{**bridge.key, **key},
                                config=Config(retries={"mode": "standard", "max_attempts": 8}, read_timeout=30))
        self.url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]

    def receive(self, most=10, wait=5, **more):
        return self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=most, WaitTimeSeconds=wait, **more).get("Messages", [])

    def delete(self, message):
        self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture
def queue():
    return Queue
