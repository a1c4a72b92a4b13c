# SPDX-License-Identifier: Apache-2.0
"""The main job from a second implementation of DynamoDB Streams, written by others than the first: moto's."""

import json
import uuid

import pytest
from conftest import Table
from rig import Moto, wait_until


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    server = Moto(tmp_path_factory.mktemp("moto"))
    yield server
    server.stop()


@pytest.fixture
def moto_table(moto):
    made = Table(moto, "t" + uuid.uuid4().hex[:12])
    made.stream()
    return made


def read(bridge):
    return sum(shard["records_read"] for shard in bridge.json("status")["shards"])


def records(q, count):
    got = {}
    while len(got) < count:
        page = q.receive(most=10)
        assert page, f"{len(got)} of {count}"
        for m in page:
            assert m["MessageId"] not in got
            got[m["MessageId"]] = json.loads(m["Body"])
            q.sqs.delete_message(QueueUrl=q.url, ReceiptHandle=m["ReceiptHandle"])
    assert q.receive(most=10) == []
    return list(got.values())


def test_every_record_arrives_once_through_a_kill(moto, moto_table, make_bridge, queue):
    table = moto_table
    table.put(*(f"k{i}" for i in range(200)), n={"N": "1E-130"})
    bridge = make_bridge("--stream", table.name, "--queue", "q", endpoint=moto.url).start()
    wait_until("the first are read", lambda: read(bridge) == 200)
    bridge.kill()
    table.put(*(f"k{i}" for i in range(200, 250)))
    table.put("k0", n={"N": "12345678901234567890123456789012345678"})
    table.dynamodb.delete_item(TableName=table.name, Key={"id": {"S": "k1"}})
    bridge.start()
    wait_until("the others are read", lambda: read(bridge) == 252)
    got = records(queue(bridge), 252)
    assert len({r["eventID"] for r in got}) == 252
    by_name = {name: [r["dynamodb"] for r in got if r["eventName"] == name] for name in ("INSERT", "MODIFY", "REMOVE")}
    assert sorted(r["Keys"]["id"]["S"] for r in by_name["INSERT"]) == sorted(f"k{i}" for i in range(250))
    assert [r["NewImage"]["n"]["N"] for r in by_name["MODIFY"]] == ["12345678901234567890123456789012345678"]
    assert [r["OldImage"] for r in by_name["REMOVE"]] == [{"id": {"S": "k1"}, "n": {"N": "1E-130"}}]
    bridge.command("audit", check=0)


def test_its_answers_that_are_no_dynamodbs_stop_nothing(moto, moto_table, make_bridge, queue):
    """DescribeStream of a stream that was disabled: status 500 and HTML, which AWS never gives."""
    table = moto_table
    table.put("a")
    bridge = make_bridge("--stream", table.name, "--queue", "q", endpoint=moto.url).start()
    wait_until("it is read", lambda: read(bridge) == 1)
    bridge.kill()
    before = moto.answered(500)
    table.stream(on=False)
    bridge.start()
    wait_until("it was asked again", lambda: moto.answered(500) >= before + 2)
    assert bridge.admin("/healthz")[0] == 200
    assert [r["dynamodb"]["Keys"]["id"]["S"] for r in records(queue(bridge), 1)] == ["a"]
    bridge.command("audit", check=0)
