# SPDX-License-Identifier: Apache-2.0
"""`stream2sqs queue`: a person's look into the queues of a process that runs."""

import http.server
import json
import re
import signal
import socket
import subprocess
import threading

import boto3
import pytest
from rig import BINARY, REGION, wait_until


@pytest.fixture
def bridge(make_bridge):
    running = make_bridge("--queue", "orders", "--queue", "orders-dead", endpoint=None).start()
    yield running
    running.stop()


def client(bridge):
    return boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **bridge.key)


def test_send_list_receive_delete(bridge):
    sqs = client(bridge)
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    dead = sqs.get_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName="orders-dead")["QueueUrl"], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 5})})
    sqs.tag_queue(QueueUrl=url, Tags={"team": "shop"})
    sent = bridge.command("queue", "send", "orders", '{"order": 7}', "--attribute", "kind=test", "--attribute", "empty==", check=0)[1].strip()
    piped = subprocess.run([str(BINARY), "queue", "--ledger", str(bridge.ledger), "send", "orders", "-"], input="a\x7f\u00e9\n", text=True, env=bridge.env,
                           capture_output=True, check=True, timeout=60)
    later = bridge.json("queue", "send", "orders", "later", "--delay", "900")
    assert later["MessageId"] and later["MD5OfMessageBody"]
    lines = bridge.command("queue", check=0)[1].splitlines()
    assert lines[0].split("  ")[0] == "QUEUE"
    assert lines[1].split() == ["orders", "2", "0", "1", "orders-dead"]
    assert bridge.json("queue", "list")["queues"]["orders-dead"]["ApproximateNumberOfMessages"] == "0"
    shown = bridge.command("queue", "show", "orders", check=0)[1]
    assert "MessageRetentionPeriod" in shown and "team" in shown and "shop" in shown
    looked = {m["MessageId"]: m for m in bridge.json("queue", "receive", "orders", "--max", "10")["messages"]}
    assert set(looked) == {sent, piped.stdout.strip()}
    assert looked[sent]["MessageAttributes"] == {"kind": {"DataType": "String", "StringValue": "test"}, "empty": {"DataType": "String", "StringValue": "="}}
    assert looked[piped.stdout.strip()]["Body"] == "a\x7f\u00e9\n"
    text = bridge.command("queue", "receive", "orders", "--max", "10", "--delete", check=0)[1]  # they were back at once
    assert '{"order": 7}' in text and "kind: test" in text and "\x7f" not in text and "received 2 time(s)" in text
    assert bridge.command("queue", "receive", "orders", check=0)[1] == "no message is visible\n"
    assert [s["what"] for s in bridge.json("trace", sent)["records"][0]["messages"][0]["steps"]][-1] == "deleted"


def test_a_receive_waits_as_long_as_it_is_told(bridge):
    got = []
    waiting = threading.Thread(target=lambda: got.append(bridge.json("queue", "receive", "orders", "--wait", "20", "--visibility", "30")))
    waiting.start()
    wait_until("it waits", lambda: 'ReceiveMessage"} 1' in bridge.admin("/metrics")[1])
    client(bridge).send_message(QueueUrl=f"{bridge.url}/000000000000/orders", MessageBody="at last")
    waiting.join(30)
    assert [m["Body"] for m in got[0]["messages"]] == ["at last"]
    assert bridge.command("queue", "receive", "orders", check=0)[1] == "no message is visible\n"  # the visibility that was asked for


def test_a_client_that_goes_away_while_it_waits_takes_nothing(bridge):
    with socket.socket(socket.AF_UNIX) as s:
        body = json.dumps({"QueueUrl": f"{bridge.url}/000000000000/orders", "WaitTimeSeconds": 20}).encode()
        s.connect(f"{bridge.ledger}-control")
        s.sendall(b"POST /control/sqs/ReceiveMessage HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        wait_until("it waits", lambda: 'ReceiveMessage"} 1' in bridge.admin("/metrics")[1])
    bridge.command("queue", "send", "orders", "kept", check=0)
    got = bridge.json("queue", "receive", "orders", "--wait", "5")["messages"]
    assert [m["Body"] for m in got] == ["kept"]


def test_purge_wants_a_yes(bridge):
    bridge.command("queue", "send", "orders", "x", check=0)
    assert "--yes" in bridge.command("queue", "purge", "orders", check=64)[2]
    assert bridge.json("queue", "list")["queues"]["orders"]["ApproximateNumberOfMessages"] == "1"
    assert bridge.command("queue", "purge", "orders", "--yes", check=0)[1] == "orders is being purged\n"
    wait_until("it is purged", lambda: bridge.json("queue", "list")["queues"]["orders"]["ApproximateNumberOfMessages"] == "0")
    assert "60 seconds" in bridge.command("queue", "purge", "orders", "--yes", check=69)[2]


