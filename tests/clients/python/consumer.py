# SPDX-License-Identifier: Apache-2.0
"""boto3, of whatever release: what it says is one JSON line a scenario. Runs on Debian 12's own boto3 (Query protocol) as on the newest (AWS JSON)."""

import json
import os
import time

import boto3

sqs = boto3.client("sqs", endpoint_url=os.environ["ENDPOINT"], region_name=os.environ["REGION"], aws_access_key_id=os.environ["KEY_ID"],
                   aws_secret_access_key=os.environ["KEY_SECRET"])
serial = 0


def create(suffix="", **attributes):
    global serial
    serial += 1
    return sqs.create_queue(QueueName=f"py-{boto3.__version__.replace('.', '-')}-{serial}{suffix}", Attributes=attributes)["QueueUrl"]


def attribute(url, name):
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[name])["Attributes"][name]


def send(url, count):
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": str(i)} for i in range(count)])["Successful"]) == count


def receive(url, wait=0, most=10):
    return sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=most, WaitTimeSeconds=wait, AttributeNames=["All"], MessageAttributeNames=["All"]).get("Messages", [])


def partial_failure():
    url = create(VisibilityTimeout="1")
    send(url, 10)
    got = receive(url)
    done = sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in got[:7]])
    assert len(done["Successful"]) == 7 and "Failed" not in done
    again = []
    while len(again) < 3:
        again += receive(url, 5)
    assert sorted(m["MessageId"] for m in again) == sorted(m["MessageId"] for m in got[7:])
    assert {m["Attributes"]["ApproximateReceiveCount"] for m in again} == {"2"}


def visibility():
    url = create(VisibilityTimeout="1")
    send(url, 1)
    handle = receive(url)[0]["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=60)
    assert receive(url, 2) == []
    assert len(sqs.change_message_visibility_batch(QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": 0}])["Successful"]) == 1
    assert len(receive(url, 2)) == 1


def dead_letters():
    dead = create()
    url = create(VisibilityTimeout="0", RedrivePolicy=json.dumps({"deadLetterTargetArn": attribute(dead, "QueueArn"), "maxReceiveCount": 1}))
    send(url, 5)
    while attribute(dead, "ApproximateNumberOfMessages") != "5":
        receive(url)
    assert sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"] == [url]
    if hasattr(sqs, "start_message_move_task"):
        sqs.start_message_move_task(SourceArn=attribute(dead, "QueueArn"))
        while sqs.list_message_move_tasks(SourceArn=attribute(dead, "QueueArn"))["Results"][0]["Status"] != "COMPLETED":
            time.sleep(0.01)
        assert attribute(url, "ApproximateNumberOfMessages") == "5"


def fifo():
    url = create(".fifo", FifoQueue="true", ContentBasedDeduplication="true")
    for i in range(4):
        for _ in range(2):
            sent = sqs.send_message(QueueUrl=url, MessageBody=str(i), MessageGroupId=str(i % 2))
            assert len(sent["SequenceNumber"]) == 20
    got = receive(url)
    assert [m["Body"] for m in got] == ["0", "2", "1", "3"] and got[0]["Attributes"]["MessageGroupId"] == "0"
    assert receive(url) == []


def attributes():
    url = create()
    body = "a\r\nb <&> \u00e4 \U0001f600"
    sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes={
        "s": {"DataType": "String", "StringValue": "x"}, "n": {"DataType": "Number.int", "StringValue": "1" * 38},
        "b": {"DataType": "Binary", "BinaryValue": b"\x00\x01\xff"}},
        MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}})  # digests are checked
    m = receive(url)[0]
    assert m["Body"] == body and m["MessageAttributes"]["b"]["BinaryValue"] == b"\x00\x01\xff" and m["MessageAttributes"]["n"]["StringValue"] == "1" * 38
    assert m["Attributes"]["AWSTraceHeader"].startswith("Root=")
    sqs.tag_queue(QueueUrl=url, Tags={"a": "b", "c": ""})
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"a": "b", "c": ""}
    sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "1"})
    assert attribute(url, "DelaySeconds") == "1"
    assert url in sqs.list_queues(QueueNamePrefix=url.rsplit("/", 1)[1])["QueueUrls"]
    sqs.add_permission(QueueUrl=url, Label="l", AWSAccountIds=["111122223333"], Actions=["SendMessage"])
    sqs.remove_permission(QueueUrl=url, Label="l")
    sqs.purge_queue(QueueUrl=url)
    sqs.delete_queue(QueueUrl=url)


def errors():
    url = create(VisibilityTimeout="5")
    e = sqs.exceptions
    for want, call in [
        (e.QueueDoesNotExist, lambda: sqs.get_queue_url(QueueName="never-made")),
        (e.ReceiptHandleIsInvalid, lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="x")),
        (e.QueueNameExists, lambda: sqs.create_queue(QueueName=url.rsplit("/", 1)[1], Attributes={"VisibilityTimeout": "6"})),
        (e.InvalidAttributeName, lambda: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Nonsense"])),
        (e.InvalidMessageContents, lambda: sqs.send_message(QueueUrl=url, MessageBody="\x01")),
        (e.BatchEntryIdsNotDistinct, lambda: sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "a", "ReceiptHandle": "x"}] * 2)),
        (e.InvalidBatchEntryId, lambda: sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": "a b", "ReceiptHandle": "x"}])),
        (e.EmptyBatchRequest, lambda: sqs.delete_message_batch(QueueUrl=url, Entries=[])),
        (e.TooManyEntriesInBatchRequest, lambda: sqs.delete_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "ReceiptHandle": "x"} for i in range(11)])),
        (e.ClientError, lambda: sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=901)),
    ]:
        try:
            call()
        except want:
            continue
        raise AssertionError(f"no {want.__name__}")


for scenario in (partial_failure, visibility, dead_letters, fifo, attributes, errors):
    problem = ""
    try:
        scenario()
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    print(json.dumps({"scenario": scenario.__name__, "error": problem}), flush=True)
