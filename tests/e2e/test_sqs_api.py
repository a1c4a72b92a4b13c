# SPDX-License-Identifier: Apache-2.0
"""The embedded queues' whole API, by boto3 as it is: making and changing queues, FIFO, dead letters and their redrive, tags, policies, regions, restarts."""

import base64
import hashlib
import json
import sqlite3
import time
import uuid
from contextlib import closing

import pytest
from botocore.exceptions import ClientError
from conftest import client
from rig import REGION, wait_until

ACCOUNT = "000000000000"


@pytest.fixture
def server(make_bridge):
    return make_bridge("--aws-waits=false", "--regions", "us-east-1", endpoint=None).start()


def make(sqs, name=None, fifo=False, **attributes):
    name = (name or "q" + uuid.uuid4().hex[:8]) + (".fifo" if fifo else "")
    if fifo:
        attributes["FifoQueue"] = "true"
    return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


def arn(url, region=REGION):
    return f"arn:aws:sqs:{region}:{ACCOUNT}:{url.rsplit('/', 1)[1]}"


def attributes(sqs, url, *names):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names) or ["All"])["Attributes"]


def receive(sqs, url, most=10, wait=0, **more):
    return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, WaitTimeSeconds=wait, **more).get("Messages", [])


def bodies(messages):
    return [m["Body"] for m in messages]


def code(error):
    return error.value.response["Error"]["Code"]


def redrive(url, count=1):
    return json.dumps({"deadLetterTargetArn": arn(url), "maxReceiveCount": count})


def test_a_queue_is_made_once_and_remembers_what_it_was_given(server, sqs):
    url = make(sqs, "orders", VisibilityTimeout="45", DelaySeconds="0")
    assert url == f"{server.url}/{ACCOUNT}/orders"
    assert make(sqs, "orders", VisibilityTimeout="45") == url
    with pytest.raises(sqs.exceptions.QueueNameExists):
        make(sqs, "orders", VisibilityTimeout="46")
    given = attributes(sqs, url)
    assert given["VisibilityTimeout"] == "45" and given["MessageRetentionPeriod"] == "345600" and given["MaximumMessageSize"] == "1048576"
    assert given["SqsManagedSseEnabled"] == "true" and given["QueueArn"] == arn(url) and "FifoQueue" not in given and "Policy" not in given
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1", "MaximumMessageSize": "1024"})
    sqs.tag_queue(QueueUrl=url, Tags={"team": "a", "cost": "b"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["cost"])
    server.kill()
    server.start()
    given = attributes(sqs, url)
    assert given["VisibilityTimeout"] == "1" and given["MaximumMessageSize"] == "1024"
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"team": "a"}
    with pytest.raises(sqs.exceptions.ClientError, match="shorter than 1024 bytes"):
        sqs.send_message(QueueUrl=url, MessageBody="x" * 1025)
    server.command("audit", check=0)


