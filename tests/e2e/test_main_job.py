# SPDX-License-Identifier: Apache-2.0
"""The main job with an unmodified SDK, and what it promises."""

import json
import pathlib
import stat
import subprocess
import threading
import time
from collections import Counter

import pytest
from botocore.exceptions import ClientError
from rig import BINARY, wait_until


def key_of(message):
    return json.loads(message["Body"])["dynamodb"]["Keys"]["id"]["S"]


def test_records_become_single_messages_that_are_deleted_one_by_one(table, bridge, queue):
    table.put(*[f"o{i}" for i in range(30)])
    q = queue(bridge)
    seen = Counter()
    while len(seen) < 30:
        for message in q.receive():
            seen[key_of(message)] += 1
            q.delete(message)
    assert set(seen.values()) == {1}
    assert q.receive(wait=1) == []
    bridge.command("audit", check=0)


def test_a_failed_message_comes_again_alone_and_dies_with_its_payload(table, bridge, queue):
    table.put("good", "bad", value={"N": "12345678901234567890123456789012345678"})
    q = queue(bridge)
    seen = Counter()
    while not bridge.json("dead", "list")["dead"]:
        for message in q.receive(wait=2, MessageSystemAttributeNames=["All"]):
            seen[key_of(message)] += 1
            if key_of(message) == "good":
                q.delete(message)
            else:
                first = message
    assert seen == {"good": 1, "bad": 2}
    dead = queue(bridge, "q-dead").receive(MessageSystemAttributeNames=["All"])
    assert [key_of(m) for m in dead] == ["bad"]
    assert '"12345678901234567890123456789012345678"' in dead[0]["Body"]
    assert dead[0]["Attributes"]["DeadLetterQueueSourceArn"].endswith(":q")
    assert dead[0]["MessageId"] == first["MessageId"]
    assert dead[0]["Attributes"]["SentTimestamp"] == first["Attributes"]["SentTimestamp"]
    steps = [s["what"] for s in bridge.json("trace", "bad")["records"][0]["messages"][0]["steps"]]
    assert steps == ["enqueued", "received", "received", "dead", "enqueued", "received"]


@pytest.mark.parametrize("running", [True, False])
def test_dead_messages_are_sent_back_or_given_up(table, bridge, queue, running):
    table.put("a", "b")
    q = queue(bridge)
    while len(bridge.json("dead", "list")["dead"]) < 2:
        q.receive(wait=2)
    if not running:
        bridge.stop()
    ids = {d["record"]["keys"]["id"]["S"]: d["message"]["message_id"] for d in bridge.json("dead", "list")["dead"]}
    assert bridge.json("dead", "redrive", "q", "--id", ids["a"]) == {"moved": 1, "not_dead": []}
    assert bridge.json("dead", "drop", "q", "--id", ids["b"]) == {"moved": 1, "not_dead": []}
    assert bridge.command("dead", "redrive", "q", "--id", ids["b"])[0] == 66
    if not running:
        bridge.start()
        q = queue(bridge)
    assert [key_of(m) for m in q.receive()] == ["a"]
    assert queue(bridge, "q-dead").receive(wait=1) == []
    bridge.command("audit", check=0)


