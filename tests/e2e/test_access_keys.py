# SPDX-License-Identifier: Apache-2.0
"""What a key may be used for: queues and operations, other accounts' keys, and keys that come and go while the process runs."""

import json
import os
import threading
import urllib.error
import urllib.request

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from botocore.config import Config
from rig import REGION, wait_until

OWNER = {"aws_access_key_id": "AKIAOWNER", "aws_secret_access_key": "CANARY-owner-secret"}
CONSUMER = {"aws_access_key_id": "AKIACONSUMER", "aws_secret_access_key": "CANARY-consumer-secret"}
GUEST = {"aws_access_key_id": "AKIAGUEST", "aws_secret_access_key": "CANARY-guest-secret"}
KEYS = """AKIAOWNER:CANARY-owner-secret
AKIACONSUMER:CANARY-consumer-secret queues=orders-* actions=ReceiveMessage,DeleteMessage,GetQueueUrl
AKIAGUEST:CANARY-guest-secret account=210987654321
"""


def replace(path, text):
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    os.rename(fresh, path)


@pytest.fixture
def bridge_and_keys(make_bridge, tmp_path):
    keys = tmp_path / "keys"
    replace(keys, KEYS)
    bridge = make_bridge("--access-keys-file", keys, "--queue", "orders-1", "--queue", "billing", "--account-id", "123456789012", endpoint=None).start()
    yield bridge, keys
    bridge.stop()
    for file in tmp_path.rglob("*"):
        if file.is_file() and file != keys:
            assert b"CANARY" not in file.read_bytes(), file  # log, ledger and its journal: no secret in any


def client(bridge, key):
    return boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **key, config=Config(retries={"max_attempts": 0}, read_timeout=30))


def url(bridge, name):
    return f"{bridge.url}/123456789012/{name}"


def denied(call, **arguments):
    with pytest.raises(Exception) as refused:
        call(**arguments)
    error = refused.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert error["Error"]["Code"] in ("AccessDenied", "AccessDeniedException"), error
    return error["Error"]["Message"]


def test_a_key_does_what_its_limits_name_and_no_more(bridge_and_keys):
    bridge, _ = bridge_and_keys
    owner, sqs = client(bridge, OWNER), client(bridge, CONSUMER)
    orders, billing = url(bridge, "orders-1"), url(bridge, "billing")
    owner.send_message_batch(QueueUrl=orders, Entries=[{"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b"}])
    owner.send_message(QueueUrl=billing, MessageBody="c")
    assert sqs.get_queue_url(QueueName="orders-1")["QueueUrl"] == orders
    got = sqs.receive_message(QueueUrl=orders, MaxNumberOfMessages=10, WaitTimeSeconds=1)["Messages"]
    sqs.delete_message(QueueUrl=orders, ReceiptHandle=got[0]["ReceiptHandle"])
    done = sqs.delete_message_batch(QueueUrl=orders, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got[1:])])
    assert len(got) == 1 or len(done["Successful"]) == 1
    assert denied(sqs.send_message, QueueUrl=orders, MessageBody="x") == (
        f"User: arn:aws:iam::123456789012:user/AKIACONSUMER is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:{REGION}:123456789012:orders-1 "
        "because no identity-based policy allows the sqs:sendmessage action")
    batch = denied(sqs.send_message_batch, QueueUrl=orders, Entries=[{"Id": "1", "MessageBody": "x"}])
    assert "sqs:sendmessage on" in batch
    denied(sqs.receive_message, QueueUrl=billing)
    denied(sqs.get_queue_url, QueueName="billing")
    assert "no identity-based policy" in denied(sqs.get_queue_url, QueueName="there-is-none")  # whether it exists is not told
    denied(sqs.list_queues)  # by a call that named a queue before
    denied(sqs.create_queue, QueueName="orders-2")
    denied(sqs.purge_queue, QueueUrl=orders)
    denied(sqs.start_message_move_task, SourceArn=f"arn:aws:sqs:{REGION}:123456789012:orders-1")
    assert owner.receive_message(QueueUrl=billing)["Messages"][0]["Body"] == "c"


