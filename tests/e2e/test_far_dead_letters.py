# SPDX-License-Identifier: Apache-2.0
"""The dead-letter queue that a queue has on another server is read, and matched with the ledger."""

import json

import pytest
from rig import wait_until
from test_targets import KEYS, Far, number_of, put_numbered, queue_of, write_config

COUNT = 6


def arn(far):
    return far.sqs.get_queue_attributes(QueueUrl=far.url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def receive(far, hide=0):
    return far.sqs.receive_message(QueueUrl=far.url, MaxNumberOfMessages=10, VisibilityTimeout=hide, MessageAttributeNames=["All"]).get("Messages", [])


@pytest.mark.parametrize("peer,fifo", [("ministack", False), ("fauxqs", False), ("elasticmq", False), ("fauxqs", True)])
def test_dead_letters_of_another_server_are_known_and_go_back(table, make_bridge, peers, tmp_path, peer, fifo):
    port = peers[peer].port
    dead = Far(port, fifo)
    far = Far(port, fifo, RedrivePolicy=json.dumps({"deadLetterTargetArn": arn(dead), "maxReceiveCount": 1}))
    bridge = make_bridge("--config", write_config(tmp_path, table.name, {"name": far.name, "target": "sqs", "endpoint_url": f"http://127.0.0.1:{port}",
                                                                         "dead_letter_queue": dead.name})).start()
    more = {"MessageGroupId": "g", "MessageDeduplicationId": "d"} if fifo else {}
    dead.sqs.send_message(QueueUrl=dead.url, MessageBody="somebody else's", **more)
    put_numbered(table, 0, COUNT)
    wait_until("all sent", lambda: queue_of(bridge, far.name)["sent"] == COUNT)
    good = None
    while good is None:  # one is consumed, the others die of being received
        for m in receive(far):
            good = good or m
            if m is good:
                far.sqs.delete_message(QueueUrl=far.url, ReceiptHandle=m["ReceiptHandle"])
    keep = number_of(good)

    def all_dead():
        receive(far)
        return queue_of(bridge, far.name)["dead"] == COUNT - 1

    wait_until("the dead are known", all_dead, 60)
    listed = bridge.json("dead", "list", far.name)
    assert len(listed["dead"]) == COUNT - 1 and {d["message"]["code"] for d in listed["dead"]} == {"received_too_often"}
    for flags, waits_in in ((["--config", tmp_path / "stream2sqs.yaml"], dead.name), ([], "-")):
        lines = bridge.command("dead", "list", far.name, *flags, check=0)[1].splitlines()
        assert [line.split()[5:8] for line in lines[1:]] == [["-", "received_too_often", waits_in]] * (COUNT - 1)  # nobody told how often it was received
    shown = bridge.command("dead", "show", listed["dead"][0]["message"]["message_id"], check=0)[1]
    assert "NewImage" in shown and "dead" in shown
    bridge.kill()
    bridge.start()
    dropped = listed["dead"][0]["message"]["message_id"]
    bridge.command("dead", "drop", far.name, "--id", dropped, check=0)
    bridge.command("dead", "redrive", far.name, "--all", check=0)
    back = {}

    def all_back():
        for m in receive(far, hide=600):
            back[number_of(m)] = m
            far.sqs.delete_message(QueueUrl=far.url, ReceiptHandle=m["ReceiptHandle"])
        return len(back) == COUNT - 2

    wait_until("they are sent again", all_back, 60)
    one = next(iter(back))
    lives = [m for r in bridge.json("trace", f"k{one % KEYS}")["records"] for m in r["messages"] if m["state"] == "sent"]
    assert lives and not any("cause" in m for m in lives)  # why it was dead once is in its steps
    assert keep not in back
    status = queue_of(bridge, far.name)
    assert status["dead"] == 0 and status["dropped"] == 1 and status["sent"] == COUNT - 1
    bridge.command("audit", check=0)
