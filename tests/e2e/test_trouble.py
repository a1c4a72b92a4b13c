# SPDX-License-Identifier: Apache-2.0
"""Bad configuration, bad keys, missing tables, endpoints that are down, full disks, damaged ledgers: each an error that says what to do."""

import json
import os
import re
import socket
import sqlite3
import subprocess
import uuid

import boto3
import pytest
from botocore.exceptions import ClientError
from conftest import Table
from rig import BINARY, REGION, Bridge, free_port, wait_until


def run_once(bridge, *more):
    """`run` that is expected to give up: (exit status, its log)."""
    bridge.flags += [str(m) for m in more]
    bridge.start(wait=False)
    status = bridge.server.process.wait(20)
    return status, bridge.log()


def test_a_start_without_credentials_leaves_nothing_behind(make_bridge):
    bridge = make_bridge("--stream", "t", "--queue", "q", env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    status, log = run_once(bridge)
    assert status == 77 and "no AWS credentials: set AWS_ACCESS_KEY_ID" in log
    assert not bridge.ledger.exists()


def test_a_ledger_in_a_missing_directory_is_told(make_bridge, tmp_path):
    bridge = make_bridge("--queue", "q")
    bridge.ledger = tmp_path / "missing" / "l.db"
    status, log = run_once(bridge)
    assert status == 71 and "is the directory there" in log


def test_a_second_process_is_refused_by_name(bridge, make_bridge, tmp_path):
    other = make_bridge("--queue", "q")
    status, log = run_once(other)
    assert status == 75
    assert f"in use by stream2sqs run (pid {bridge.server.process.pid})" in log


@pytest.mark.parametrize("what,status,says", [("port", 69, "in use by another program"), ("admin", 69, "the admin address: "), ("address", 71, "cannot listen on 192.0.2.1"),
                                             ("certificate", 78, "cannot read"), ("keys", 77, "cannot read the access keys"),
                                             ("destination", 78, "not encrypted"), ("path", 78, "is too long for a Unix socket (107 characters at most)")])
def test_a_start_that_is_refused_leaves_no_ledger_and_no_keys(make_bridge, tmp_path, what, status, says):
    keys = tmp_path / "given-keys"
    keys.write_text("AKIAONE:first-secret\n")
    keys.chmod(0o600)
    home = tmp_path / ("long" * 25 if what == "path" else "home")
    home.mkdir()
    env = {"AWS_ENDPOINT_URL_SQS": "http://192.0.2.1:80"} if what == "destination" else {}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        flags = {"port": ["--listen", f"127.0.0.1:{port}"], "admin": ["--admin", f"127.0.0.1:{port}"],
                 "address": ["--listen", "192.0.2.1:9324", "--listen-beyond-loopback", "--access-keys-file", keys],  # TEST-NET-1 (RFC 5737): no host has it
                 "certificate": ["--tls-certificate", tmp_path / "none.pem", "--tls-key", tmp_path / "none.pem"],
                 "keys": ["--access-keys-file", tmp_path / "none"], "destination": ["--stream", "t", "--target", "sqs"], "path": []}[what]
        bridge = make_bridge("--queue", "q", *flags, endpoint=None, directory=home, env=env)
        got, log = run_once(bridge)
    assert got == status and says in log
    if what in ("certificate", "keys", "path"):
        assert says in bridge.command("check", "--offline", "--queue", "q", *flags, check=78)[2]
    assert [f.name for f in home.iterdir()] == ["bridge.log"]


def test_who_starts_twice_is_told_of_the_process_not_of_the_port(bridge, make_bridge):
    other = make_bridge("--queue", "q")
    other.port = bridge.port
    reserve = bridge.ledger.with_name(bridge.ledger.name + "-reserve")
    wait_until("the running one has its reserve", reserve.exists)
    status, log = run_once(other)
    assert status == 75 and f"in use by stream2sqs run (pid {bridge.server.process.pid})" in log
    assert reserve.exists()  # it is not the other's to remove


def test_a_link_is_another_name_of_one_ledger(bridge, make_bridge, tmp_path):
    other = make_bridge("--queue", "q")
    other.ledger = tmp_path / "link.db"
    other.ledger.symlink_to(bridge.ledger)
    status, log = run_once(other)
    assert status == 75 and f"in use by stream2sqs run (pid {bridge.server.process.pid})" in log
    other.command("status", "--probe", check=0)  # it finds the process
    assert sorted(p.name for p in tmp_path.glob("link.db*")) == ["link.db"]
    other.ledger.unlink()
    other.ledger.symlink_to(tmp_path / "nothing")
    assert "is a link to what is not there" in other.command("status", check=78)[2]


def test_a_ledger_that_is_moved_or_deleted_stops_its_process(make_bridge, tmp_path):
    bridge = make_bridge("--queue", "q", endpoint=None).start()
    bridge.command("queue", "send", "q", "kept", check=0)
    moved = tmp_path / "moved.db"
    bridge.ledger.rename(moved)
    assert bridge.command("queue", "send", "q", "never confirmed")[0] != 0
    assert bridge.server.process.wait(20) == 74
    assert "was moved or deleted while it was in use" in bridge.log()
    status, _, err = bridge.command("run", "--queue", "q", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    assert status == 65 and "-wal is there without" in err and not bridge.ledger.exists()
    moved.rename(bridge.ledger)
    bridge.start()
    assert [m["Body"] for m in bridge.json("queue", "receive", "q", "--max", "10")["messages"]] == ["kept"]
    bridge.ledger.unlink()
    assert bridge.server.process.wait(20) == 74  # without a commit, too


def test_a_new_ledger_is_told_with_its_place(make_bridge, tmp_path):
    bridge = make_bridge("--queue", "q", endpoint=None).start()
    lines = [json.loads(line) for line in bridge.log().splitlines() if line.startswith("{")]
    assert [line["ledger"] for line in lines if line["event"] in ("a new ledger was made", "ready")] == [str(bridge.ledger)] * 2
    bridge.stop()
    before = bridge.log().count("a new ledger was made")
    bridge.start()
    assert bridge.log().count("a new ledger was made") == before


def test_a_start_in_a_wrong_region_changes_nothing(aws, table, make_bridge, queue):
    table.put("a")
    bridge = make_bridge("--stream", table.name, "--queue", "q").start()
    wait_until("it is read", lambda: bridge.json("status")["queues"][0]["queued"] == 1)
    bridge.stop()
    right = {name: bridge.env.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION")}
    bridge.env["AWS_REGION"] = bridge.env["AWS_DEFAULT_REGION"] = "us-east-1"
    bridge.start()
    wait_until("it says so", lambda: "in this account in us-east-1" in bridge.admin("/readyz")[1])
    wait_until("it has asked for the stream several times",
               lambda: int(re.search(r"^stream2sqs_stream_call_failures_total (\d+)", bridge.admin("/metrics")[1], re.MULTILINE)[1]) > 8)
    bridge.stop()
    table.put("b")
    bridge.env.update({name: value for name, value in right.items() if value})
    for name, value in right.items():
        if value is None:
            del bridge.env[name]
    bridge.start()
    wait_until("the next is read", lambda: bridge.json("status")["queues"][0]["queued"] == 2)
    bridge.command("audit", check=0)


def test_a_stream_may_be_named_by_its_table_or_its_arn(table, make_bridge, tmp_path):
    config = tmp_path / "c.yaml"

    def name(stream):
        config.write_text(json.dumps({"pipelines": [{"stream": stream, "poll_interval": "200ms", "queues": [{"name": "q"}]}]}))

    name(table.name)
    table.put("a")
    bridge = make_bridge("--config", config).start()
    wait_until("it is read", lambda: bridge.json("status")["queues"][0]["queued"] == 1)
    arn = bridge.json("status")["streams"][0]["stream"]
    for count, stream in enumerate((arn, table.name), 2):
        name(stream)
        bridge.command("reload", check=0)
        table.put(f"more{count}")
        wait_until("the next is read", lambda: bridge.json("status")["queues"][0]["queued"] == count)  # noqa: B023
    bridge.stop()
    name(arn)
    bridge.start()
    table.put("last")
    wait_until("the last is read", lambda: bridge.json("status")["queues"][0]["queued"] == 4)
    bridge.command("audit", check=0)
    config.write_text(json.dumps({"pipelines": [{"stream": table.name, "queues": ["q"]}, {"stream": arn, "queues": ["q"]}]}))
    for command in ("check", "reload"):
        assert "has a pipeline already" in bridge.command(command, *(["--config", config] if command == "check" else []), check=78)[2]
    assert bridge.server.process.poll() is None


def test_an_arn_becomes_its_table_with_all_that_is_unread(table, make_bridge, tmp_path):
    """The table has a newer stream meanwhile, and a queue is added that wants what the ledger has."""
    config = tmp_path / "c.yaml"
    arn = table.dynamodb.describe_table(TableName=table.name)["Table"]["LatestStreamArn"]
    config.write_text(json.dumps({"pipelines": [{"stream": arn, "poll_interval": "200ms", "queues": ["early"]}]}))
    table.put(*(f"a{i}" for i in range(30)))
    bridge = make_bridge("--config", config, "--discovery-interval", "2s").start()

    def queued(name):
        return {q["queue"]: q["queued"] for q in bridge.json("status")["queues"]}.get(name)

    wait_until("it is read", lambda: queued("early") == 30)
    bridge.stop()
    table.put(*(f"b{i}" for i in range(10)))
    table.stream(on=False)
    table.stream()
    table.put(*(f"c{i}" for i in range(5)))
    config.write_text(json.dumps({"pipelines": [{"stream": table.name, "poll_interval": "200ms", "queues": ["early", {"name": "late", "from": "ledger"}]}]}))
    bridge.start()
    wait_until("all are read", lambda: queued("early") == 45, 60)
    wait_until("the late one has what the ledger had", lambda: queued("late") == 45)
    assert bridge.command("audit")[0] == 1  # between two streams of a table there is a gap, always
    assert len(bridge.json("audit", check=1)["gaps"]) == 1


def test_mistakes_in_a_configuration_take_no_tools_away(make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    bridge = make_bridge("--config", config, endpoint=None)
    good = f"ledger: {bridge.ledger}\nqueues: [{{name: q}}]\n"
    config.write_text(good)
    bridge.start()

    def told(*arguments):
        done = subprocess.run([str(BINARY), *arguments, "--config", str(config)], env=bridge.env, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    config.write_text(good + "keep_setled: 1d\n")
    for arguments in (["status", "--probe"], ["dead", "list"], ["audit"], ["queue", "list"], ["records"]):
        status, _, err = told(*arguments)
        assert status == 0 and f"the configuration has mistakes (`stream2sqs check` says them): only its ledger, {bridge.ledger}, is looked at" in err
    status, _, err = told("reload")  # the process reads the file, and says what is wrong with it
    assert status == 78 and "keep_setled" in err and "keep_setled" in bridge.log()
    for text in (good.replace("ledger", "ledgr"), "queues: [", ""):  # then nobody knows which ledger is meant
        config.write_text(text)
        assert told("status")[0] == 78
    assert told("status", "--ledger", str(bridge.ledger))[0] == 0
    assert told("check")[0] == 78


def test_a_bad_configuration_is_told_whole(make_bridge, tmp_path):
    config = tmp_path / "bad.yaml"
    config.write_text("ledgr: x\npipelines:\n  - stream: orders\n    queues:\n      - name: q\n        visibilty_timeout: 30\n        visibility_timeout: 30\n")
    done = subprocess.run([str(BINARY), "check", "--config", str(config)], capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert f'{config}:1: unknown option "ledgr" (nearest: ledger)' in done.stderr
    assert f'{config}:6: unknown option "visibilty_timeout" (nearest: visibility_timeout)' in done.stderr
    assert f'{config}:7: visibility_timeout is "30": wanted 0 to 12h, with its unit' in done.stderr


@pytest.mark.parametrize("flags, env, said", [
    (["--stream", "nowhere"], {}, 'there is no table "nowhere" in this account in eu-west-1 (asked at http://127.0.0.1:'),
    (["--stream", "BARE"], {}, "has no stream: enable one (aws dynamodb update-table"),
    (["--stream", "arn:aws:dynamodb:eu-west-1:000000000000:table/x/stream/2026-01-01T00:00:00.000"], {}, "there is no stream"),
    (["--stream", "t"], {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "is the endpoint right, and up?"),
    (["--stream", "t"], {"AWS_ENDPOINT_URL": "http://example.com"}, "not encrypted, and not on this machine: use https"),
    (["--stream", "t"], {"AWS_ACCESS_KEY_ID": ""}, "AWS_ACCESS_KEY_ID is not"),
    (["--stream", "t"], {"AWS_REGION": ""}, "no AWS region: set AWS_REGION"),
    (["--stream", "t"], {"AWS_PROFILE": "nobody"}, 'there is no profile "nobody"'),
])
def test_check_says_what_is_wrong_and_what_to_do(make_bridge, bare_table, flags, env, said):
    flags = [bare_table.name if f == "BARE" else f for f in flags]
    bridge = make_bridge(env=env)
    status, _, err = bridge.command("check", *flags, "--queue", "q")
    assert status == 78
    assert said in err


@pytest.mark.parametrize("stream, said", [("nowhere", "there is no table"), ("BARE", "has no stream")])
def test_run_goes_on_trying_says_why_and_is_not_ready(make_bridge, bare_table, stream, said):
    bridge = make_bridge("--stream", bare_table.name if stream == "BARE" else stream, "--queue", "q").start()
    wait_until("not ready", lambda: said in bridge.admin("/readyz")[1])
    assert bridge.admin("/readyz")[0] == 503
    assert bridge.admin("/healthz")[0] == 200
    wait_until("a line in the log", lambda: said in bridge.log())


def test_an_endpoint_that_is_down_is_waited_for(make_bridge):
    bridge = make_bridge("--stream", "t", "--queue", "q", endpoint=f"http://127.0.0.1:{free_port()}").start()
    wait_until("not ready", lambda: "is the endpoint right, and up?" in bridge.admin("/readyz")[1])


def test_only_signed_requests_are_answered(bridge):
    def client(**key):
        return boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **{**bridge.key, **key})

    with pytest.raises(ClientError) as wrong:
        client(aws_secret_access_key="wrong").list_queues()
    assert wrong.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    with pytest.raises(ClientError) as unknown:
        client(aws_access_key_id="AKIANOBODY").list_queues()
    assert unknown.value.response["Error"]["Code"] == "InvalidClientTokenId"
    sqs = client()
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="none")
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=f"{bridge.url}/000000000000/q", ReceiptHandle="made up")


def test_access_keys_that_others_can_read_are_refused(make_bridge, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("AKIATEST:secretsecret\n")
    keys.chmod(0o644)
    status, log = run_once(make_bridge("--queue", "q", "--access-keys-file", keys))
    assert status == 77 and "chmod 600" in log


def test_addresses_beyond_loopback_want_an_explicit_yes(make_bridge):
    status, _, err = make_bridge().command("check", "--queue", "q", "--listen", "0.0.0.0:9324")
    assert status == 78 and "listen_beyond_loopback" in err


def test_plain_http_beyond_loopback_wants_an_explicit_yes(make_bridge, aws, table, queue):
    """127.1 is this machine, but no address that is known for one: it stands for a name in a network of containers."""
    flags = ("--stream", table.name, "--queue", "q")
    elsewhere = aws.url.replace("127.0.0.1", "127.1")
    assert "127.1:" in elsewhere
    status, log = run_once(make_bridge(*flags, endpoint=elsewhere))
    assert status == 78 and "is not encrypted, and not on this machine" in log and "plain_http_beyond_loopback" in log
    bridge = make_bridge(*flags, endpoint=elsewhere, env={"STREAM2SQS_PLAIN_HTTP_BEYOND_LOOPBACK": "true"}).start()
    bridge.command("check", *flags, check=0)
    table.put("a")
    assert len(queue(bridge).receive()) == 1
    assert "requests go to another machine without TLS" in bridge.log()
    consume = ("consume", "q", "--endpoint-url", bridge.url.replace("127.0.0.1", "127.1"), "--until-empty")
    key = bridge.key
    bridge.env |= {"AWS_ACCESS_KEY_ID": key["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": key["aws_secret_access_key"]}
    bridge.command(*consume, check=0)
    del bridge.env["STREAM2SQS_PLAIN_HTTP_BEYOND_LOOPBACK"]
    assert "plain_http_beyond_loopback" in bridge.command(*consume, check=78)[2]


@pytest.mark.parametrize("options", [{"address": "http://127.1:1/0/q"}, {"endpoint_url": "http://127.1:1"},
                                     {"oversize": "s3", "s3_bucket": "bucket", "s3_endpoint_url": "http://127.1:1"}])
def test_every_address_of_a_queue_is_judged_so(make_bridge, tmp_path, options):
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({"pipelines": [{"stream": "t", "queues": [{"name": "q", "target": "sqs", **options}]}]}))
    bridge = make_bridge("--config", config, endpoint="http://127.0.0.1:1")
    assert "plain_http_beyond_loopback" in bridge.command("policy", "--config", config, check=78)[2]
    bridge.env["STREAM2SQS_PLAIN_HTTP_BEYOND_LOOPBACK"] = "true"
    bridge.command("policy", "--config", config, check=0)
    assert "without TLS" in bridge.start().log() and "127.1" in bridge.log()


def test_a_table_that_comes_later_is_read_soon(make_bridge, aws, queue):
    name = "t" + uuid.uuid4().hex[:12]
    bridge = make_bridge("--stream", name, "--queue", "q", "--discovery-interval", "1d").start()
    wait_until("it is missed", lambda: f'there is no table "{name}"' in bridge.command("status")[1])
    assert "whole, but empty" in bridge.command("audit", check=0)[1]
    assert bridge.json("audit")["empty"] is True
    bridge.command("status", "--probe", check=69)
    table = Table(aws, name)
    table.stream()
    table.put("a")
    bridge.command("reload", check=0)
    assert len(queue(bridge).receive()) == 1
    bridge.command("status", "--probe", check=0)
    bridge.stop()
    bridge.command("status", "--probe", check=69)


def test_a_port_in_use_is_named(bridge, make_bridge, tmp_path):
    other = make_bridge("--queue", "q", directory=tmp_path)
    other.ledger = tmp_path / "other.db"
    other.port = bridge.port
    status, log = run_once(other)
    assert status == 69 and f"127.0.0.1:{bridge.port} is in use by another program" in log


def test_a_damaged_ledger_is_left_as_it_is(make_bridge, tmp_path):
    bridge = make_bridge("--queue", "q")
    content = b"this is no SQLite database, " * 400
    bridge.ledger.write_bytes(content)
    status, log = run_once(bridge)
    assert status == 65 and "left as it is" in log
    assert bridge.ledger.read_bytes() == content


def test_a_newer_ledger_is_refused(make_bridge):
    bridge = make_bridge("--queue", "q").start()
    bridge.stop()
    with sqlite3.connect(bridge.ledger) as db:
        db.execute("PRAGMA user_version=999")
    status, log = run_once(bridge)
    assert status == 70 and "newer stream2sqs" in log


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system of its own wants root")
def test_a_full_disk_rests_reading_and_still_lets_consumers_delete(table, make_bridge, queue, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small)], check=False).returncode != 0:
        pytest.skip("mount is not allowed here")
    try:
        bridge = make_bridge("--stream", table.name, "--queue", "q", "--disk-reserve", "4MiB", "--visibility-timeout", "600s", directory=small)
        bridge.start()
        table.put(*[f"o{i}" for i in range(50)])
        q = queue(bridge)
        held = []
        while len(held) < 50:
            held += q.receive(VisibilityTimeout=600)
        (small / "filler").write_bytes(bytes(os.statvfs(small).f_bavail * os.statvfs(small).f_frsize))
        wait_until("reading rests", lambda: "the disk has no room" in bridge.admin("/readyz")[1])
        table.put("late")
        with pytest.raises(ClientError) as refused:
            boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **bridge.key,
                         config=boto3.session.Config(retries={"max_attempts": 0})).send_message(QueueUrl=q.url, MessageBody="x")
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        for message in held:
            q.delete(message)
        assert bridge.json("status")["queues"][0]["deleted"] == 50
        assert bridge.json("audit")["records_read"] == 50
        (small / "filler").unlink()
        assert [m for m in q.receive(wait=20)]
        wait_until("ready", lambda: bridge.admin("/readyz")[0] == 200)
        bridge.stop()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_bridge_dies_at_once_when_its_ledger_cannot_be_synced(table, make_bridge, queue, tmp_path):
    """P7, from outside: fdatasync fails once (strace)."""
    strace = "/usr/bin/strace"
    if not os.path.exists(strace):
        pytest.skip("strace is not there")
    bridge = make_bridge("--stream", table.name, "--queue", "q").start()
    injector = subprocess.Popen([strace, "-qq", "-p", str(bridge.server.process.pid), "-e", "trace=fdatasync", "-e",
                                 "inject=fdatasync:error=EIO:when=1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        tracer = f"/proc/{bridge.server.process.pid}/status"
        if not wait_traced(tracer, injector):
            pytest.skip("ptrace is not allowed here: " + injector.stderr.read())
        table.put("x")
        assert bridge.server.process.wait(20) == 74
        assert "stopping at once" in bridge.log()
    finally:
        injector.terminate()
        injector.wait(5)
    bridge.start()
    assert len(queue(bridge).receive()) == 1
    bridge.command("audit", check=0)


def wait_traced(path, injector):
    def traced():
        return injector.poll() is not None or any(line.startswith("TracerPid:") and line.split()[1] != "0" for line in open(path, encoding="ascii"))

    wait_until("strace", traced)
    return injector.poll() is None


def test_the_rig_itself_notices_a_process_that_does_not_start(tmp_path):
    broken = Bridge(tmp_path, None, "--queue", "not a name")
    with pytest.raises(RuntimeError):
        broken.start()
    broken.server.stop()
