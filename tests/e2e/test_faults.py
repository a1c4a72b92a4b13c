# SPDX-License-Identifier: Apache-2.0
"""The binary against an AWS that misbehaves over HTTP (tests/fake_aws_server), with shards that split, which no local server can do."""

import json
import urllib.request

import pytest
from rig import BUILD, Server, wait_until

FAULTS = {"EMPTY_PAGE": 1000, "NO_RECORDS": 200, "NEXT_EMPTY": 200, "NEXT_NULL": 200, "REPEATED_PAGE": 300, "BLANKS": 300, "HIDDEN_NEWEST": 1000, "ODD_ORDER": 500,
          "FALSE_MORE": 500, "CUT_JSON": 300, "CUT_BODY": 300, "WRONG_CRC": 300, "GARBAGE": 300, "HTML_503": 300, "LOST_REPLY": 300, "EXPIRED_ITERATOR": 300,
          "LIMIT_EXCEEDED": 300, "THROTTLED": 300, "INTERNAL_ERROR": 300, "TIME_TOO_SKEWED": 100}


class FakeAws(Server):
    def __init__(self, directory):
        port_file = directory / "port"
        super().__init__([BUILD / "tests/fake_aws_server", "--port", "0", "--port-file", port_file], directory / "fake.log")
        wait_until("the fake AWS", lambda: port_file.exists() and port_file.read_text().strip(), process=self.process)
        self.url = f"http://127.0.0.1:{int(port_file.read_text())}"

    def tell(self, command, **what):
        request = urllib.request.Request(f"{self.url}/_fake/{command}", json.dumps(what).encode())
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else {}

    def truth(self):
        return [r for stream in self.tell("truth")["streams"] for shard in stream["shards"] for r in shard["records"]]


@pytest.fixture
def fake(tmp_path):
    server = FakeAws(tmp_path)
    yield server
    server.stop()


def drain(bridge, queue, count):
    q = queue(bridge)
    seen = []
    while len(seen) < count:
        for message in q.receive(wait=5):
            seen.append(message["Body"])
            q.delete(message)
    return seen


def test_every_record_comes_once_and_unaltered_through_every_fault(fake, make_bridge, queue):
    stream = fake.tell("stream_add", table="orders")["stream"]
    shard = fake.tell("shard_add", stream=stream)["shard"]
    fake.tell("options", page_records=7, page_shards=2)
    for name, rate in FAULTS.items():
        fake.tell("fault_rate", fault=name, per_10000=rate)
    bridge = make_bridge("--stream", "orders", "--queue", "q", endpoint=fake.url).start()
    for _ in range(4):
        fake.tell("record_put", stream=stream, shard=shard, count=25)
        shard = fake.tell("shard_split", stream=stream, shard=shard)["shard"]
    wait_until("some records", lambda: "stream2sqs_records_read_total 0\n" not in bridge.admin("/metrics")[1], 60)
    bridge.kill()
    bridge.start()
    fake.tell("record_put", stream=stream, shard=shard, count=20)
    wait_until("all records", lambda: "stream2sqs_records_read_total 0\n" not in bridge.admin("/metrics")[1]
               and bridge.json("audit")["records_read"] == 120, 90)
    fake.tell("faults_off")
    whole = [r["body"][:-1] + f',"eventSourceARN":"{stream}"}}' for r in fake.truth()]
    # byte for byte, but for the two characters that SQS refuses: as escapes they mean the same
    want = sorted(body.replace("\ufffe", r"\ufffe").replace("\uffff", r"\uffff") for body in whole)
    got = sorted(drain(bridge, queue, 120))
    assert got == want
    assert sorted(map(repr, map(json.loads, got))) == sorted(map(repr, map(json.loads, whole)))
    bridge.command("audit", check=0)


@pytest.mark.parametrize("fault, said", [
    ("ACCESS_DENIED", "AccessDeniedException: User: arn:aws:iam::000000000000:user/reader is not authorized to perform this operation (check the access key"),
    ("UNRECOGNIZED_CLIENT", "UnrecognizedClientException: The security token included in the request is invalid. (check the access key"),
    ("INVALID_SIGNATURE", "InvalidSignatureException: Signature expired (check the secret access key and this machine's clock)"),
])
def test_refused_keys_are_told_and_waited_for(fake, make_bridge, fault, said):
    fake.tell("shard_add", stream=fake.tell("stream_add", table="orders")["stream"])
    fake.tell("fault_rate", fault=fault, per_10000=10000)
    bridge = make_bridge("--stream", "orders", "--queue", "q", endpoint=fake.url)
    status, _, err = bridge.command("check", "--stream", "orders", "--queue", "q")
    assert status == 78 and said in err
    bridge.start()
    wait_until("not ready", lambda: said in bridge.admin("/readyz")[1])


def test_trimmed_records_are_a_gap_and_the_rest_is_read(fake, make_bridge, queue):
    stream = fake.tell("stream_add", table="orders")["stream"]
    shard = fake.tell("shard_add", stream=stream)["shard"]
    fake.tell("record_put", stream=stream, shard=shard, count=10)
    bridge = make_bridge("--stream", "orders", "--queue", "q", endpoint=fake.url).start()
    assert len(drain(bridge, queue, 10)) == 10
    bridge.stop()
    fake.tell("record_put", stream=stream, shard=shard, count=10)
    fake.tell("shard_trim", stream=stream, shard=shard, records=15)
    bridge.start()
    assert len(drain(bridge, queue, 5)) == 5
    audit = bridge.json("audit", check=1)
    assert [g["cause"][:7] for g in audit["gaps"]] == ["trimmed"]
    assert bridge.admin("/readyz")[0] == 503
