# SPDX-License-Identifier: Apache-2.0
"""Consumers of a queue on another server who come through the bridge's endpoint: what they do is forwarded, and the ledger knows it."""

import json
import signal
import subprocess
import threading
import time
import uuid

import boto3
import pytest
from botocore.config import Config
from fault_proxy import FaultProxy
from rig import REGION, wait_until
from test_targets import Far, number_of, put_numbered, queue_of, write_config

COUNT = 60


def consumer(bridge, name, attempts=1, timeout=30):
    sqs = boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **bridge.key,
                       config=Config(retries={"max_attempts": attempts, "mode": "standard"}, read_timeout=timeout))
    return sqs, sqs.get_queue_url(QueueName=name)["QueueUrl"]


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
@pytest.mark.parametrize("peer", ["ministack", "fauxqs", "elasticmq"])
def test_what_consumers_do_is_known(table, make_bridge, peers, tmp_path, peer, fifo):
    far = Far(peers[peer].port, fifo)
    bridge = make_bridge("--config", write_config(tmp_path, table.name, {"name": far.name, "target": "sqs", "endpoint_url": f"http://127.0.0.1:{peers[peer].port}"}))
    bridge.start()
    put_numbered(table, 0, COUNT)
    more = {"MessageGroupId": "g", "MessageDeduplicationId": uuid.uuid4().hex} if fifo else {}
    far.sqs.send_message(QueueUrl=far.url, MessageBody="somebody else's <&>", MessageAttributes={"x": {"DataType": "String", "StringValue": "y"}}, **more)
    sqs, url = consumer(bridge, far.name)
    seen, foreign, killed = [], 0, False
    while len(seen) < COUNT or foreign == 0:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=5, AttributeNames=["All"], MessageAttributeNames=["x", "stream2sqs.sh.*"])
        messages = got.get("Messages", [])
        for m in messages:
            assert "stream2sqs.id" not in m.get("MessageAttributes", {})
            if m["Body"].startswith("somebody"):
                foreign += 1
                assert m["Body"] == "somebody else's <&>" and m["MessageAttributes"]["x"]["StringValue"] == "y"
            else:
                seen.append(number_of(m))
        half = messages[: len(messages) // 2]
        for m in half:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
        rest = messages[len(half):]
        if rest:
            done = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": f"m{i}", "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(rest)])
            assert len(done["Successful"]) == len(rest)
        if not killed and len(seen) > COUNT // 3:
            killed = True
            bridge.kill()
            bridge.start()
            wait_until("the far queue is known", lambda: "QueueArn" in attributes_or_none(sqs, url))
    assert sorted(set(seen)) == list(range(COUNT))
    status = queue_of(bridge, far.name)
    assert status["deleted"] == COUNT and status["sent"] == 0
    assert far.drain() == []
    life = bridge.command("trace", "k3", check=0)[1]
    assert "received" in life and "deleted" in life
    bridge.command("audit", check=0)


def attributes_or_none(sqs, url):
    try:
        return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    except sqs.exceptions.ClientError:
        return {}


def test_handles_cannot_be_made_up_nor_used_on_another_queue(table, make_bridge, peers, tmp_path):
    port = peers["fauxqs"].port
    one, two = Far(port), Far(port)
    bridge = make_bridge("--config", write_config(tmp_path, table.name, *({"name": f.name, "target": "sqs", "endpoint_url": f"http://127.0.0.1:{port}"}
                                                                           for f in (one, two)))).start()
    put_numbered(table, 0, 1)
    sqs, url = consumer(bridge, one.name)
    _, other = consumer(bridge, two.name)
    got = []
    wait_until("a message", lambda: got.extend(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", [])) or got)
    handle = got[0]["ReceiptHandle"]
    forged = handle[:60] + ("A" if handle[60] != "A" else "B") + handle[61:]
    own = far_handle(two)
    for target, bad in ((url, forged), (url, "nonsense"), (other, handle), (url, own)):
        with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
            sqs.delete_message(QueueUrl=target, ReceiptHandle=bad)
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    again = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2)["Messages"][0]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=again["ReceiptHandle"])
    assert queue_of(bridge, one.name)["deleted"] == 1


def far_handle(far):
    got = []
    wait_until("a message there", lambda: got.extend(far.sqs.receive_message(QueueUrl=far.url, VisibilityTimeout=1).get("Messages", [])) or got)
    return got[0]["ReceiptHandle"]


