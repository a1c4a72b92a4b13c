# SPDX-License-Identifier: Apache-2.0
"""Messages longer than their queue takes: the payload goes to S3 first, in the form of Amazon's Extended Client, which reads it here."""

import hashlib
import http.server
import json
import pathlib
import signal
import ssl
import subprocess
import sys
import uuid

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from fault_proxy import FaultProxy
from rig import KEY, REGION, wait_until
from test_credentials import FAR, Tunnels, serving
from test_targets import Far, key_of, queue_of, write_config

LARGE = "x" * 3000


@pytest.fixture
def bucket(aws):
    s3 = boto3.client("s3", endpoint_url=aws.url, region_name=REGION, config=Config(s3={"addressing_style": "path"}), **KEY)
    name = "b" + uuid.uuid4().hex[:12]
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3, name


def put(table, key, text):
    table.dynamodb.put_item(TableName=table.name, Item={"id": {"S": key}, "text": {"S": text}})


def queue(far, url, bucket, **more):
    return {"name": far.name, "target": "sqs", "endpoint_url": url, "oversize": "s3", "s3_bucket": bucket, "s3_prefix": "big/", **more}


def consume(bridge, name, bucket, count, s3_url):
    """Through the bridge's endpoint: the Extended Client takes handles apart at hyphens, which this test's other servers have in theirs, unlike SQS."""
    program = pathlib.Path(__file__).parent / "extended_client.py"
    done = subprocess.run([sys.executable, program, bridge.url, name, bucket, str(count), s3_url, *bridge.key.values()], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_bucket_may_be_in_the_host_of_another_server(table, make_bridge, aws, bucket, tmp_path):
    s3, name = bucket
    far = Far(aws.port, MaximumMessageSize="2048")
    where = {"s3_endpoint_url": f"http://localhost:{aws.port}", "s3_addressing": "virtual"}
    bridge = make_bridge("--config", write_config(tmp_path, table.name, queue(far, aws.url, name, **where))).start()
    put(table, "large", LARGE)
    wait_until("sent", lambda: queue_of(bridge, far.name)["sent"] == 1)
    assert s3.list_objects_v2(Bucket=name, Prefix="big/")["KeyCount"] == 1


# ---- Amazon's own addresses: a server of ours behind a proxy, which verifies signatures by botocore ----

ELSEWHERE = "xx-test-2"


class AmazonS3(http.server.BaseHTTPRequestHandler):
    """PutObject into buckets of the server's region."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fields = dict(part.split("=", 1) for part in self.headers["Authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", "))
        region = fields["Credential"].split("/")[2]
        request = AWSRequest("PUT", f"https://{self.headers['Host']}{self.path}", {name: self.headers[name] for name in fields["SignedHeaders"].split(";")}, body)
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        signer = S3SigV4Auth(Credentials("test", "test"), "s3", region)
        signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        good = signature == fields["Signature"] and hashlib.sha256(body).hexdigest() == self.headers["X-Amz-Content-Sha256"]
        self.server.objects.append((good, self.headers["Host"], self.path.rsplit("/", 1)[0], region))
        if region != self.server.region:
            self.answer(301, "<Error><Code>PermanentRedirect</Code><Message>use the specified endpoint</Message></Error>")
        else:
            self.answer(200 if good else 403, "" if good else "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("x-amz-bucket-region", self.server.region)
        if status == 200:
            self.send_header("ETag", '"d41d8cd98f00b204e9800998ecf8427e"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def amazon(aws, tmp_path):
    """The server, and the environment in which S3 is found there."""
    names = ",".join(f"DNS:{star}s3.{region}.amazonaws.com" for star in ("", "*.") for region in (FAR, ELSEWHERE))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", tmp_path / "s3.key", "-out",
                    tmp_path / "s3.pem", "-days", "2", "-subj", "/CN=S3", "-addext", f"subjectAltName={names}"], check=True, capture_output=True)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), AmazonS3)
    proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tunnels)
    server.daemon_threads = proxy.daemon_threads = True
    server.region, server.objects = FAR, []
    proxy.asked, proxy.refuses, proxy.behind = [], False, server.server_address[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "s3.pem", tmp_path / "s3.key")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server), serving(proxy):
        yield server, {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}", "AWS_CA_BUNDLE": str(tmp_path / "s3.pem"),
                       "AWS_ENDPOINT_URL_DYNAMODB": aws.url, "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": aws.url}


@pytest.mark.parametrize("name, more, host, path", [
    ("orders-large", {}, f"orders-large.s3.{FAR}.amazonaws.com", "/big"),
    ("orders.large", {}, f"s3.{FAR}.amazonaws.com", "/orders.large/big"),  # the certificate covers one label
    ("orders-large", {"s3_addressing": "path"}, f"s3.{FAR}.amazonaws.com", "/orders-large/big"),
])
def test_amazons_own_s3_in_another_region(table, make_bridge, aws, amazon, tmp_path, name, more, host, path):
    server, env = amazon
    far = Far(aws.port, MaximumMessageSize="2048")
    config = write_config(tmp_path, table.name, queue(far, aws.url, name, s3_region=FAR, **more))
    bridge = make_bridge("--config", config, endpoint=None, env=env).start()
    put(table, "large", LARGE)
    wait_until("sent", lambda: queue_of(bridge, far.name)["sent"] == 1)
    assert server.objects == [(True, host, path, FAR)]


def test_a_wrong_region_is_told_with_the_right_one(table, make_bridge, aws, amazon, tmp_path):
    server, env = amazon
    server.region = ELSEWHERE
    far = Far(aws.port, MaximumMessageSize="2048")
    config = write_config(tmp_path, table.name, queue(far, aws.url, "orders-large", s3_region=FAR))
    bridge = make_bridge("--config", config, endpoint=None, env=env).start()
    put(table, "large", LARGE)
    wait_until("it says which", lambda: f"S3: the bucket is in another region, {ELSEWHERE}: say s3_region: {ELSEWHERE} (HTTP status 301, PermanentRedirect)"
               in bridge.admin("/readyz")[1])
    assert [host for _, host, _, _ in server.objects] == [f"orders-large.s3.{FAR}.amazonaws.com"]  # not followed
    write_config(tmp_path, table.name, queue(far, aws.url, "orders-large", s3_region=ELSEWHERE))
    bridge.server.process.send_signal(signal.SIGHUP)
    wait_until("sent", lambda: queue_of(bridge, far.name)["sent"] == 1)
    assert server.objects[-1] == (True, f"orders-large.s3.{ELSEWHERE}.amazonaws.com", "/big", ELSEWHERE)


@pytest.mark.parametrize("more, said", [
    ({"s3_bucket": "orders.large", "s3_addressing": "virtual"}, 'the bucket "orders.large" cannot be a part of the host'),
    ({"s3_endpoint_url": "http://127.0.0.1:1", "s3_addressing": "virtual"}, "an address has no names below it): say s3_addressing: path"),
    ({"s3_region": "Nowhere!"}, '"Nowhere!" is no region'),
    ({"oversize": "park", "s3_bucket": None, "s3_prefix": None, "s3_region": FAR}, "s3_bucket, s3_prefix, s3_region, s3_addressing and s3_endpoint_url are of"),
])
def test_check_says_what_is_wrong_with_a_bucket(make_bridge, aws, table, tmp_path, more, said):
    far = Far(aws.port)
    made = {k: v for k, v in {**queue(far, aws.url, "orders-large"), **more}.items() if v is not None}
    bridge = make_bridge("--config", write_config(tmp_path, table.name, made), endpoint=None,
                         env={"AWS_ENDPOINT_URL_DYNAMODB": aws.url, "AWS_ENDPOINT_URL_DYNAMODB_STREAMS": aws.url})
    status, out, err = bridge.command("check", "--config", tmp_path / "stream2sqs.yaml")
    assert status == 78 and said in out + err


@pytest.mark.parametrize("fifo", [False, True], ids=["standard", "fifo"])
def test_the_extended_client_reads_what_was_too_large(table, make_bridge, aws, bucket, tmp_path, fifo):
    s3, name = bucket
    far = Far(aws.port, fifo, MaximumMessageSize="2048")
    bridge = make_bridge("--config", write_config(tmp_path, table.name, queue(far, aws.url, name, s3_endpoint_url=aws.url))).start()
    texts = {f"k{i}": (LARGE + str(i) if i % 2 else "small") for i in range(12)}
    for key, text in texts.items():
        put(table, key, text)
    wait_until("all sent", lambda: queue_of(bridge, far.name)["sent"] == 12)
    assert "stream2sqs_target_stored_total{queue=\"%s\"} 6" % far.name in bridge.admin("/metrics")[1]
    keys = {o["Key"] for o in s3.list_objects_v2(Bucket=name, Prefix="big/")["Contents"]}
    assert len(keys) == 6
    for key, text in texts.items():  # `trace` knows which went where
        message = bridge.json("trace", key, "--config", tmp_path / "stream2sqs.yaml")["records"][0]["messages"][0]
        large = text != "small"
        assert [s["what"] for s in message["steps"]] == ["enqueued", "sent as a pointer to S3: it was too large" if large else "sent"]
        assert message.get("payload_object") == (f"s3://{name}/big/{message['message_id']}" if large else None)
        assert not large or f"big/{message['message_id']}" in keys
    assert "after the queue's s3_prefix (--config tells it)" in bridge.command("trace", "k1", check=0)[1]
    assert consume(bridge, far.name, name, 12, aws.url) == texts
    assert queue_of(bridge, far.name)["deleted"] == 12
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0  # the client deletes them with their messages
    bridge.command("audit", check=0)


def test_nothing_points_to_an_object_that_is_not_there(table, make_bridge, aws, bucket, tmp_path):
    s3, name = bucket
    far = Far(aws.port, MaximumMessageSize="2048")
    proxy = FaultProxy(aws.port, rates={"error_503": 1.0})
    proxy.operations = ("",)  # everything
    bridge = make_bridge("--config", write_config(tmp_path, table.name, queue(far, aws.url, name, s3_endpoint_url=proxy.url))).start()
    try:
        put(table, "large", LARGE)
        put(table, "small", "small")
        wait_until("the small one goes", lambda: queue_of(bridge, far.name)["sent"] == 1)
        wait_until("it says why", lambda: "S3: " in bridge.admin("/readyz")[1])
        assert queue_of(bridge, far.name)["pending"] == 1 and queue_of(bridge, far.name)["parked"] == 0
        bridge.kill()
        proxy.calm()
        bridge.start()
        wait_until("both are sent", lambda: queue_of(bridge, far.name)["sent"] == 2)
        assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 1
    finally:
        proxy.close()


def test_a_missing_bucket_waits_for_an_operator(table, make_bridge, aws, tmp_path):
    far = Far(aws.port, MaximumMessageSize="2048")
    bridge = make_bridge("--config", write_config(tmp_path, table.name, queue(far, aws.url, "never-made-" + uuid.uuid4().hex[:8], s3_endpoint_url=aws.url))).start()
    put(table, "large", LARGE)
    wait_until("it says why", lambda: "NoSuchBucket" in bridge.admin("/readyz")[1])
    assert queue_of(bridge, far.name)["pending"] == 1


def test_a_limit_that_was_raised_counts_from_the_redrive_on(table, make_bridge, aws, tmp_path):
    far = Far(aws.port, MaximumMessageSize="2048")
    bridge = make_bridge("--config", write_config(tmp_path, table.name, {"name": far.name, "target": "sqs", "endpoint_url": f"http://127.0.0.1:{aws.port}"})).start()
    table.dynamodb.put_item(TableName=table.name, Item={"id": {"S": "big"}, "text": {"S": "x" * 5000}})
    wait_until("it is parked", lambda: queue_of(bridge, far.name)["parked"] == 1, 30)
    far.sqs.set_queue_attributes(QueueUrl=far.url, Attributes={"MaximumMessageSize": "262144"})
    bridge.command("dead", "redrive", far.name, "--all", check=0)
    wait_until("it is sent", lambda: queue_of(bridge, far.name)["sent"] == 1, 30)
    assert [key_of(m) for m in far.drain()] == ["big"]
