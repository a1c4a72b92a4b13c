# SPDX-License-Identifier: Apache-2.0
"""Queues on other servers: three SQS-compatible servers that others wrote, with a proxy between that cuts, stalls, throttles and loses replies."""

import json
import time
import uuid
from collections import Counter, defaultdict

import boto3
import pytest
from botocore.config import Config
from fault_proxy import FaultProxy
from rig import KEY, REGION, wait_until

RECORDS = 600
KEYS = 30
FAULTS = {"cut_request": 0.06, "lost_reply": 0.08, "cut_reply": 0.06, "error_500": 0.06, "error_503": 0.06, "throttle": 0.06}


class Far:
    """A queue on one of them, and everything that arrived in it."""

    def __init__(self, port, fifo=False, **attributes):
        self.name = "q" + uuid.uuid4().hex[:12] + (".fifo" if fifo else "")
        self.sqs = boto3.client("sqs", endpoint_url=f"http://127.0.0.1:{port}", region_name=REGION, config=Config(retries={"max_attempts": 3}), **KEY)
        if fifo:
            attributes["FifoQueue"] = "true"
        self.url = self.sqs.create_queue(QueueName=self.name, Attributes=attributes)["QueueUrl"]

    def drain(self, wait=0):
        """All messages, in the order in which they come; they are deleted."""
        out = []
        while True:
            got = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=wait, MessageAttributeNames=["All"],
                                           AttributeNames=["All"]).get("Messages", [])
            if not got:
                return out
            out += got
            self.sqs.delete_message_batch(QueueUrl=self.url, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)])

    def collect(self, bridge, seconds=60):
        """Until the bridge has nothing left to send."""
        out = []

        def idle():
            out.extend(self.drain())
            return queue_of(bridge, self.name)["pending"] == 0

        wait_until("everything sent", idle, seconds)
        return out + self.drain(wait=1)


def queue_of(bridge, name):
    return next(q for q in bridge.json("status")["queues"] if q["queue"] == name)


def write_config(directory, table, *queues):
    path = directory / "stream2sqs.yaml"
    path.write_text(json.dumps({"pipelines": [{"stream": table, "poll_interval": "200ms", "queues": list(queues)}]}))  # JSON is YAML
    return path


def key_of(message):
    return json.loads(message["Body"])["dynamodb"]["Keys"]["id"]["S"]


def number_of(message):
    return int(json.loads(message["Body"])["dynamodb"]["NewImage"]["n"]["N"])