def test_a_delete_without_an_answer_is_not_confirmed(table, make_bridge, peers, tmp_path):
    port = peers["fauxqs"].port
    far = Far(port)
    proxy = FaultProxy(port, seed=3, rates={})
    bridge = make_bridge("--config", write_config(tmp_path, table.name, {"name": far.name, "target": "sqs", "endpoint_url": proxy.url})).start()
    try:
        put_numbered(table, 0, 1)
        sqs, url = consumer(bridge, far.name)
        got = []
        wait_until("a message", lambda: got.extend(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages", [])) or got)
        proxy.operations = (".DeleteMessage",)
        proxy.rates = {"lost_reply": 1.0}
        with pytest.raises(sqs.exceptions.ClientError) as unknown:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
        assert unknown.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert queue_of(bridge, far.name)["deleted"] == 0
        proxy.rates = {}
        sqs.delete_message(QueueUrl=url, ReceiptHandle=got[0]["ReceiptHandle"])
        assert queue_of(bridge, far.name)["deleted"] == 1
    finally:
        proxy.close()


def test_messages_for_a_consumer_who_has_gone_are_given_back(table, make_bridge, peers, tmp_path):
    far = Far(peers["fauxqs"].port, VisibilityTimeout="600")
    bridge = make_bridge("--config", write_config(tmp_path, table.name, {"name": far.name, "target": "sqs",
                                                                         "endpoint_url": f"http://127.0.0.1:{peers['fauxqs'].port}"})).start()
    sqs, url = consumer(bridge, far.name, timeout=2)
    wait_until("the far queue is known", lambda: "QueueArn" in attributes_or_none(sqs, url))

    def leave():
        with pytest.raises(Exception, match="Read timeout"):
            sqs.receive_message(QueueUrl=url, WaitTimeSeconds=15)

    gone = threading.Thread(target=leave)
    gone.start()
    gone.join()
    far.sqs.send_message(QueueUrl=far.url, MessageBody="for the next")
    got = []
    sqs, url = consumer(bridge, far.name)
    wait_until("the next gets it", lambda: got.extend(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])) or got, seconds=30)
    assert got[0]["Body"] == "for the next"


def test_a_stop_gives_back_what_is_on_its_way(table, make_bridge, peers, tmp_path):
    far = Far(peers["fauxqs"].port, VisibilityTimeout="600")
    proxy = FaultProxy(peers["fauxqs"].port)
    bridge = make_bridge("--config", write_config(tmp_path, table.name, {"name": far.name, "target": "sqs", "endpoint_url": proxy.url})).start()
    try:
        sqs, url = consumer(bridge, far.name)
        wait_until("the far queue is known", lambda: "QueueArn" in attributes_or_none(sqs, url))
        far.sqs.send_message(QueueUrl=far.url, MessageBody="for the next")
        proxy.held_operations = (".ReceiveMessage",)
        got = []
        waiting = threading.Thread(target=lambda: got.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=0)))
        waiting.start()
        assert proxy.held.wait(20)  # the message is hidden there, and its answer has not left
        bridge.server.process.send_signal(signal.SIGTERM)
        waiting.join()
        assert len(got) == 1 and "Messages" not in got[0]
        with pytest.raises(subprocess.TimeoutExpired):
            bridge.server.process.wait(0.5)  # it waits for the answer, 2 s at most
        proxy.release.set()
        assert bridge.server.process.wait(20) == 0
        assert [m["Body"] for m in far.drain()] == ["for the next"]
    finally:
        proxy.release.set()
        proxy.close()


def test_a_stop_does_not_wait_for_a_long_poll_that_brings_nothing(table, make_bridge, peers, tmp_path):
    far = Far(peers["fauxqs"].port)
    bridge = make_bridge("--config", write_config(tmp_path, table.name, {"name": far.name, "target": "sqs",
                                                                         "endpoint_url": f"http://127.0.0.1:{peers['fauxqs'].port}"})).start()
    sqs, url = consumer(bridge, far.name)
    wait_until("the far queue is known", lambda: "QueueArn" in attributes_or_none(sqs, url))
    waiting = threading.Thread(target=lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20))
    waiting.start()
    wait_until("it waits", lambda: 'ReceiveMessage"} 1' in bridge.admin("/metrics")[1])
    began = time.monotonic()
    assert bridge.stop() == 0
    assert time.monotonic() - began < 8  # 2 s, and what the machine is slow; stop_timeout is 10 s
    waiting.join()


def test_errors_of_the_other_server_are_passed_on(table, make_bridge, peers, tmp_path):
    far = Far(peers["elasticmq"].port)
    bridge = make_bridge("--config", write_config(tmp_path, table.name, {"name": far.name, "target": "sqs",
                                                                         "endpoint_url": f"http://127.0.0.1:{peers['elasticmq'].port}"})).start()
    sqs, url = consumer(bridge, far.name)
    wait_until("the far queue is known", lambda: "QueueArn" in attributes_or_none(sqs, url))
    assert json.loads(json.dumps(attributes_or_none(sqs, url)))["QueueArn"].endswith(far.name)
    far.sqs.delete_queue(QueueUrl=far.url)
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.receive_message(QueueUrl=url)
    with pytest.raises(sqs.exceptions.UnsupportedOperation):
        sqs.send_message(QueueUrl=url, MessageBody="not through here")