@pytest.mark.parametrize("name,given,error", [
    ("bad name", {}, "InvalidParameterValue"),
    ("x" * 81, {}, "InvalidParameterValue"),
    ("q.fifo", {}, "InvalidParameterValue"),
    ("q", {"FifoQueue": "true"}, "InvalidParameterValue"),
    ("q", {"Nonsense": "1"}, "InvalidAttributeName"),
    ("q", {"QueueArn": "1"}, "InvalidAttributeName"),
    ("q", {"ContentBasedDeduplication": "true"}, "InvalidAttributeName"),
    ("q", {"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
    ("q", {"VisibilityTimeout": "x"}, "InvalidAttributeValue"),
    ("q", {"DelaySeconds": "901"}, "InvalidAttributeValue"),
    ("q", {"MessageRetentionPeriod": "59"}, "InvalidAttributeValue"),
    ("q", {"MaximumMessageSize": "1023"}, "InvalidAttributeValue"),
    ("q", {"Policy": "{"}, "InvalidAttributeValue"),
    ("q", {"RedrivePolicy": "{}"}, "InvalidParameterValue"),
    ("q", {"RedrivePolicy": '{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:nope","maxReceiveCount":1}'}, "InvalidParameterValue"),
    ("q.fifo", {"FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId"}, "InvalidAttributeValue"),
])
def test_what_cannot_be_a_queue_is_refused(sqs, name, given, error):
    with pytest.raises(sqs.exceptions.ClientError) as refused:
        sqs.create_queue(QueueName=name, Attributes=given)
    assert code(refused) == error
    assert "QueueUrls" not in sqs.list_queues()


def test_queues_are_listed_by_pages_and_deleted(server, sqs):
    made = [make(sqs, f"list-{i}") for i in range(5)]
    make(sqs, "other")
    pages = list(sqs.get_paginator("list_queues").paginate(QueueNamePrefix="list-", PaginationConfig={"PageSize": 2}))
    assert [len(p["QueueUrls"]) for p in pages] == [2, 2, 1] and sum((p["QueueUrls"] for p in pages), []) == made
    sqs.send_message(QueueUrl=made[0], MessageBody="gone with its queue")
    sqs.delete_queue(QueueUrl=made[0])
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.send_message(QueueUrl=made[0], MessageBody="x")
    assert make(sqs, "list-0") == made[0]
    assert receive(sqs, made[0]) == []
    server.kill()
    server.start()
    assert len(sqs.list_queues()["QueueUrls"]) == 6
    server.command("audit", check=0)


def test_with_aws_waits_names_and_purges_rest_for_a_minute(make_bridge):
    sqs = client(make_bridge(endpoint=None).start())
    url = make(sqs, "q")
    sqs.purge_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.PurgeQueueInProgress):
        sqs.purge_queue(QueueUrl=url)
    sqs.delete_queue(QueueUrl=url)
    with pytest.raises(sqs.exceptions.QueueDeletedRecently):
        make(sqs, "q")


def test_a_purge_takes_all_and_what_comes_after_stays(server, sqs):
    url = make(sqs)
    for k in range(130):
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": f"{k}-{i}"} for i in range(10)])
    receive(sqs, url)
    sqs.purge_queue(QueueUrl=url)
    sqs.send_message(QueueUrl=url, MessageBody="after")
    assert attributes(sqs, url)["ApproximateNumberOfMessages"] == "1"
    assert bodies(receive(sqs, url)) == ["after"]
    wait_until("the purge", lambda: [q for q in server.json("status")["queues"] if q["queue"] == url.rsplit("/", 1)[1]][0]["purged"] == 1300)
    server.kill()
    server.start()
    server.command("audit", check=0)
    assert receive(sqs, url) == []


def test_retention_and_delay(server, sqs):
    url = make(sqs, MessageRetentionPeriod="60", DelaySeconds="1")
    sqs.send_message(QueueUrl=url, MessageBody="late")
    sqs.send_message(QueueUrl=url, MessageBody="at once", DelaySeconds=0)
    assert bodies(receive(sqs, url)) == ["at once"]
    assert attributes(sqs, url)["ApproximateNumberOfMessagesDelayed"] == "1"
    assert bodies(receive(sqs, url, wait=5)) == ["late"]


def test_fifo_order_locks_and_deduplication(server, sqs):
    url = make(sqs, fifo=True, VisibilityTimeout="1")
    for i in range(3):
        for g in "ab":
            sent = sqs.send_message(QueueUrl=url, MessageBody=f"{g}{i}", MessageGroupId=g, MessageDeduplicationId=f"{g}{i}")
            assert len(sent["SequenceNumber"]) == 20
    again = sqs.send_message(QueueUrl=url, MessageBody="other body", MessageGroupId="b", MessageDeduplicationId="b2")
    assert again["MessageId"] == sent["MessageId"] and again["SequenceNumber"] == sent["SequenceNumber"]
    first = receive(sqs, url, 2, AttributeNames=["All"])
    assert bodies(first) == ["a0", "a1"] and first[0]["Attributes"]["MessageGroupId"] == "a" and first[0]["Attributes"]["MessageDeduplicationId"] == "a0"
    assert first[0]["Attributes"]["SequenceNumber"] < first[1]["Attributes"]["SequenceNumber"]
    assert bodies(receive(sqs, url)) == ["b0", "b1", "b2"]
    assert receive(sqs, url) == []  # both groups are locked
    server.kill()
    server.start()
    assert receive(sqs, url) == []  # and still are
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first[0]["ReceiptHandle"])
    wait_until("the groups", lambda: attributes(sqs, url)["ApproximateNumberOfMessages"] == "5")
    with pytest.raises(sqs.exceptions.ClientError, match="receipt handle has expired"):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=first[1]["ReceiptHandle"])
    everything = receive(sqs, url)
    assert sorted(bodies(everything)) == ["a1", "a2", "b0", "b1", "b2"]
    assert [b for b in bodies(everything) if b[0] == "a"] == ["a1", "a2"]
    for m in everything:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
    sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="b", MessageDeduplicationId="b2")  # deleted, and still known
    assert receive(sqs, url) == []
    server.command("audit", check=0)