def test_kill_9_under_load_loses_nothing_and_redelivers_nothing_that_was_deleted(table, make_bridge, queue):
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--visibility-timeout", "2s").start()
    total, deleted, again, stop = 400, set(), [], threading.Event()

    def consume():
        q = queue(bridge)
        while not stop.is_set():
            try:
                for message in q.receive(wait=1):
                    key = key_of(message)
                    if key in deleted:
                        again.append(key)
                    q.delete(message)
                    deleted.add(key)
            except (ClientError, OSError, Exception):  # noqa: BLE001: the bridge is down; whatever the SDK makes of that, try again
                time.sleep(0.05)

    consumer = threading.Thread(target=consume)
    consumer.start()
    try:
        for kill in range(8):
            before = len(deleted)
            table.put(*[f"o{kill}-{i}" for i in range(total // 8)])
            wait_until("some deletes", lambda b=before: len(deleted) > b + 10, 30)
            bridge.kill()
            bridge.start()
        wait_until("all deletes", lambda: len(deleted) == total, 60)
    finally:
        stop.set()
        consumer.join()
    assert again == []
    assert bridge.json("audit")["records_read"] == total


def test_a_long_poll_is_answered_by_the_record_that_comes(table, bridge, queue):
    q = queue(bridge)
    got = []
    waiting = threading.Thread(target=lambda: got.extend(q.receive(wait=20)))
    waiting.start()
    started = time.monotonic()
    table.put("x")
    waiting.join()
    assert [key_of(m) for m in got] == ["x"]
    assert time.monotonic() - started < 10


def test_visibility_attributes_and_changes(table, bridge, queue):
    table.put("x")
    q = queue(bridge)
    message = q.receive(MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"], VisibilityTimeout=60)[0]
    record = json.loads(message["Body"])
    attributes = {k: v["StringValue"] for k, v in message["MessageAttributes"].items()}
    assert attributes["stream2sqs.sequence_number"] == record["dynamodb"]["SequenceNumber"]
    assert attributes["stream2sqs.event_id"] == record["eventID"]
    assert attributes["stream2sqs.stream"] == record["eventSourceARN"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert q.receive(wait=1) == []
    q.sqs.change_message_visibility(QueueUrl=q.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
    again = q.receive(MessageSystemAttributeNames=["All"])[0]
    assert again["MessageId"] == message["MessageId"] and again["Attributes"]["ApproximateReceiveCount"] == "2"
    with pytest.raises(q.sqs.exceptions.MessageNotInflight):
        q.sqs.change_message_visibility(QueueUrl=q.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=5)


def test_batches_fail_entry_by_entry(table, bridge, queue):
    table.put("a", "b")
    q = queue(bridge)
    handles = []
    while len(handles) < 2:
        handles += [m["ReceiptHandle"] for m in q.receive(VisibilityTimeout=60)]
    answer = q.sqs.delete_message_batch(QueueUrl=q.url, Entries=[
        {"Id": "1", "ReceiptHandle": handles[0]}, {"Id": "2", "ReceiptHandle": "made up"}, {"Id": "3", "ReceiptHandle": handles[1]}])
    assert [s["Id"] for s in answer["Successful"]] == ["1", "3"]
    assert [(f["Id"], f["Code"], f["SenderFault"]) for f in answer["Failed"]] == [("2", "ReceiptHandleIsInvalid", True)]


def test_what_is_sent_comes_back_as_it_was(bridge, queue):
    q = queue(bridge)
    body = "quoted \" \\ \r\n \u00fc \U0001f600 end"
    sent = q.sqs.send_message(QueueUrl=q.url, MessageBody=body, MessageAttributes={
        "text": {"DataType": "String", "StringValue": "v"}, "n": {"DataType": "Number", "StringValue": "1.50"},
        "raw": {"DataType": "Binary", "BinaryValue": bytes(range(256))}})
    got = q.receive(MessageAttributeNames=["All"])[0]
    assert (got["MessageId"], got["Body"]) == (sent["MessageId"], body)
    assert got["MessageAttributes"]["raw"]["BinaryValue"] == bytes(range(256))
    answer = q.sqs.send_message_batch(QueueUrl=q.url, Entries=[{"Id": str(i), "MessageBody": f"m{i}"} for i in range(10)])
    assert len(answer["Successful"]) == 10
    with pytest.raises(q.sqs.exceptions.InvalidMessageContents):
        q.sqs.send_message(QueueUrl=q.url, MessageBody="\u0001")


def test_a_stream_that_is_created_again_is_followed_and_leaves_a_gap(table, make_bridge, queue):
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--discovery-interval", "1s").start()
    q = queue(bridge)
    table.put("before")
    assert [key_of(m) for m in q.receive()] == ["before"]
    table.stream(on=False)
    wait_until("a second's difference", lambda s=int(time.time()): int(time.time()) > s)  # ARNs of streams are told apart by their time
    table.stream()
    table.put("after")
    found = []
    end = time.monotonic() + 30
    while "after" not in found and time.monotonic() < end:
        found += [key_of(m) for m in q.receive(wait=2)]
    assert "after" in found
    audit = bridge.json("audit", check=1)
    assert "re-created" in audit["gaps"][0]["cause"]
    assert bridge.admin("/readyz")[0] == 503
    assert bridge.json("audit", "--acknowledge")["acknowledged"] == 1
    wait_until("ready", lambda: bridge.admin("/readyz")[0] == 200)
    bridge.command("audit", check=1)


def test_files_are_private_and_hold_no_secret(table, make_bridge, queue):
    canary = "CANARYsecretCANARYsecretCANARYsecret1234"
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--log-level", "debug", env={"AWS_SECRET_ACCESS_KEY": canary}).start()
    table.put("x")
    message = queue(bridge).receive()[0]
    bridge.stop()
    for path in pathlib.Path(bridge.directory).iterdir():
        if path.name.startswith("ledger.db"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.name.endswith(".addresses"), path
        content = path.read_bytes()
        assert canary.encode() not in content, path
        if not path.name.endswith(".keys"):
            assert bridge.key["aws_secret_access_key"].encode() not in content, path
        if path.name == "bridge.log":
            assert message["ReceiptHandle"].encode() not in content


def test_sigterm_answers_open_long_polls_and_stops_in_time(bridge, queue):
    q = queue(bridge)
    got = []
    waiting = threading.Thread(target=lambda: got.append(q.receive(wait=20)))
    waiting.start()
    wait_until("a long poll", lambda: 'requests_total{operation="ReceiveMessage"} 1' in bridge.admin("/metrics")[1])
    started = time.monotonic()
    assert bridge.stop() == 0
    waiting.join()
    assert time.monotonic() - started < 5
    assert got == [[]]


def test_every_command_speaks_json(table, bridge, queue):
    table.put("x")
    queue(bridge).receive()
    assert bridge.json("status")["daemon"]["ready"] is True
    assert bridge.json("records")["records"][0]["states"] == {"q": "in_flight"}
    record = bridge.json("trace", "x")["records"][0]
    assert record["event_name"] == "INSERT"
    for what in (record["sequence_number"], record["event_id"], record["messages"][0]["message_id"]):
        assert [r["sequence_number"] for r in bridge.json("trace", what)["records"]] == [record["sequence_number"]]
    bridge.command("trace", "nothing", check=66)
    assert bridge.json("audit")["verdict"] == "whole"
    assert bridge.json("dead", "list") == {"dead": []}
    assert bridge.json("version")["version"]
    assert "stream2sqs_records_read_total 1\n" in bridge.admin("/metrics")[1]


def test_strangers_cannot_drive_the_terminal(table, bridge, queue):
    table.put("\x1b[31mred\x07")
    queue(bridge).receive()
    for arguments in (["records"], ["trace", "--payload", "\x1b[31mred\x07"], ["dead", "list"], ["status"]):
        out = bridge.command(*arguments, check=0)[1]
        assert "\x1b" not in out and "\x07" not in out
    assert "\\x1b[31mred" in bridge.command("records")[1]


def test_status_watches_until_it_is_told_to_stop(bridge):
    watching = subprocess.Popen([str(BINARY), "status", "--watch", "--ledger", str(bridge.ledger)], env=bridge.env, stdout=subprocess.PIPE, text=True)
    lines = [watching.stdout.readline() for _ in range(20)]
    watching.terminate()
    assert watching.wait(10) == 0
    assert sum(line.startswith("ready") for line in lines) >= 2