def put_numbered(table, first, count):
    """Versions of KEYS items, each with a rising number."""
    for n in range(first, first + count):
        table.dynamodb.put_item(TableName=table.name, Item={"id": {"S": f"k{n % KEYS}"}, "n": {"N": str(n)}})


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
@pytest.mark.parametrize("peer", ["ministack", "fauxqs", "elasticmq"])
def test_every_record_arrives_through_faults_and_a_kill(table, make_bridge, peers, tmp_path, peer, fifo):
    far = Far(peers[peer].port, fifo)
    proxy = FaultProxy(peers[peer].port, seed=7, rates=FAULTS)
    config = write_config(tmp_path, table.name, {"name": far.name, "target": "sqs", "endpoint_url": proxy.url})
    bridge = make_bridge("--config", config)
    try:
        put_numbered(table, 0, RECORDS // 2)
        bridge.start()
        wait_until("some are sent", lambda: queue_of(bridge, far.name)["sent"] > 50)
        bridge.kill()
        arrived = far.drain()
        bridge.start()
        put_numbered(table, RECORDS // 2, RECORDS - RECORDS // 2)
        arrived += far.collect(bridge)
    finally:
        proxy.close()
    status = queue_of(bridge, far.name)
    times = Counter(number_of(m) for m in arrived)
    assert sorted(times) == list(range(RECORDS))
    assert status["sent"] == RECORDS and status["parked"] == 0
    twice = sum(times.values()) - RECORDS
    if fifo:
        assert twice == 0
        last = defaultdict(lambda: -1)
        for message in arrived:
            assert number_of(message) > last[key_of(message)], "order per key"
            last[key_of(message)] = number_of(message)
    else:
        assert twice <= proxy.unconfirmed + 32 * 10, "at most what was in flight at a cut, or at the kill"
        assert twice <= status["possible_duplicates"] + 32 * 10
    assert sum(proxy.counts.values()) > 0
    assert bridge.json("audit")["verdict"] == "whole"
    bridge.command("trace", "k3", check=0)


def test_a_slow_a_denied_and_a_deleted_queue_do_not_delay_a_healthy_one(table, make_bridge, peers, tmp_path):
    port = peers["ministack"].port
    good, slow = Far(port), Far(port)
    proxy = FaultProxy(port, rates={"error_503": 1.0})
    config = write_config(tmp_path, table.name, {"name": good.name, "target": "sqs"}, {"name": slow.name, "target": "sqs", "endpoint_url": proxy.url},
                          {"name": "never-made", "target": "sqs"}, {"name": "nobody-home", "target": "sqs", "endpoint_url": "http://127.0.0.1:1"},
                          {"name": "here"})
    bridge = make_bridge("--config", config).start()
    try:
        put_numbered(table, 0, 200)
        arrived = good.collect(bridge, 20)
        assert sorted(number_of(m) for m in arrived) == list(range(200))
        status, reasons = bridge.admin("/readyz")
        assert status == 503
        assert "never-made: " in reasons and "make the queue, or correct its name" in reasons
        assert "nobody-home: no answer" in reasons
        assert queue_of(bridge, slow.name)["pending"] == 200
        assert queue_of(bridge, "here")["queued"] == 200
        proxy.calm()
        assert sorted(number_of(m) for m in slow.collect(bridge, 40)) == list(range(200))
    finally:
        proxy.close()
    assert bridge.json("audit")["verdict"] == "whole"


def test_filters_forms_and_attributes_shape_what_arrives(table, make_bridge, peers, tmp_path):
    port = peers["ministack"].port
    plain, keys, other = Far(port), Far(port), Far(port, fifo=True)
    config = write_config(
        tmp_path, table.name,
        {"name": plain.name, "target": "sqs", "body": "unmarshalled", "attributes": ["table", "event_name", "item.n"],
         "filter": {"Filters": [{"Pattern": '{"dynamodb": {"NewImage": {"n": {"N": [{"prefix": "1"}]}}}}'}]}},
        {"name": keys.name, "target": "sqs", "project": "keys", "body": "batch", "filter": {"eventName": ["REMOVE"]}},
        {"name": other.name, "target": "sqs", "message_group": "item.customer"},
        {"name": "here", "body": "unmarshalled", "filter": {"eventName": ["REMOVE"]}})
    bridge = make_bridge("--config", config).start()
    for n in range(20):
        table.put(f"o{n}", n={"N": str(n)}, customer={"S": f"c{n % 2}"})
    table.dynamodb.delete_item(TableName=table.name, Key={"id": {"S": "o3"}})
    wait_until("all are read", lambda: queue_of(bridge, other.name)["sent"] == 21)
    arrived = plain.collect(bridge)
    assert sorted(json.loads(m["Body"])["newImage"]["n"] for m in arrived) == [1] + list(range(10, 20))
    attributes = {name: (a["DataType"], a["StringValue"]) for name, a in arrived[0]["MessageAttributes"].items()}
    assert attributes["stream2sqs.table"] == ("String", table.name)
    assert attributes["stream2sqs.event_name"] == ("String", "INSERT")
    assert attributes["n"] == ("Number", str(json.loads(arrived[0]["Body"])["newImage"]["n"]))
    (removed,) = keys.collect(bridge)
    (record,) = json.loads(removed["Body"])["Records"]
    assert record["eventName"] == "REMOVE" and record["dynamodb"]["Keys"] == {"id": {"S": "o3"}} and "OldImage" not in record["dynamodb"]
    assert {m["Attributes"]["MessageGroupId"] for m in other.collect(bridge)} == {"c0", "c1"}
    states = {m["queue"]: m["state"] for m in bridge.json("trace", "o5")["records"][0]["messages"]}
    assert states[plain.name] == "filtered" and states["here"] == "filtered" and states[other.name] == "sent"
    audit = bridge.json("audit")
    assert audit["verdict"] == "whole"
    assert {line["queue"]: line["filtered"] for line in audit["shards"]}["here"] == 20


def test_what_is_too_large_is_parked_for_an_operator_or_projected(table, make_bridge, peers, tmp_path):
    port = peers["ministack"].port
    parks, projects = Far(port, MaximumMessageSize="2048"), Far(port, MaximumMessageSize="2048")
    config = write_config(tmp_path, table.name, {"name": parks.name, "target": "sqs", "on_dead": "hold_key"},
                          {"name": projects.name, "target": "sqs", "oversize": "project"})
    bridge = make_bridge("--config", config).start()
    table.put("large", pad={"S": "x" * 3000})
    table.put("small")
    table.dynamodb.put_item(TableName=table.name, Item={"id": {"S": "large"}})
    wait_until("all are read", lambda: queue_of(bridge, parks.name)["parked"] == 1 and queue_of(bridge, parks.name)["held"] == 1)
    assert [key_of(m) for m in parks.collect(bridge)] == ["small"]
    arrived = projects.collect(bridge)
    assert sorted(key_of(m) for m in arrived) == ["large", "large", "small"]
    marked = [m for m in arrived if m["MessageAttributes"].get("stream2sqs.oversize")]
    assert [key_of(m) for m in marked] == ["large", "large"]  # the second one has the large image as its old one
    for key, last in (("large", "sent with its key alone: it was too large"), ("small", "sent")):
        lives = [m for r in bridge.json("trace", key)["records"] for m in r["messages"] if m["queue"] == projects.name]
        assert lives and all(m["steps"][-1]["what"] == last for m in lives)
    (dead,) = bridge.json("dead", "list", parks.name)["dead"]
    assert dead["message"]["code"] == "too_large" and "x" * 3000 in dead["record"]["body"]
    assert bridge.json("dead", "redrive", parks.name, "--key", "large", "--dry-run")["dead"][0]["message"]["message_id"] == dead["message"]["message_id"]
    exported = [json.loads(line) for line in bridge.command("dead", "export", parks.name, check=0)[1].splitlines()]
    assert [e["record"]["body"] for e in exported] == [dead["record"]["body"]]
    bridge.command("dead", "drop", parks.name, "--code", "too_large", check=0)
    wait_until("what was held is parked in its turn", lambda: queue_of(bridge, parks.name)["held"] == 0)
    bridge.command("dead", "drop", parks.name, "--all", "--yes", check=0)
    assert bridge.json("audit")["verdict"] == "whole"


def test_records_are_replayed_as_new_messages_that_say_so(table, make_bridge, peers, tmp_path):
    far = Far(peers["fauxqs"].port, fifo=True)
    config = write_config(tmp_path, table.name, {"name": far.name, "target": "sqs", "endpoint_url": f"http://127.0.0.1:{peers['fauxqs'].port}"}, {"name": "here"})
    bridge = make_bridge("--config", config).start()
    put_numbered(table, 0, 60)
    wait_until("all are sent", lambda: queue_of(bridge, far.name)["sent"] == 60)
    first = far.collect(bridge)
    assert len(first) == 60 and not any("stream2sqs.replayed" in m["MessageAttributes"] for m in first)
    assert bridge.json("replay", far.name, "--key", "k4", "--dry-run")["chosen"] == 2
    assert bridge.json("replay", far.name, "--key", "k4")["replayed"] == 2
    again = far.collect(bridge)
    assert [number_of(m) for m in again] == [4, 34]
    assert all(m["MessageAttributes"]["stream2sqs.replayed"]["StringValue"] == "true" for m in again)
    assert bridge.json("replay", "here", "--filter", '{"dynamodb": {"NewImage": {"n": {"N": ["7"]}}}}')["replayed"] == 1
    bridge.stop()
    assert bridge.json("replay", "here", "--since", "1h")["replayed"] == 60  # without a daemon, too
    audit = bridge.json("audit")
    assert audit["verdict"] == "whole"
    assert {line["queue"]: line["replayed"] for line in audit["shards"]} == {far.name: 2, "here": 61}
    steps = [s["what"] for m in bridge.json("trace", "k4")["records"][0]["messages"] if m["queue"] == far.name for s in m["steps"]]
    assert steps == ["enqueued", "sent", "enqueued by replay", "sent"]


def test_a_queue_that_is_added_later_starts_now_and_gets_the_rest_by_replay(table, make_bridge, tmp_path):
    bridge = make_bridge("--config", write_config(tmp_path, table.name, {"name": "old"})).start()
    put_numbered(table, 0, 40)
    wait_until("all are read", lambda: queue_of(bridge, "old")["queued"] == 40)
    bridge.stop()
    write_config(tmp_path, table.name, {"name": "old"}, {"name": "new"})
    bridge.start()
    assert queue_of(bridge, "new")["queued"] == 0
    assert bridge.json("replay", "new", "--all")["replayed"] == 40
    put_numbered(table, 40, 5)
    wait_until("the rest is read", lambda: queue_of(bridge, "new")["queued"] == 45)
    assert bridge.json("audit")["verdict"] == "whole"


def test_a_redrive_warns_of_newer_versions(table, make_bridge, queue):
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--max-receive-count", 1, "--visibility-timeout", "1s").start()
    table.put("a", "b", v={"N": "1"})
    q = queue(bridge)
    wait_until("both are dead", lambda: (q.receive(), len(bridge.json("dead", "list")["dead"]) == 2)[1])
    table.put("a", v={"N": "2"})
    message = None
    end = time.monotonic() + 20
    while message is None and time.monotonic() < end:
        message = next(iter(q.receive(wait=1)), None)
    q.delete(message)
    status, out, err = bridge.command("dead", "redrive", "q", "--all", "--skip-superseded")
    assert status == 0 and "sent back to their queue: 1" in out
    assert "of 1, a newer version of the same item was delivered meanwhile: skipped" in err
    assert [key_of_dead(d) for d in bridge.json("dead", "list")["dead"]] == ["a"]


def key_of_dead(dead):
    return dead["record"]["keys"]["id"]["S"]


def test_a_queue_cannot_change_its_place_while_messages_wait(table, make_bridge, tmp_path):
    bridge = make_bridge("--config", write_config(tmp_path, table.name, {"name": "q"})).start()
    table.put("a")
    wait_until("it is read", lambda: queue_of(bridge, "q")["queued"] == 1)
    bridge.stop()
    write_config(tmp_path, table.name, {"name": "q", "target": "sqs"})
    bridge.start(wait=False)
    assert bridge.server.process.wait(20) == 78
    assert 'the queue "q" was embedded until now, and 1 of its messages are not settled' in bridge.log()


def test_one_queue_by_its_name_and_by_its_url_is_told(table, make_bridge, peers, tmp_path):
    far = Far(peers["fauxqs"].port)
    endpoint = f"http://127.0.0.1:{peers['fauxqs'].port}"
    arn = far.sqs.get_queue_attributes(QueueUrl=far.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    config = write_config(tmp_path, table.name, {"name": far.name, "target": "sqs", "endpoint_url": endpoint},
                          {"name": "again", "target": "sqs", "address": arn, "endpoint_url": endpoint})
    bridge = make_bridge("--config", config)
    status, _, err = bridge.command("check", "--config", config, check=0)
    assert status == 0 and f'queues "{far.name}" and "again" of stream "{table.name}" are one queue there' in err
    assert "one queue there" not in bridge.command("check", "--offline", "--config", config, check=0)[2]
    bridge.start()
    wait_until("it is told", lambda: "two queues of a stream are one queue on their server" in bridge.log(), 30)
    table.put("a")
    wait_until("it came twice", lambda: queue_of(bridge, "again")["sent"] == queue_of(bridge, far.name)["sent"] == 1, 30)
    assert len(far.drain()) == 2
    assert bridge.log().count("two queues of a stream are one queue on their server") == 1


def test_check_finds_that_a_dead_letter_queue_there_is_missing(table, make_bridge, peers, tmp_path):
    far = Far(peers["fauxqs"].port)
    config = write_config(tmp_path, table.name, {"name": far.name, "target": "sqs", "endpoint_url": f"http://127.0.0.1:{peers['fauxqs'].port}", "dead_letter_queue": "no-such-queue"})
    status, _, err = make_bridge("--config", config).command("check", "--config", config)
    assert status == 78 and f'the queue "{far.name}": sqs:GetQueueUrl (of its dead-letter queue): ' in err