def test_fifo_by_content_scope_and_what_is_refused(sqs):
    url = make(sqs, fifo=True, ContentBasedDeduplication="true", DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    for group in "aab":
        sqs.send_message(QueueUrl=url, MessageBody="same", MessageGroupId=group)
    assert bodies(receive(sqs, url)) == ["same", "same"]
    plain = make(sqs, fifo=True)
    standard = make(sqs)
    for target, more, error in [(plain, {"MessageDeduplicationId": "x"}, "MissingParameter"), (plain, {"MessageGroupId": "x"}, "InvalidParameterValue"),
                                (plain, {"MessageGroupId": "x" * 129, "MessageDeduplicationId": "x"}, "InvalidParameterValue"),
                                (plain, {"MessageGroupId": "x", "MessageDeduplicationId": "x", "DelaySeconds": 1}, "InvalidParameterValue"),
                                (standard, {"MessageDeduplicationId": "x"}, "InvalidParameterValue")]:
        with pytest.raises(sqs.exceptions.ClientError) as refused:
            sqs.send_message(QueueUrl=target, MessageBody="b", **more)
        assert code(refused) == error


def test_a_receive_is_repeated_by_its_attempt_id(sqs):
    url = make(sqs, fifo=True, ContentBasedDeduplication="true")
    sqs.send_message(QueueUrl=url, MessageBody="1", MessageGroupId="g")
    first = receive(sqs, url, ReceiveRequestAttemptId="try")
    assert receive(sqs, url, ReceiveRequestAttemptId="other") == []
    again = receive(sqs, url, ReceiveRequestAttemptId="try")
    assert [m["ReceiptHandle"] for m in again] == [m["ReceiptHandle"] for m in first] and len(first) == 1


def test_a_noisy_tenant_does_not_starve_a_quiet_one(sqs):
    url = make(sqs)
    for k in range(30):
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": "noise", "MessageGroupId": "noisy"} for i in range(10)])
    sqs.send_message(QueueUrl=url, MessageBody="quiet", MessageGroupId="quiet")
    assert "quiet" in bodies(receive(sqs, url, 10))


@pytest.mark.parametrize("restart", [False, True])
def test_a_handle_of_before_a_redrive_stays_expired(server, sqs, restart):
    dead = make(sqs, "dead", fifo=True)
    source = make(sqs, "source", fifo=True, RedrivePolicy=redrive(dead), ContentBasedDeduplication="true")
    sqs.send_message(QueueUrl=source, MessageBody="0", MessageGroupId="g")
    old = receive(sqs, source, VisibilityTimeout=0)[0]["ReceiptHandle"]
    wait_until("it dies", lambda: receive(sqs, source) == [] and attributes(sqs, dead)["ApproximateNumberOfMessages"] == "1")
    server.command("dead", "redrive", "source.fifo", "--all", check=0)
    if restart:
        server.kill()
        server.start()
    sqs.send_message(QueueUrl=source, MessageBody="1", MessageGroupId="g")
    new = receive(sqs, source, 1, AttributeNames=["ApproximateReceiveCount"])[0]
    assert (new["Body"], new["Attributes"]["ApproximateReceiveCount"]) == ("0", "1") and new["ReceiptHandle"] != old
    with pytest.raises(ClientError, match="receipt handle has expired"):
        sqs.delete_message(QueueUrl=source, ReceiptHandle=old)
    with pytest.raises(ClientError, match="MessageNotInflight"):
        sqs.change_message_visibility(QueueUrl=source, ReceiptHandle=old, VisibilityTimeout=0)
    assert receive(sqs, source) == []  # its group is still locked by the new receive
    sqs.delete_message(QueueUrl=source, ReceiptHandle=new["ReceiptHandle"])
    assert bodies(receive(sqs, source)) == ["1"]
    server.command("audit", check=0)


def test_a_redrive_policy_outlives_a_change_of_account_and_region(make_bridge, tmp_path):
    bridge = make_bridge(endpoint=None).start()
    sqs = client(bridge)
    make(sqs, "source", RedrivePolicy=redrive(make(sqs, "dead")), VisibilityTimeout="0")
    bridge.stop()
    other = make_bridge("--account-id", "123456789012", "--region", "us-west-2", endpoint=None)
    other.ledger = bridge.ledger
    other.start()
    sqs = client(other)
    source = sqs.get_queue_url(QueueName="source")["QueueUrl"]
    assert json.loads(attributes(sqs, source)["RedrivePolicy"])["deadLetterTargetArn"] == "arn:aws:sqs:us-west-2:123456789012:dead"
    sqs.send_message(QueueUrl=source, MessageBody="x")
    wait_until("it dies", lambda: receive(sqs, source) == [] and attributes(sqs, sqs.get_queue_url(QueueName="dead")["QueueUrl"])["ApproximateNumberOfMessages"] == "1")
    other.command("audit", check=0)


def test_counts_of_receives_have_no_end_that_hurts(server, sqs):
    """A message that went back 4096 times, and one that was received a million times: shortened by SQL."""
    source = make(sqs, "source", fifo=True, RedrivePolicy=redrive(make(sqs, "dead", fifo=True)), ContentBasedDeduplication="true")
    often = make(sqs, "often")
    sqs.send_message(QueueUrl=source, MessageBody="0", MessageGroupId="g")
    sqs.send_message_batch(QueueUrl=often, Entries=[{"Id": body, "MessageBody": body} for body in "01"])
    receive(sqs, source, VisibilityTimeout=0)
    receive(sqs, often, 1, VisibilityTimeout=0)
    wait_until("it dies", lambda: receive(sqs, source) == [])
    server.stop()
    with closing(sqlite3.connect(server.ledger)) as ledger, ledger:
        ledger.execute("UPDATE message SET receive_count=4094*1048576+1 WHERE state=5")
        ledger.execute("UPDATE message SET receive_count=1048575 WHERE state=3")
    server.start()
    for _ in range(3):
        server.command("dead", "redrive", "source.fifo", "--all", check=0)
        one = receive(sqs, source, 1, AttributeNames=["ApproximateReceiveCount"])[0]
        assert one["Attributes"]["ApproximateReceiveCount"] == "1"
        sqs.change_message_visibility(QueueUrl=source, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0)
        wait_until("it dies", lambda: receive(sqs, source) == [])
    server.command("dead", "redrive", "source.fifo", "--all", check=0)
    sqs.delete_message(QueueUrl=source, ReceiptHandle=receive(sqs, source)[0]["ReceiptHandle"])
    two = receive(sqs, often, 2, AttributeNames=["ApproximateReceiveCount"])
    assert sorted((m["Body"], m["Attributes"]["ApproximateReceiveCount"]) for m in two) == [("0", "1048575"), ("1", "1")]
    sqs.delete_message(QueueUrl=often, ReceiptHandle=next(m for m in two if m["Body"] == "0")["ReceiptHandle"])
    server.command("audit", check=0)


def test_a_dead_letter_counts_its_receives_since_it_went_back(server, sqs):
    dead = make(sqs, "dead")
    source = make(sqs, "source", RedrivePolicy=redrive(dead, 2), VisibilityTimeout="0")
    sqs.send_message(QueueUrl=source, MessageBody="x")
    for _ in range(2):
        wait_until("it dies", lambda: receive(sqs, source) == [] and attributes(sqs, dead)["ApproximateNumberOfMessages"] == "1")
        one = receive(sqs, dead, VisibilityTimeout=0, AttributeNames=["All"])[0]
        assert one["Attributes"]["ApproximateReceiveCount"] == "3"  # two there, one here
        server.command("dead", "redrive", "source", "--all", check=0)
        wait_until("it is back", lambda: attributes(sqs, source)["ApproximateNumberOfMessages"] == "1")


def test_a_dead_letter_queue_of_another_region_is_the_one_that_was_named(make_bridge):
    bridge = make_bridge("--regions", "*", endpoint=None).start()
    here, there = client(bridge, "eu-west-1"), client(bridge, "us-east-1")
    make(here, "dead")
    far = make(there, "dead")
    source = make(here, "source", RedrivePolicy=json.dumps({"deadLetterTargetArn": arn(far, "us-east-1"), "maxReceiveCount": 1}), VisibilityTimeout="0")
    assert "us-east-1" in attributes(here, source)["RedrivePolicy"]
    here.send_message(QueueUrl=source, MessageBody="x")
    wait_until("it dies there", lambda: receive(here, source) == [] and attributes(there, far)["ApproximateNumberOfMessages"] == "1")


def test_dead_letters_of_a_deleted_queue_wait_for_one_of_its_name(server, sqs):
    """A move task has nowhere to bring them, and says so; a queue that is made again has the ARN of the one before."""
    dead = make(sqs, "dead")
    source = make(sqs, "source", RedrivePolicy=redrive(dead), VisibilityTimeout="0")
    make(sqs, "another", RedrivePolicy=redrive(dead))
    for i in range(4):
        sqs.send_message(QueueUrl=source, MessageBody=str(i))
    wait_until("all are dead", lambda: receive(sqs, source) == [] and attributes(sqs, dead)["ApproximateNumberOfMessages"] == "4")
    sqs.delete_queue(QueueUrl=source)

    def move():
        sqs.start_message_move_task(SourceArn=arn(dead))
        wait_until("it ends", lambda: sqs.list_message_move_tasks(SourceArn=arn(dead))["Results"][0]["Status"] != "RUNNING")
        return sqs.list_message_move_tasks(SourceArn=arn(dead))["Results"][0]

    task = move()
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert attributes(sqs, dead)["ApproximateNumberOfMessages"] == "4"
    assert "is deleted: make one of that name" in server.command("dead", "redrive", "source", "--all", check=66)[2]
    ids = [d["message"]["message_id"] for d in server.json("dead", "list")["dead"]]
    server.command("dead", "drop", "source", "--id", ids[3], check=0)
    make(sqs, "source", RedrivePolicy=redrive(dead))
    server.command("dead", "redrive", "source", "--id", ids[2], check=0)
    assert move()["ApproximateNumberOfMessagesMoved"] == 2
    server.kill()
    server.start()
    server.command("audit", check=0)
    got = receive(sqs, source)
    assert sorted(bodies(got)) == ["0", "1", "2"]
    for m in got:
        sqs.delete_message(QueueUrl=source, ReceiptHandle=m["ReceiptHandle"])
    assert server.json("dead", "list")["dead"] == [] and attributes(sqs, dead)["ApproximateNumberOfMessages"] == "0"
    server.command("audit", check=0)


def test_dead_letters_go_back_by_a_move_task(server, sqs):
    dead = make(sqs, "dead")
    source = make(sqs, "source", RedrivePolicy=redrive(dead), VisibilityTimeout="0")
    elsewhere = make(sqs, "elsewhere")
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [source]
    for i in range(12):
        sqs.send_message(QueueUrl=source, MessageBody=str(i), MessageAttributes={"n": {"DataType": "Number", "StringValue": str(i)}})
    wait_until("all are dead", lambda: receive(sqs, source) == [] and attributes(sqs, dead)["ApproximateNumberOfMessages"] == "12")
    sqs.set_queue_attributes(QueueUrl=source, Attributes={"VisibilityTimeout": "30"})
    one = receive(sqs, dead, 1, AttributeNames=["All"], MessageAttributeNames=["All"])[0]
    assert one["Attributes"]["DeadLetterQueueSourceArn"] == arn(source) and one["MessageAttributes"]["n"]["StringValue"] == one["Body"]
    assert one["Attributes"]["ApproximateReceiveCount"] == "2"  # "across all queues" (API_ReceiveMessage.html)
    handle = sqs.start_message_move_task(SourceArn=arn(dead))["TaskHandle"]
    wait_until("the task", lambda: sqs.list_message_move_tasks(SourceArn=arn(dead))["Results"][0]["Status"] == "COMPLETED")
    task = sqs.list_message_move_tasks(SourceArn=arn(dead))["Results"][0]
    assert task["ApproximateNumberOfMessagesMoved"] == 11 and task["ApproximateNumberOfMessagesToMove"] == 11  # one is in flight
    with pytest.raises(sqs.exceptions.ResourceNotFoundException):
        sqs.cancel_message_move_task(TaskHandle=handle)
    for bad in ("abc", "", base64.b64encode(b'{"taskId":"a"}').decode()):
        with pytest.raises(ClientError, match="InvalidParameterValue.*TaskHandle is invalid"):
            sqs.cancel_message_move_task(TaskHandle=bad)
    other = base64.b64decode(handle).decode().replace(arn(dead), arn(dead) + "-never")
    with pytest.raises(sqs.exceptions.ResourceNotFoundException, match="SourceArn"):
        sqs.cancel_message_move_task(TaskHandle=base64.b64encode(other.encode()).decode())
    for value in ({"DataType": "Binary", "StringValue": "v"}, {"DataType": "String", "BinaryValue": b"v"}):
        with pytest.raises(ClientError, match="InvalidParameterValue.*must use field"):
            sqs.send_message(QueueUrl=source, MessageBody="x", MessageAttributes={"a": value})
    with pytest.raises(ClientError, match="Invalid or expired next token"):
        sqs.list_queues(MaxResults=1, NextToken="!")
    assert attributes(sqs, source)["ApproximateNumberOfMessages"] == "11"
    sqs.change_message_visibility(QueueUrl=dead, ReceiptHandle=one["ReceiptHandle"], VisibilityTimeout=0)
    sqs.start_message_move_task(SourceArn=arn(dead), DestinationArn=arn(elsewhere), MaxNumberOfMessagesPerSecond=500)
    moved = receive(sqs, elsewhere, wait=5)
    assert bodies(moved) == [one["Body"]]
    server.kill()
    server.start()
    server.command("audit", check=0)
    sqs.send_message(QueueUrl=dead, MessageBody="by itself")
    sqs.start_message_move_task(SourceArn=arn(dead))
    wait_until("the failure", lambda: sqs.list_message_move_tasks(SourceArn=arn(dead))["Results"][0]["Status"] == "FAILED")
    assert sqs.list_message_move_tasks(SourceArn=arn(dead))["Results"][0]["FailureReason"] == "CouldNotDetermineMessageSource"
    for bad in (arn(source), arn(dead) + "x"):
        with pytest.raises(sqs.exceptions.ClientError):
            sqs.start_message_move_task(SourceArn=bad)


def test_a_redrive_allow_policy_is_kept(sqs):
    dead = make(sqs, RedriveAllowPolicy='{"redrivePermission":"denyAll"}')
    with pytest.raises(sqs.exceptions.ClientError) as refused:
        make(sqs, RedrivePolicy=redrive(dead))
    assert code(refused) == "InvalidParameterValue"
    sqs.set_queue_attributes(QueueUrl=dead, Attributes={"RedriveAllowPolicy": ""})
    make(sqs, RedrivePolicy=redrive(dead))


def test_permissions_keep_a_well_formed_policy(sqs):
    url = make(sqs)
    sqs.add_permission(QueueUrl=url, Label="partner", AWSAccountIds=["111122223333"], Actions=["SendMessage"])
    sqs.add_permission(QueueUrl=url, Label="both", AWSAccountIds=["111122223333", "444455556666"], Actions=["SendMessage", "ReceiveMessage"])
    policy = json.loads(attributes(sqs, url, "Policy")["Policy"])
    assert policy["Statement"][0] == {"Sid": "partner", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
                                      "Action": "SQS:SendMessage", "Resource": arn(url)}
    with pytest.raises(sqs.exceptions.ClientError):
        sqs.add_permission(QueueUrl=url, Label="partner", AWSAccountIds=["111122223333"], Actions=["SendMessage"])
    for label in ("partner", "both"):
        sqs.remove_permission(QueueUrl=url, Label=label)
    assert "Policy" not in attributes(sqs, url)


def test_each_region_has_its_own_queues(server, sqs):
    make(sqs, "here")
    there = client(server, "us-east-1")
    assert "QueueUrls" not in there.list_queues()
    url = make(there, "here", VisibilityTimeout="7")
    assert attributes(there, url)["QueueArn"] == arn(url, "us-east-1")
    assert attributes(sqs, url)["VisibilityTimeout"] == "30"
    with pytest.raises(sqs.exceptions.ClientError, match="valid region"):
        client(server, "ap-south-1").list_queues()
    server.kill()
    server.start()
    assert attributes(there, url)["VisibilityTimeout"] == "7"


def test_a_waiting_receive_ends_when_its_queue_is_deleted(server, sqs):
    import threading

    url = make(sqs)
    ended = []

    def wait():
        try:
            ended.append(receive(client(server), url, wait=20))
        except Exception as error:
            ended.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    wait_until("it waits", lambda: 'ReceiveMessage"} 1' in server.admin("/metrics")[1])
    sqs.delete_queue(QueueUrl=url)
    waiting.join(10)
    assert not waiting.is_alive() and "does not exist" in str(ended[0])


def test_records_of_a_stream_in_a_fifo_queue_keep_their_order(make_bridge, table):
    bridge = make_bridge("--stream", table.name, "--queue", "orders.fifo", "--visibility-timeout", "1s", "--max-receive-count", 3, "--dead-letter-queue",
                         "dead.fifo").start()
    sqs = client(bridge)
    url = sqs.get_queue_url(QueueName="orders.fifo")["QueueUrl"]
    for n in range(8):
        for k in range(5):
            table.put(f"k{k}", n={"N": str(n)})
    seen = {}
    killed = False
    deadline = time.monotonic() + 60
    while sum(map(len, seen.values())) < 40 and time.monotonic() < deadline:
        failed = set()
        for m in receive(sqs, url, wait=2, AttributeNames=["All"]):
            image = json.loads(m["Body"])["dynamodb"]["NewImage"]
            key, n = image["id"]["S"], int(image["n"]["N"])
            assert m["Attributes"]["MessageGroupId"] == key
            if key in failed or (n == 3 and int(m["Attributes"]["ApproximateReceiveCount"]) < 2):
                failed.add(key)  # fails once: what follows it has to wait
                continue
            try:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])
            except sqs.exceptions.ClientError:
                continue  # its receive had timed out: it comes again
            seen.setdefault(key, []).append(n)
        if not killed and sum(map(len, seen.values())) > 10:
            bridge.kill()
            bridge.start()
            killed = True
    for key, numbers in seen.items():
        first = [n for i, n in enumerate(numbers) if n not in numbers[:i]]
        assert first == list(range(8)), (key, numbers)
    assert len(seen) == 5
    bridge.command("audit", check=0)


def test_the_senders_digest_travels_with_the_message(server, sqs):
    """So damage on disk is seen by whoever receives it; a ledger from before it was kept has it made anew."""
    url = make(sqs)
    sent = [sqs.send_message(QueueUrl=url, MessageBody=body)["MD5OfMessageBody"] for body in ("whole", "damaged", "older")]
    server.stop()
    with closing(sqlite3.connect(server.ledger)) as db:
        db.execute("UPDATE record SET body=? WHERE CAST(body AS TEXT)='damaged'", (b"dAmaged",))
        db.execute("UPDATE record SET body_md5=NULL WHERE CAST(body AS TEXT)='older'")
        db.commit()
    server.start()
    got = receive(client(server), url.replace(url.split("/")[2], server.url.split("/")[2]))
    assert [m["MD5OfBody"] for m in got] == sent
    assert [hashlib.md5(m["Body"].encode()).hexdigest() == m["MD5OfBody"] for m in got] == [True, False, True]