def signed(bridge, key, body):
    request = botocore.awsrequest.AWSRequest("POST", bridge.url + "/", data=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(*key.values()), "sqs", REGION).add_auth(request)
    try:
        with urllib.request.urlopen(urllib.request.Request(bridge.url + "/", body.encode(), dict(request.headers.items())), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def test_the_query_protocol_has_the_same_gate(bridge_and_keys):
    bridge, _ = bridge_and_keys
    status, text = signed(bridge, CONSUMER, f"Action=SendMessage&MessageBody=x&QueueUrl={url(bridge, 'orders-1')}")
    assert status == 403 and "<Code>AccessDenied</Code>" in text and "sqs:sendmessage" in text
    assert signed(bridge, CONSUMER, "Action=GetQueueUrl&QueueName=orders-1")[0] == 200
    assert signed(bridge, CONSUMER, "Action=GetQueueUrl&QueueName=billing")[0] == 403


def test_a_guest_is_judged_by_the_queues_policy(bridge_and_keys):
    bridge, _ = bridge_and_keys
    owner, guest = client(bridge, OWNER), client(bridge, GUEST)
    orders, billing = url(bridge, "orders-1"), url(bridge, "billing")
    denied(guest.send_message, QueueUrl=orders, MessageBody="x")
    owner.add_permission(QueueUrl=orders, Label="guests", AWSAccountIds=["210987654321"], Actions=["SendMessage"])
    guest.send_message(QueueUrl=orders, MessageBody="from elsewhere")
    guest.send_message_batch(QueueUrl=orders, Entries=[{"Id": "1", "MessageBody": "two"}])
    denied(guest.send_message, QueueUrl=billing, MessageBody="x")
    denied(guest.receive_message, QueueUrl=orders)
    denied(guest.list_queues)
    got = owner.receive_message(QueueUrl=orders, AttributeNames=["SenderId"])["Messages"]
    assert got[0]["Attributes"]["SenderId"] == "210987654321"
    owner.send_message(QueueUrl=billing, MessageBody="own")
    assert owner.receive_message(QueueUrl=billing, AttributeNames=["SenderId"])["Messages"][0]["Attributes"]["SenderId"] == "123456789012"
    owner.remove_permission(QueueUrl=orders, Label="guests")
    denied(guest.send_message, QueueUrl=orders, MessageBody="x")


def test_a_limited_key_reaches_no_queue_by_a_redrive_policy(bridge_and_keys):
    bridge, keys = bridge_and_keys
    replace(keys, KEYS + "AKIATEAM:CANARY-team-secret queues=orders-*\nAKIASETTER:CANARY-setter-secret queues=orders-* actions=SetQueueAttributes\n")
    wait_until("the file is read", lambda: "access keys were read again" in bridge.log())
    team = client(bridge, {"aws_access_key_id": "AKIATEAM", "aws_secret_access_key": "CANARY-team-secret"})
    setter = client(bridge, {"aws_access_key_id": "AKIASETTER", "aws_secret_access_key": "CANARY-setter-secret"})

    def redrive_to(name):
        return {"RedrivePolicy": f'{{"deadLetterTargetArn":"arn:aws:sqs:{REGION}:123456789012:{name}","maxReceiveCount":"1"}}'}

    assert "sqs:sendmessage on resource" in denied(team.create_queue, QueueName="orders-3", Attributes=redrive_to("billing"))
    team.create_queue(QueueName="orders-2")
    assert ":billing because" in denied(team.set_queue_attributes, QueueUrl=url(bridge, "orders-2"), Attributes=redrive_to("billing"))
    denied(setter.set_queue_attributes, QueueUrl=url(bridge, "orders-2"), Attributes=redrive_to("orders-1"))  # it may not send
    assert "RedrivePolicy" not in team.get_queue_attributes(QueueUrl=url(bridge, "orders-2"), AttributeNames=["All"])["Attributes"]
    team.set_queue_attributes(QueueUrl=url(bridge, "orders-2"), Attributes=redrive_to("orders-1"))
    setter.set_queue_attributes(QueueUrl=url(bridge, "orders-2"), Attributes={"RedrivePolicy": ""})  # taking one away sends nothing


def test_a_limited_key_moves_no_messages_to_another_queue(bridge_and_keys):
    bridge, keys = bridge_and_keys
    replace(keys, KEYS + "AKIATEAM:CANARY-team-secret queues=orders-*\n")
    wait_until("the file is read", lambda: "access keys were read again" in bridge.log())
    owner, team = client(bridge, OWNER), client(bridge, {"aws_access_key_id": "AKIATEAM", "aws_secret_access_key": "CANARY-team-secret"})
    arn = f"arn:aws:sqs:{REGION}:123456789012:"
    for name in ("orders-dead", "orders-back"):
        team.create_queue(QueueName=name)
    team.create_queue(QueueName="orders-2", Attributes={"RedrivePolicy": f'{{"deadLetterTargetArn":"{arn}orders-dead","maxReceiveCount":"1"}}'})
    team.send_message(QueueUrl=url(bridge, "orders-dead"), MessageBody="x")
    assert "sqs:sendmessage on resource: " + arn + "billing because" in denied(team.start_message_move_task, SourceArn=arn + "orders-dead", DestinationArn=arn + "billing")
    denied(team.start_message_move_task, SourceArn=arn + "orders-dead")  # back to where they died: that may be any queue
    assert "Messages" not in owner.receive_message(QueueUrl=url(bridge, "billing"))
    team.start_message_move_task(SourceArn=arn + "orders-dead", DestinationArn=arn + "orders-back")
    assert team.receive_message(QueueUrl=url(bridge, "orders-back"), WaitTimeSeconds=10)["Messages"][0]["Body"] == "x"


def test_a_limited_key_sends_under_its_own_name(bridge_and_keys):
    bridge, keys = bridge_and_keys
    replace(keys, KEYS + "AKIAPRODUCER:CANARY-producer-secret actions=SendMessage queues=orders-*\n")
    wait_until("the file is read", lambda: "access keys were read again" in bridge.log())
    producer = client(bridge, {"aws_access_key_id": "AKIAPRODUCER", "aws_secret_access_key": "CANARY-producer-secret"})
    producer.send_message(QueueUrl=url(bridge, "orders-1"), MessageBody="x")
    got = client(bridge, CONSUMER).receive_message(QueueUrl=url(bridge, "orders-1"), AttributeNames=["SenderId"])["Messages"]
    assert got[0]["Attributes"]["SenderId"] == "AKIAPRODUCER"


def test_keys_come_and_go_without_a_signal(bridge_and_keys):
    bridge, keys = bridge_and_keys
    sqs, owner = client(bridge, CONSUMER), client(bridge, OWNER)
    orders = url(bridge, "orders-1")
    assert sqs.get_queue_url(QueueName="orders-1")
    got = []
    waiting = threading.Thread(target=lambda: got.append(sqs.receive_message(QueueUrl=orders, WaitTimeSeconds=20)))
    waiting.start()
    wait_until("it waits", lambda: 'ReceiveMessage"} 1' in bridge.admin("/metrics")[1])
    replace(keys, "AKIAOWNER:CANARY-owner-secret\nAKIANEW:CANARY-new-secret\n")
    wait_until("the file is read", lambda: "access keys were read again" in bridge.log())
    with pytest.raises(sqs.exceptions.ClientError, match="security token included in the request is invalid"):
        client(bridge, CONSUMER).get_queue_url(QueueName="orders-1")
    assert client(bridge, {"aws_access_key_id": "AKIANEW", "aws_secret_access_key": "CANARY-new-secret"}).list_queues()
    owner.send_message(QueueUrl=orders, MessageBody="late")
    waiting.join(20)
    assert got[0]["Messages"][0]["Body"] == "late"  # what was let in is answered: docs/security.md
    replace(keys, "AKIAOWNER:CANARY-owner-secret actions=SendMesage\n")
    wait_until("it is told", lambda: "is no operation of SQS" in bridge.log())
    assert owner.list_queues()
    replace(keys, "AKIAOWNER:CANARY-owner-secret actions=SendMessage\n")
    wait_until("the file is read", lambda: bridge.log().count("access keys were read again") == 2)
    denied(owner.list_queues)


def test_no_secret_is_in_the_command_line_or_the_environment(bridge_and_keys):
    bridge, _ = bridge_and_keys
    pid = bridge.server.process.pid
    client(bridge, OWNER).list_queues()
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        assert b"CANARY" not in f.read()
    with open(f"/proc/{pid}/limits") as f:
        core = next(line for line in f if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"], core
    assert "CANARY" not in json.dumps(bridge.admin("/metrics"))

def test_a_quote_in_an_arn_gets_past_no_limit(bridge_and_keys):
    bridge, keys = bridge_and_keys
    replace(keys, KEYS + "AKIATEAM:CANARY-team-secret queues=orders-*\n")
    wait_until("the file is read", lambda: "access keys were read again" in bridge.log())
    owner, team = client(bridge, OWNER), client(bridge, {"aws_access_key_id": "AKIATEAM", "aws_secret_access_key": "CANARY-team-secret"})
    team.create_queue(QueueName="orders-2")
    crafted = f'arn:aws:sqs:{REGION}:123456789012:billing","maxReceiveCount":1,"x":"a:orders-1'
    with pytest.raises(team.exceptions.ClientError) as refused:
        team.set_queue_attributes(QueueUrl=url(bridge, "orders-2"), Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": crafted, "maxReceiveCount": 1})})
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)
    assert "RedrivePolicy" not in owner.get_queue_attributes(QueueUrl=url(bridge, "orders-2"), AttributeNames=["All"])["Attributes"]
