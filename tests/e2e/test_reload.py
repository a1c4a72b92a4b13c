# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: what changed in the configuration takes effect, the rest goes on undisturbed, and a bad file changes nothing."""

import http.server
import json
import pathlib
import signal
import socket
import threading
import uuid

import boto3
import pytest
from rig import REGION, wait_until
from test_targets import Far, queue_of


def write(path, *pipelines, **top):
    path.write_text(json.dumps({"pipelines": [{"poll_interval": "200ms", **p} for p in pipelines], **top}))


def reload(bridge, says="the configuration was reloaded"):
    before = bridge.log().count(says)
    bridge.server.process.send_signal(signal.SIGHUP)
    wait_until(says, lambda: bridge.log().count(says) > before, process=bridge.server.process)


def client(bridge, **key):
    return boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **{**bridge.key, **key})


def drain(sqs, name):
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    out = []
    while True:
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
        if not got:
            return out
        for m in got:
            out.append(json.loads(m["Body"])["dynamodb"]["Keys"]["id"]["S"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=m["ReceiptHandle"])


@pytest.fixture
def second(aws):
    from conftest import Table
    import uuid

    made = Table(aws, "u" + uuid.uuid4().hex[:12])
    made.stream()
    return made


def test_pipelines_come_change_and_go_while_others_run(table, second, make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    one = {"stream": table.name, "queues": [{"name": "one"}]}
    write(config, one)
    bridge = make_bridge("--config", config).start()
    sqs = client(bridge)
    keys = [f"a{i}" for i in range(200)]
    writer = threading.Thread(target=table.put, args=keys)
    writer.start()
    iterators = lambda: bridge.admin("/metrics")[1].count("shard=")  # noqa: E731
    second.put("b0")
    write(config, one, {"stream": second.name, "queues": [{"name": "two"}, {"name": "only-b2", "filter": {"dynamodb": {"Keys": {"id": {"S": ["b2"]}}}}}]})
    reload(bridge)
    assert drain(sqs, "two") == ["b0"]
    second.put("b1", "b2")
    assert sorted(drain(sqs, "two")) == ["b1", "b2"] and drain(sqs, "only-b2") == ["b2"]
    write(config, one, {"stream": second.name, "queues": [{"name": "two", "filter": {"dynamodb": {"Keys": {"id": {"S": ["b4"]}}}}}]})
    reload(bridge)
    second.put("b3", "b4")
    assert drain(sqs, "two") == ["b4"] and drain(sqs, "only-b2") == []
    write(config, one)
    reload(bridge)
    second.put("b5")
    writer.join()
    assert sorted(drain(sqs, "one")) == sorted(keys)
    assert drain(sqs, "two") == [] and iterators() >= 1
    write(config, one, {"stream": second.name, "queues": [{"name": "two"}]})
    reload(bridge)
    wait_until("the stream is read on", lambda: "b5" in drain(sqs, "two"))
    bridge.command("audit", check=0)


def test_a_bad_file_changes_nothing(table, make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    write(config, {"stream": table.name, "queues": [{"name": "one"}]})
    bridge = make_bridge("--config", config).start()
    sqs = client(bridge)
    for bad, says in [("pipelines: [", "c.yaml"), (json.dumps({"pipelines": [{"stream": table.name, "queues": [{"name": "one", "filter": {"a": [{"prefx": "x"}]}}]}]}),
                                                   "unknown operator")]:
        config.write_text(bad)
        reload(bridge, "the new configuration was refused")
        assert says in bridge.log()
        table.put(says)  # a key of its own: a put that changes nothing is no record
        assert drain(sqs, "one") == [says]
    write(config, {"stream": table.name, "queues": [{"name": "one"}]}, cache_size="32MiB")
    reload(bridge)
    assert '"options":"cache_size"' in bridge.log()


def test_those_who_wait_keep_waiting_and_batches_on_their_way_are_not_sent_twice(table, make_bridge, peers, tmp_path):
    far = Far(peers["fauxqs"].port)
    config = tmp_path / "c.yaml"
    pipeline = {"stream": table.name, "queues": [{"name": "here"}, {"name": far.name, "target": "sqs", "endpoint_url": f"http://127.0.0.1:{peers['fauxqs'].port}"}]}
    write(config, pipeline)
    bridge = make_bridge("--config", config).start()
    sqs = client(bridge)
    url = sqs.get_queue_url(QueueName="here")["QueueUrl"]
    got = []
    waiting = threading.Thread(target=lambda: got.append(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)))
    waiting.start()
    wait_until("it waits", lambda: 'ReceiveMessage"} 1' in bridge.admin("/metrics")[1])
    for _ in range(3):
        reload(bridge)
    keys = [f"k{i}" for i in range(300)]
    table.put(*keys)
    for _ in range(5):
        reload(bridge)
    waiting.join(20)
    assert got and len(got[0]["Messages"]) == 1
    wait_until("all sent", lambda: queue_of(bridge, far.name)["sent"] == 300)
    assert queue_of(bridge, far.name)["possible_duplicates"] == 0
    assert len(far.drain(wait=1)) == 300


def test_keys_are_added_and_revoked(make_bridge, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("AKIAONE:first-secret\n")
    keys.chmod(0o600)
    bridge = make_bridge("--access-keys-file", keys, "--queue", "q", endpoint=None).start()
    one = {"aws_access_key_id": "AKIAONE", "aws_secret_access_key": "first-secret"}
    two = {"aws_access_key_id": "AKIATWO", "aws_secret_access_key": "second-secret"}

    def works(key):
        sqs = boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **key)
        try:
            return bool(sqs.get_queue_url(QueueName="q"))
        except sqs.exceptions.ClientError as refused:
            assert refused.response["Error"]["Code"] == "InvalidClientTokenId"
            return False

    assert works(one) and not works(two)
    keys.write_text("AKIATWO:second-secret\n")
    reload(bridge)
    assert works(two) and not works(one)
    keys.write_text("nonsense\n")
    reload(bridge, "the new configuration was refused")
    assert works(two)


def test_a_configuration_that_is_refused_leaves_the_keys_as_they_are(table, make_bridge, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("AKIAONE:first-secret\n")
    keys.chmod(0o600)
    config = tmp_path / "c.yaml"
    write(config, {"stream": table.name, "queues": [{"name": "q"}]}, access_keys_file=str(keys))
    bridge = make_bridge("--config", config).start()
    sqs = boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, aws_access_key_id="AKIAONE", aws_secret_access_key="first-secret")
    table.put("a")  # a queue with messages cannot move to another server
    wait_until("it is there", lambda: 'messages{queue="q",state="queued"} 1' in bridge.admin("/metrics")[1])
    keys.write_text("AKIATWO:second-secret\n")
    write(config, {"stream": table.name, "queues": [{"name": "q", "target": "sqs", "endpoint_url": "http://127.0.0.1:1"}]}, access_keys_file=str(keys))
    reload(bridge, "the new configuration was refused")
    assert sqs.get_queue_url(QueueName="q")
    write(config, {"stream": table.name, "queues": [{"name": "q"}]}, access_keys_file=str(keys))
    reload(bridge)
    with pytest.raises(sqs.exceptions.ClientError, match="InvalidClientTokenId"):
        sqs.get_queue_url(QueueName="q")


class SlowAws(http.server.ThreadingHTTPServer):
    """One stream; GetRecords answers when it is let. Says in whose name it was asked."""

    daemon_threads = True
    ARN = "arn:aws:dynamodb:eu-west-1:000000000000:table/t/stream/2026-01-01T00:00:00.000"
    ANSWERS = {
        "DescribeTable": {"Table": {"TableName": "t", "TableStatus": "ACTIVE", "LatestStreamArn": ARN, "LatestStreamLabel": "x",
                                    "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}}},
        "ListStreams": {"Streams": [{"StreamArn": ARN, "TableName": "t", "StreamLabel": "x"}]},
        "DescribeStream": {"StreamDescription": {
            "StreamArn": ARN, "StreamStatus": "ENABLED", "StreamViewType": "NEW_AND_OLD_IMAGES", "TableName": "t",
            "Shards": [{"ShardId": "shardId-00000000000000000001-aaaaaaaa", "SequenceNumberRange": {"StartingSequenceNumber": "100000000000000000001"}}]}},
        "GetShardIterator": {"ShardIterator": "it-1"},
        "GetRecords": {"Records": [], "NextShardIterator": "it-2"},
    }

    def __init__(self):
        self.go = threading.Event()
        self.asked = []
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            operation = self.headers.get("X-Amz-Target", "").split(".")[-1] or "AssumeRole"
            key = self.headers["Authorization"].split("Credential=")[1].split("/")[0]
            self.server.asked.append((operation, key))
            if operation == "AssumeRole":
                role = "B" if b"role%2FB" in body else "A"
                out = (f"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIAROLE{role}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
                       "<SessionToken>t</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>").encode()
            else:
                out = json.dumps(self.server.ANSWERS[operation]).encode()
            if operation == "GetRecords":
                self.server.go.wait(30)
            self.send_response(200)
            self.send_header("Content-Type", "text/xml" if operation == "AssumeRole" else "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(out)))
            self.end_headers()
            self.wfile.write(out)


def test_another_role_takes_over_though_a_call_of_the_old_one_is_out(make_bridge, tmp_path):
    aws = SlowAws()
    config = tmp_path / "c.yaml"
    pipeline = {"stream": "t", "queues": [{"name": "q"}]}
    try:
        write(config, {**pipeline, "role_arn": "arn:aws:iam::000000000000:role/A"})
        bridge = make_bridge("--config", config, endpoint=aws.url).start()
        wait_until("it reads as A", lambda: ("GetRecords", "AKIAROLEA") in aws.asked, 30, bridge.server.process)
        write(config, {**pipeline, "role_arn": "arn:aws:iam::000000000000:role/B"})
        reload(bridge)
        aws.go.set()
        wait_until("it reads as B", lambda: ("GetRecords", "AKIAROLEB") in aws.asked, 30, bridge.server.process)
        assert bridge.stop() == 0
    finally:
        aws.go.set()
        aws.shutdown()
        aws.server_close()


def test_the_command_says_what_was_added_changed_and_removed(table, second, make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    one = {"stream": table.name, "queues": [{"name": "one"}]}
    two = {"stream": second.name, "queues": [{"name": "two"}]}
    write(config, one)
    bridge = make_bridge("--config", config).start()
    said = "the configuration was reloaded: "
    assert bridge.command("reload", check=0)[1] == f"{said}nothing changed\n"
    write(config, one, two)
    assert bridge.command("reload", check=0)[1] == f"{said}stream {second.name} added, queue two added\n"
    second.put("b0")
    assert drain(client(bridge), "two") == ["b0"]
    write(config, {**one, "queues": [{"name": "one", "visibility_timeout": "7s"}]}, keep_settled="2d")
    done = bridge.json("reload")
    assert done == {"changes": f"stream {second.name} removed, queue one changed, queue two removed, keep_settled changed", "pipelines": 1, "queues": 1,
                    "access_keys": 1}
    write(config, one, keep_settled="2d", cache_size="32MiB")
    assert bridge.command("reload", check=0)[1] == f"{said}queue one changed\nthese options have changed, and want a restart: cache_size\n"
    reload(bridge)  # by the signal, the same is in the log
    lines = [json.loads(line) for line in bridge.log().splitlines() if "the configuration was reloaded" in line]
    assert [line["changes"] for line in lines][-2:] == ["queue one changed", "nothing changed"]


def test_the_command_says_where_a_mistake_is_and_nothing_changes(table, make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    write(config, {"stream": table.name, "queues": [{"name": "one"}]})
    bridge = make_bridge("--config", config).start()
    config.write_text('{"pipelines": [{"stream": "%s",\n "queues": [{"name": "one"}, {"name": "two", "bdy": "lambda"}],\n "strat": "latest"}]}' % table.name)
    status, out, error = bridge.command("reload")
    assert (status, out) == (78, "")
    assert "c.yaml:2: " in error and '"bdy"' in error and "c.yaml:3: " in error and '"strat"' in error and "refused" in error
    assert bridge.json("reload", check=78)["error"]["code"] == "config"
    assert "the configuration was reloaded" not in bridge.log()
    table.put("a")
    assert drain(client(bridge), "one") == ["a"]
    pathlib.Path(f"{bridge.ledger}.keys").chmod(0o644)  # the access keys belong to it
    write(config, {"stream": table.name, "queues": [{"name": "one"}, {"name": "two"}]})
    assert "chmod 600" in bridge.command("reload", check=78)[2]
    pathlib.Path(f"{bridge.ledger}.keys").chmod(0o600)
    assert "queue two added" in bridge.command("reload", check=0)[1]


def test_the_command_with_no_process_running(make_bridge):
    bridge = make_bridge("--queue", "q", endpoint=None)
    assert "no stream2sqs runs on" in bridge.command("reload", check=69)[2]
    bridge.start()
    assert "nothing changed" in bridge.command("reload", check=0)[1]
    bridge.stop()
    assert "no stream2sqs runs on" in bridge.command("reload", check=69)[2]
    assert bridge.command("reload", "now")[0] == 64


def test_all_who_ask_at_once_are_answered_though_others_left(make_bridge):
    bridge = make_bridge("--queue", "q", endpoint=None).start()

    def ask():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        s.connect(f"{bridge.ledger}-control")
        s.sendall(b"POST /control/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        return s

    for _ in range(100):
        ask().close()
    waiting = [ask() for _ in range(20)]
    for s in waiting:
        assert b"nothing changed" in s.recv(65536)
        s.close()
    assert bridge.stop() == 0


def test_a_name_in_the_environment_that_is_no_option_is_warned_of(make_bridge):
    bridge = make_bridge(env={"STREAM2SQS_KEEP_SETLED": "1d", "STREAM2SQS_PORT": "tcp://10.0.0.1:9324"}).start()
    said = "STREAM2SQS_KEEP_SETLED in the environment is no option (nearest: STREAM2SQS_KEEP_SETTLED)"
    assert bridge.log().count(said) == 1 and "STREAM2SQS_PORT" not in bridge.log() and "this is a plain SQS server" in bridge.log()
    _, out, err = bridge.command("status", "--json", check=0)
    assert json.loads(out) and said in err
    assert said in bridge.json("check", "--offline")["warnings"]


def test_who_takes_a_dead_letter_queue_away_is_told(make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    queue = {"name": "q", "max_receive_count": 3, "dead_letter_queue": "q-dead"}
    write(config, queues=[queue])
    bridge = make_bridge("--config", config).start()
    told = "a queue has no dead-letter queue any more"
    write(config, queues=[queue | {"max_receive_count": 4}])
    reload(bridge)
    assert bridge.log().count("how often a message is received first, is another one now") == 1
    policy = client(bridge).get_queue_attributes(QueueUrl=f"{bridge.url}/000000000000/q", AttributeNames=["RedrivePolicy"])["Attributes"]["RedrivePolicy"]
    assert json.loads(policy)["maxReceiveCount"] == 4
    assert told not in bridge.log()
    bridge.stop()
    write(config, queues=[{"name": "q"}])
    bridge.start()
    lines = [json.loads(line) for line in bridge.log().splitlines() if told in line]
    assert [(line["queue"], line["level"], json.loads(line["before"])["maxReceiveCount"]) for line in lines] == [("q", "warning", 4)]
    assert "comes again until it is deleted" in lines[0]["event"]
    assert "Attributes" not in client(bridge).get_queue_attributes(QueueUrl=f"{bridge.url}/000000000000/q", AttributeNames=["RedrivePolicy"])
    bridge.stop()
    bridge.start()
    assert bridge.log().count(told) == 1


def receive_group(sqs, name, visibility=60):
    got = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], VisibilityTimeout=visibility, AttributeNames=["MessageGroupId"]).get("Messages", [])
    return [(json.loads(m["Body"])["dynamodb"]["Keys"]["id"]["S"], m["Attributes"]["MessageGroupId"]) for m in got]


def test_messages_that_wait_are_grouped_as_the_new_configuration_says(table, make_bridge, tmp_path):
    """Also dead letters, which have the group that they had where they died."""
    config = tmp_path / "c.yaml"
    queue = {"name": "q.fifo", "max_receive_count": 1, "dead_letter_queue": "dead.fifo"}
    write(config, {"stream": table.name, "queues": [queue]})
    for key in ("a", "b", "c"):
        table.dynamodb.put_item(TableName=table.name, Item={"id": {"S": key}, "g": {"S": "G"}})
    bridge = make_bridge("--config", config).start()
    sqs = client(bridge)
    wait_until("they are read", lambda: queue_of(bridge, "q.fifo")["queued"] == 3)
    assert receive_group(sqs, "q.fifo") == [("a", "a")]
    write(config, {"stream": table.name, "queues": [queue | {"message_group": "item.g"}]})
    reload(bridge)
    assert receive_group(sqs, "q.fifo") == []  # all are of one group now, and one of it is in flight
    bridge.kill()
    bridge.start()
    sqs = client(bridge)
    assert receive_group(sqs, "q.fifo") == []
    write(config, {"stream": table.name, "queues": [queue]})
    reload(bridge)
    assert [receive_group(sqs, "q.fifo", 0) for _ in range(2)] == [[("b", "b")], [("c", "c")]]
    assert receive_group(sqs, "q.fifo") == []  # b and c die
    assert [receive_group(sqs, "dead.fifo", 0) for _ in range(2)] == [[("b", "b")], [("c", "c")]]
    write(config, {"stream": table.name, "queues": [queue | {"message_group": "item.g"}]})
    reload(bridge)
    assert receive_group(sqs, "dead.fifo") == [("b", "G")]
    assert receive_group(sqs, "dead.fifo") == []
    assert bridge.command("audit")[0] == 0


def test_a_queue_that_has_left_keeps_what_the_configuration_said_of_it(make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    write(config, queues=[{"name": "q", "visibility_timeout": "7s", "max_receive_count": 3, "dead_letter_queue": "q-dead"}])
    bridge = make_bridge("--config", config).start()
    write(config)
    reload(bridge)
    for _ in range(2):
        found = client(bridge).get_queue_attributes(QueueUrl=f"{bridge.url}/000000000000/q", AttributeNames=["All"])["Attributes"]
        assert found["VisibilityTimeout"] == "7" and json.loads(found["RedrivePolicy"])["maxReceiveCount"] == 3
        bridge.stop()
        bridge.start()


def test_groups_hold_when_a_queue_leaves_and_comes_back(table, make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    queue = {"name": "q.fifo", "message_group": "item.g"}
    write(config, {"stream": table.name, "queues": [queue]})
    for key in ("a", "b", "b"):
        table.dynamodb.put_item(TableName=table.name, Item={"id": {"S": key}, "g": {"S": "G"}, "n": {"S": uuid.uuid4().hex}})
    bridge = make_bridge("--config", config).start()
    sqs = client(bridge)
    wait_until("they are read", lambda: queue_of(bridge, "q.fifo")["queued"] == 3)
    assert receive_group(sqs, "q.fifo") == [("a", "G")]
    assert receive_group(sqs, "q.fifo") == []
    write(config)
    reload(bridge)
    assert receive_group(sqs, "q.fifo") == [("b", "b")]  # by the items' keys, as nothing says otherwise
    assert receive_group(sqs, "q.fifo") == []
    write(config, {"stream": table.name, "queues": [queue]})
    reload(bridge)
    assert receive_group(sqs, "q.fifo") == []


def test_what_goes_to_a_queue_of_the_same_name_looks_as_that_says(table, make_bridge, tmp_path):
    """The queue where it died is deleted, and one of its name is there: its form counts, and no key is held by what is dead there no more."""
    config = tmp_path / "c.yaml"
    queue = {"name": "q.fifo", "max_receive_count": 1, "dead_letter_queue": "qd.fifo", "message_group": "item.g", "project": "keys", "on_dead": "hold_key"}
    write(config, {"stream": table.name, "queues": [queue]}, aws_waits=False)

    def put():
        table.dynamodb.put_item(TableName=table.name, Item={"id": {"S": "a"}, "g": {"S": "G"}, "n": {"S": uuid.uuid4().hex}})

    put()
    bridge = make_bridge("--config", config).start()
    sqs = client(bridge)
    wait_until("it is read", lambda: queue_of(bridge, "q.fifo")["queued"] == 1)
    assert receive_group(sqs, "q.fifo", 0) == [("a", "G")] and receive_group(sqs, "q.fifo", 0) == []
    write(config, aws_waits=False)
    reload(bridge)
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName="q.fifo")["QueueUrl"])
    write(config, {"stream": table.name, "queues": [queue]}, aws_waits=False)
    reload(bridge)
    bridge.command("dead", "redrive", "q.fifo", "--all", check=0)
    url = sqs.get_queue_url(QueueName="q.fifo")["QueueUrl"]
    got = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, AttributeNames=["MessageGroupId"])["Messages"][0]
    assert got["Attributes"]["MessageGroupId"] == "G" and "NewImage" not in json.loads(got["Body"])["dynamodb"]
    assert receive_group(sqs, "q.fifo", 0) == []  # it dies again
    put()
    wait_until("the next one is read", lambda: queue_of(bridge, "q.fifo")["queued"] == 1)
    assert receive_group(sqs, "q.fifo", 0) == [("a", "G")]
    assert bridge.command("audit")[0] == 0


def test_dead_letters_that_are_read_ahead_have_their_groups(table, make_bridge, tmp_path):
    """Also in a dead-letter queue that a client has made, of which the configuration says nothing."""
    config = tmp_path / "c.yaml"
    write(config, {"stream": table.name, "queues": [{"name": "q.fifo", "message_group": "item.g"}]})
    for key in ("a", "b"):
        table.dynamodb.put_item(TableName=table.name, Item={"id": {"S": key}, "g": {"S": "G"}})
    bridge = make_bridge("--config", config).start()
    sqs = client(bridge)
    dead = sqs.create_queue(QueueName="dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs.set_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName="q.fifo")["QueueUrl"], Attributes={"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1})})
    wait_until("they are read", lambda: queue_of(bridge, "q.fifo")["queued"] == 2)
    wait_until("they are dead", lambda: receive_group(sqs, "q.fifo", 0) is not None and queue_of(bridge, "q.fifo")["dead"] == 2)
    bridge.kill()
    bridge.start()
    assert receive_group(client(bridge), "dead.fifo") == [("a", "G")]
    assert receive_group(client(bridge), "dead.fifo") == []
