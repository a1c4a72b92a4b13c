# SPDX-License-Identifier: Apache-2.0
"""A queue that is added later: from now on, or first with what the ledger has, in order, whatever happens meanwhile."""

import json
import signal
import threading
from collections import defaultdict

import boto3
import pytest
from rig import REGION, wait_until
from test_targets import put_numbered, queue_of

BEFORE = 1300
MORE = 200


def write(path, table, *queues):
    path.write_text(json.dumps({"pipelines": [{"stream": table, "poll_interval": "200ms", "queues": list(queues)}]}))


def drain(bridge, name):
    sqs = boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **bridge.key)
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    out = []
    while True:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        if not got:
            return out
        for m in got:
            image = json.loads(m["Body"])["dynamodb"]["NewImage"]
            out.append((image["id"]["S"], int(image["n"]["N"])))
        sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)])


@pytest.mark.parametrize("start", ["ledger", "stream"])
def test_a_late_queue_gets_what_the_ledger_has_in_order(table, make_bridge, tmp_path, start):
    config = tmp_path / "c.yaml"
    write(config, table.name, {"name": "early"})
    bridge = make_bridge("--config", config).start()
    put_numbered(table, 0, BEFORE)
    wait_until("all read", lambda: queue_of(bridge, "early")["queued"] == BEFORE, 60)
    writer = threading.Thread(target=put_numbered, args=(table, BEFORE, MORE))
    writer.start()
    write(config, table.name, {"name": "early"}, {"name": "late.fifo", "from": start}, {"name": "k7", "from": start, "filter": {"dynamodb": {"Keys": {"id": {"S": ["k7"]}}}}},
          {"name": "now"})
    bridge.server.process.send_signal(signal.SIGHUP)
    wait_until("it begins", lambda: any(q["queue"] == "late.fifo" and q["queued"] > 0 for q in bridge.json("status")["queues"]))
    bridge.kill()
    bridge.start()
    writer.join()
    wait_until("all is given", lambda: queue_of(bridge, "late.fifo")["queued"] == BEFORE + MORE, 60)
    got = drain(bridge, "late.fifo")
    by_key = defaultdict(list)
    for key, n in got:
        by_key[key].append(n)
    assert len(got) == BEFORE + MORE
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert sorted(n for _, n in got) == list(range(BEFORE + MORE))
    assert sorted(drain(bridge, "k7")) == sorted((k, n) for k, n in got if k == "k7")
    assert len(drain(bridge, "now")) <= MORE
    put_numbered(table, BEFORE + MORE, 10)
    wait_until("it goes on", lambda: queue_of(bridge, "late.fifo")["queued"] == 10)
    bridge.command("audit", check=0)


def test_a_queue_that_a_client_made_begins_as_its_pipeline_says(table, make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    write(config, table.name, {"name": "early"})
    bridge = make_bridge("--config", config).start()
    sqs = boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **bridge.key)
    sqs.send_message(QueueUrl=sqs.create_queue(QueueName="late")["QueueUrl"], MessageBody="a client's own")
    put_numbered(table, 0, 30)
    wait_until("all read", lambda: queue_of(bridge, "early")["queued"] == 30)
    write(config, table.name, {"name": "early"}, {"name": "late", "from": "ledger"})
    assert "queue late added" in bridge.command("reload", check=0)[1]
    wait_until("all is given", lambda: queue_of(bridge, "late")["queued"] == 31)
    assert "a queue that was there before is fed by a stream now" in bridge.log()
    bridge.stop()
    bridge.start()
    put_numbered(table, 30, 5)
    wait_until("it goes on", lambda: queue_of(bridge, "late")["queued"] == 36 and queue_of(bridge, "early")["queued"] == 35)
    bridge.command("audit", check=0)