def test_queues_are_made_and_changed_with_attributes(bridge):
    bridge.command("queue", "create", "reports", "--attribute", "VisibilityTimeout=120", "--attribute", "DelaySeconds=1", check=0)
    bridge.command("queue", "set", "reports", "--attribute", "MessageRetentionPeriod=1209600", check=0)
    shown = bridge.json("queue", "show", "reports")["Attributes"]
    assert (shown["VisibilityTimeout"], shown["DelaySeconds"], shown["MessageRetentionPeriod"]) == ("120", "1", "1209600")
    text = bridge.command("queue", "show", "reports", check=0)[1]
    assert re.search(r"CreatedTimestamp +\d+ \(20\d\d-\d\d-\d\dT", text)
    assert "VisibilityTimeout" in bridge.command("queue", "create", "bad", "--attribute", "VisibilityTimeout=999999", check=65)[2]
    assert "Unknown Attribute nope" in bridge.command("queue", "set", "reports", "--attribute", "nope=1", check=65)[2]
    assert bridge.json("queue", "show", "reports")["Attributes"] == shown
    assert "--attribute NAME=VALUE" in bridge.command("queue", "set", "reports", check=64)[2]
    bridge.command("queue", "create", "jobs.fifo", "--attribute", "VisibilityTimeout=5", check=0)
    assert bridge.json("queue", "show", "jobs.fifo")["Attributes"]["FifoQueue"] == "true"
    assert bridge.command("queue", "create", "other.fifo", "--attribute", "FifoQueue=false")[0] == 65


@pytest.mark.parametrize("words", [("create", "x", "--visibility", "30"), ("list", "--max", "3"), ("send", "orders", "x", "--yes"), ("purge", "orders", "--yes", "--delete")])
def test_a_flag_of_another_verb_is_not_passed_over(bridge, words):
    assert "is no flag of `queue " in bridge.command("queue", *words, check=64)[2]
    assert set(bridge.json("queue", "list")["queues"]) == {"orders", "orders-dead"}


def test_what_is_wrong_is_said(bridge):
    assert "there is no queue" in bridge.command("queue", "show", "nope", check=66)[2]
    assert bridge.json("queue", "send", "nope", "x", check=66)["error"]["code"] == "not_found"
    assert "Invalid characters" in bridge.command("queue", "send", "orders", "a\x01", check=65)[2]
    assert "MessageBody" in bridge.command("queue", "send", "orders", "", check=65)[2]
    assert "NAME=VALUE" in bridge.command("queue", "send", "orders", "x", "--attribute", "novalue", check=64)[2]
    assert "list, show, send" in bridge.command("queue", "frobnicate", check=64)[2]
    assert "show wants" in bridge.command("queue", "show", check=64)[2]
    assert bridge.command("queue", "receive", "orders", "--max", "11")[0] == 64
    bridge.server.process.send_signal(signal.SIGTERM)
    bridge.server.process.wait(20)
    assert "no stream2sqs runs" in bridge.command("queue", "list", check=69)[2]


def test_a_queue_whose_server_is_down_hides_no_other(table, make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({"pipelines": [{"stream": table.name, "queues": [{"name": "near"}, {
        "name": "far", "target": "sqs", "endpoint_url": "http://127.0.0.1:1", "address": "http://127.0.0.1:1/000000000000/far"}]}]}))
    bridge = make_bridge("--config", config).start()
    status, out, err = bridge.command("queue", "list")
    assert status == 0 and {line.split()[0]: line.split()[1] for line in out.splitlines()[1:]} == {"far": "-", "near": "0"}
    assert err.startswith("stream2sqs queue: far: The queue's server")
    assert "server" in bridge.json("queue", "list")["queues"]["far"]["error"]
    status, out, _ = bridge.command("queue", "show", "far", "--json")
    assert status == 69 and json.loads(out)["error"]["code"] == "unavailable"


class Odd(http.server.BaseHTTPRequestHandler):
    """A queue whose attributes are none that SQS would have."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps({"Attributes": {"QueueArn": "", "CreatedTimestamp": 5, "LastModifiedTimestamp": "99999999999999999999999", "a": "\x1b[31m"}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


def test_what_another_server_tells_of_its_queue_may_be_anything(table, make_bridge, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({"pipelines": [{"stream": table.name, "queues": [{
        "name": "far", "target": "sqs", "gateway": True, "endpoint_url": url, "address": f"{url}/0/far"}]}]}))
    try:
        bridge = make_bridge("--config", config).start()
        shown = bridge.command("queue", "show", "far", check=0)[1]
        assert "CreatedTimestamp" in shown and "(" not in shown and "\x1b" not in shown
        bridge.stop()
    finally:
        server.shutdown()
        server.server_close()
