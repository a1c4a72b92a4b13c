# SPDX-License-Identifier: Apache-2.0
"""`stream2sqs consume`: any program as the handler, on our endpoint and on other servers."""

import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import time
from collections import Counter

import pytest
from rig import BINARY, KEY, REGION, wait_until
from test_consumer_library import in_queue, requests, send
from test_sqs_api import bodies, make, receive, redrive
from test_targets import Far
from test_tls import client as tls_client, make_certificate

HANDLED, FAILED, USAGE, NOT_FOUND, UNAVAILABLE, CANNOT_WRITE, CREDENTIALS, NO_COMMAND = 0, 1, 64, 66, 69, 71, 77, 78

# Notes what it was given, and does what its input says: NAME:fail, :fail1 (the first time), :bad, :sleepSECONDS; else it is well done.
HANDLER = r"""
body=$(cat)
echo "begin $body $S2Q_RECEIVE_COUNT" >>"$NOTES"
case $body in
*:fail1) [ "$S2Q_RECEIVE_COUNT" != 1 ] || exit 7 ;;
*:fail) exit 7 ;;
*:bad) exit 65 ;;
*:sleep*) sleep "${body#*:sleep}" ;;
esac
echo "end $body" >>"$NOTES"
"""


class Consume:
    """The command, as a user beside the ledger starts it: no key, no address, nothing of AWS in the environment."""

    def __init__(self, directory, ledger, *arguments, env=None, stdout=None):
        self.directory = directory
        self.notes = directory / "notes"
        self.notes.touch()
        clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        self.env = {**clean, "HOME": str(directory), "AWS_EC2_METADATA_DISABLED": "true", "NOTES": str(self.notes), **(env or {})}
        number = len(list(directory.glob("consume*.err")))
        self.out = directory / f"consume{number}.out"
        self.errors = directory / f"consume{number}.err"
        with open(self.out, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen([str(BINARY), "consume", *(["--ledger", str(ledger)] if ledger else []), *map(str, arguments)], cwd=directory, env=self.env, stdin=subprocess.DEVNULL,
                                            stdout=out if stdout is None else stdout, stderr=err)

    def end(self, want=HANDLED, seconds=40):
        assert self.process.wait(seconds) == want, self.said()
        return self

    def stop(self, want=HANDLED, how=signal.SIGTERM, seconds=30):
        self.process.send_signal(how)
        return self.end(want, seconds)

    def lines(self):
        return self.out.read_text().splitlines()

    def noted(self, what):
        return [line.split(" ", 1)[1] for line in self.notes.read_text().splitlines() if line.startswith(what + " ")]

    def wait_noted(self, what, count, seconds=30):
        wait_until(f"{count} times {what}", lambda: len(self.noted(what)) >= count, seconds, self.process)

    def said(self):
        return self.errors.read_text()

    def counts(self):
        found = re.search(r"consume: (\d+) handled, (\d+) failed, (\d+) to the dead-letter queue, (\d+) deleted$", self.said(), re.M)
        return tuple(map(int, found.groups()))


@pytest.fixture
def consume(tmp_path):
    made = []

    def start(server, *arguments, **more):
        made.append(Consume(tmp_path, server.ledger if server else None, *arguments, **more))
        return made[-1]

    yield start
    for consumer in made:
        if consumer.process.poll() is None:
            consumer.process.kill()
            consumer.process.wait(10)


def name_of(url):
    return url.rsplit("/", 1)[1]


# ---- lines ----


def test_each_message_is_a_line_and_then_deleted(consume, server, sqs):
    url = make(sqs)
    texts = [json.dumps({"n": i, "s": "x" * (i * 997)}) for i in range(30)]  # longer than a pipe takes at once
    send(sqs, url, *texts)
    done = consume(server, name_of(url), "--until-empty", "--workers", 3).end()
    assert sorted(done.lines()) == sorted(texts) and done.counts() == (30, 0, 0, 30)
    assert in_queue(sqs, url) == (0, 0)
    assert consume(server, url, "--until-empty").end().counts() == (0, 0, 0, 0)  # its URL is as good as its name
    server.command("audit", check=0)


def test_hostile_bodies_stay_one_line_each(consume, server, sqs):
    url = make(sqs)
    texts = ["two\nlines", '{"a":1}\n{"b":2}', '"', "\\", "\t\r\n", "é \u2028 \U0001f600", "{\n\"pretty\": [1,\n2]}", "$(touch x) `id`"]
    send(sqs, url, *texts)
    got = [json.loads(line) for line in consume(server, name_of(url), "--until-empty").end().out.read_text().split("\n")[:-1]]
    assert sorted(map(str, got)) == sorted(str({"pretty": [1, 2]}) if "pretty" in t else t for t in texts)


def test_the_whole_message(consume, server, sqs):
    url = make(sqs)
    attributes = {"a.b": {"DataType": "String", "StringValue": 'x\n"y"'}, "raw": {"DataType": "Binary", "BinaryValue": b"\0\xff\n"}}
    sqs.send_message(QueueUrl=url, MessageBody="a\nb", MessageAttributes=attributes)
    got = json.loads(consume(server, name_of(url), "--form", "message", "--max", 1).end().lines()[0])
    assert got.pop("messageId")
    assert got == {"body": "a\nb", "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {
        "a.b": {"stringValue": 'x\n"y"', "dataType": "String"}, "raw": {"binaryValue": "AP8K", "dataType": "Binary"}}}


@pytest.mark.parametrize("where", ["a pipe that nobody has", "a full disk"])
def test_what_cannot_be_written_is_not_deleted(consume, server, sqs, where):
    url = make(sqs)
    texts = [str(i) for i in range(20)]
    send(sqs, url, *texts)
    if where == "a full disk":
        out = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, out = os.pipe()
        os.close(reader)
    done = consume(server, name_of(url), "--visibility", 600, stdout=out).end(CANNOT_WRITE)
    os.close(out)
    assert "is not deleted" in done.said() and done.counts()[0] == 0
    assert in_queue(sqs, url) == (20, 0) and requests(server, "DeleteMessageBatch") == 0


def test_a_reader_that_leaves(consume, server, sqs):
    url = make(sqs)
    texts = [json.dumps(f"{i:03}" + "x" * 3000) for i in range(200)]
    send(sqs, url, *texts)
    reader, out = os.pipe()
    running = consume(server, name_of(url), "--visibility", 600, stdout=out)
    os.close(out)
    with os.fdopen(reader) as lines:
        seen = [lines.readline().strip() for _ in range(3)]
    running.end(CANNOT_WRITE)
    handled, _, _, deleted = running.counts()
    assert all(line in texts for line in seen) and 3 <= handled == deleted < 60  # what the pipe had taken
    assert in_queue(sqs, url) == (200 - deleted, 0)


def test_a_reader_that_rests_holds_nothing_up_for_ever(consume, server, sqs):
    url = make(sqs)
    send(sqs, url, *["x" * 20000 for _ in range(20)])
    reader, out = os.pipe()
    running = consume(server, name_of(url), "--visibility", 2, "--stop-timeout", 1, stdout=out)
    os.close(out)
    wait_until("it waits for its reader", lambda: requests(server, "ChangeMessageVisibilityBatch") > 0, process=running.process)  # and keeps it hidden
    running.stop(CANNOT_WRITE)
    os.close(reader)
    assert "nobody reads" in running.said()
    assert in_queue(sqs, url) == (20 - running.counts()[3], 0)


# ---- handlers ----


def test_a_record_reaches_its_handler(consume, bridge, table, tmp_path):
    table.put("o 1\n'$x'", n={"N": "12345678901234567890123456789012345678"})
    consume(bridge, "q", "--max", 1, "--exec", 'cat >"$HOME/body"; env -0 >"$HOME/environment"', env={"S2Q_SHARD": "of another"}).end()
    body, environment = ((tmp_path / f).read_text() for f in ("body", "environment"))
    given = dict(line.split("=", 1) for line in environment.split("\0") if line.startswith("S2Q_"))
    found = bridge.json("trace", "o 1\n'$x'")["records"][0]
    record = json.loads(body)
    assert record["eventID"] == found["event_id"] == given.pop("S2Q_EVENT_ID") and '"12345678901234567890123456789012345678"' in body
    assert given.pop("S2Q_SEQUENCE_NUMBER") == found["sequence_number"] and given.pop("S2Q_STREAM") == found["stream"]
    assert given.pop("S2Q_SHARD") == found["shard"] and json.loads(given.pop("S2Q_KEYS")) == {"id": {"S": "o 1\n'$x'"}}
    assert (given.pop("S2Q_EVENT_NAME"), given.pop("S2Q_RECEIVE_COUNT"), given.pop("S2Q_QUEUE")) == ("INSERT", "1", "q")
    assert re.fullmatch(r"[0-9a-f-]{36}", given.pop("S2Q_MESSAGE_ID"))
    assert set(given) == {f"S2Q_ATTRIBUTE_stream2sqs_{n}" for n in ("stream", "shard", "sequence_number", "event_id")}
    assert bridge.key["aws_secret_access_key"] not in environment
    bridge.command("audit", check=0)


def test_what_fails_comes_again_alone_and_dies(consume, server, sqs):
    dead = make(sqs)
    url = make(sqs, RedrivePolicy=redrive(dead, 3))
    everything = [f"{i}:{'fail' if i in (3, 17) else 'fail1' if i == 8 else 'ok'}" for i in range(40)]
    send(sqs, url, *everything)
    running = consume(server, name_of(url), "--exec", HANDLER, "--workers", 4, "--visibility", 1)
    wait_until("the bad ones are dead", lambda: in_queue(sqs, dead) == (2, 0) and in_queue(sqs, url) == (0, 0), 40, running.process)
    running.stop()
    begun = Counter(line.rsplit(" ", 1)[0] for line in running.noted("begin"))
    assert begun == {text: 3 if text.endswith(":fail") else 2 if text.endswith("fail1") else 1 for text in everything}
    assert running.counts() == (38, 7, 0, 38) and running.said().count("exit status 7") == 7
    assert sorted(bodies(receive(sqs, dead))) == ["17:fail", "3:fail"]


def test_the_exit_status_says_whether_all_was_handled(consume, server, sqs):
    url = make(sqs)
    send(sqs, url, "a", "b:fail")
    done = consume(server, name_of(url), "--exec", HANDLER, "--until-empty", "--visibility", 600).end(FAILED)
    assert done.counts() == (1, 1, 0, 1) and in_queue(sqs, url) == (0, 1)
    send(sqs, url, "c:fail1")
    began = time.monotonic()
    done = consume(server, name_of(url), "--exec", HANDLER, "--max", 2, "--visibility", 600, "--retry-after", 2, "--json").end(FAILED)
    assert time.monotonic() - began >= 2
    assert json.loads(done.said().splitlines()[-1]) == {"handled": 1, "failed": 1, "dead_lettered": 0, "deleted": 1}


def test_bad_data_goes_to_the_dead_letter_queue_at_once(consume, server, sqs):
    url, dead = make(sqs), make(sqs)
    for i in range(2):
        send(sqs, url, "a:bad", "b")
        done = consume(server, name_of(url), "--exec", HANDLER, "--until-empty", "--dead-letter-queue", [name_of(dead), dead][i]).end(FAILED)
        assert done.counts() == (1, 0, 1, 2) and in_queue(sqs, url) == (0, 0)
        got = receive(sqs, dead, MessageAttributeNames=["All"])
        assert bodies(got) == ["a:bad"] and "65" in got[0]["MessageAttributes"]["stream2sqs.reason"]["StringValue"]
    send(sqs, url, "c:bad")  # without such a queue it is a failure as any other
    assert consume(server, name_of(url), "--exec", HANDLER, "--max", 1).end(FAILED).counts() == (0, 1, 0, 0)


def test_hostile_attributes_reach_the_environment_as_data(consume, server, sqs, tmp_path):
    url = make(sqs)
    value = "1\n2\t'q' \"d\" $(touch pwned) `id` ;é\r"
    attributes = {"LD_PRELOAD": value, "PATH": "/nowhere", "x.y": value, "long": "x" * 200000}
    sqs.send_message(QueueUrl=url, MessageBody="\n'\"$(touch pwned)\n\n", MessageAttributes={
        **{k: {"DataType": "String", "StringValue": v} for k, v in attributes.items()}, "raw": {"DataType": "Binary", "BinaryValue": b"\0\x1b=\n"}})
    program = tmp_path / "handler"
    program.write_text('#!/bin/sh\ncat >"$1/body"\nenv -0 >"$1/environment"\n')
    program.chmod(0o755)
    consume(server, name_of(url), "--exec", f"{program} {tmp_path}", "--until-empty").end()
    given = dict(line.split("=", 1) for line in (tmp_path / "environment").read_bytes().decode().split("\0") if line)
    assert (tmp_path / "body").read_bytes() == b"\n'\"$(touch pwned)\n\n"
    assert given["S2Q_ATTRIBUTE_LD_PRELOAD"] == given["S2Q_ATTRIBUTE_x_y"] == value and given["S2Q_ATTRIBUTE_raw"] == "ABs9Cg=="
    assert "LD_PRELOAD" not in given and given["PATH"] == os.environ["PATH"] and "S2Q_ATTRIBUTE_long" not in given
    assert not os.path.exists("pwned")


def test_a_large_body_and_a_handler_that_does_not_read_it(consume, server, sqs, tmp_path):
    url = make(sqs)
    large = "".join(chr(32 + i % 90) for i in range(1000000))
    sqs.send_message(QueueUrl=url, MessageBody=large)
    consume(server, name_of(url), "--exec", f"sha256sum >{tmp_path}/sum", "--max", 1).end()
    assert (tmp_path / "sum").read_text().split()[0] == hashlib.sha256(large.encode()).hexdigest()
    sqs.send_message(QueueUrl=url, MessageBody=large)
    assert consume(server, name_of(url), "--exec", "true", "--max", 1).end().counts() == (1, 0, 0, 1)


@pytest.mark.parametrize("command", ["no-such-program --x", "./not-executable"])
def test_a_handler_that_is_not_there_stops_it(consume, server, sqs, command):
    url = make(sqs)
    send(sqs, url, *[str(i) for i in range(20)])
    if command.startswith("./"):
        command = str(consume(server, name_of(url), "--max", 1).end().errors)  # a file that is no program
        assert not os.stat(command).st_mode & stat.S_IXUSR
    waiting = in_queue(sqs, url)[0]
    done = consume(server, name_of(url), "--exec", command, "--workers", 3, "--visibility", 600).end(NO_COMMAND)
    assert "cannot be run" in done.said() and command in done.said()
    assert in_queue(sqs, url) == (waiting, 0)
    assert done.counts()[0] == 0 and done.counts()[1] <= 6  # not one receive more than had begun


def test_visibility_is_extended_while_the_handler_runs(consume, server, sqs):
    url = make(sqs)
    send(sqs, url, "slow:sleep5")
    running = consume(server, name_of(url), "--exec", HANDLER, "--visibility", 2, "--max", 1)
    running.wait_noted("begin", 1)
    while running.process.poll() is None and not running.noted("end"):
        assert receive(sqs, url) == []
        time.sleep(0.05)
    running.end()
    assert running.noted("begin") == ["slow:sleep5 1"] and in_queue(sqs, url) == (0, 0) and requests(server, "ChangeMessageVisibilityBatch") >= 2


def test_a_handler_that_takes_too_long_is_ended(consume, server, sqs, tmp_path):
    url = make(sqs)
    send(sqs, url, "a")
    done = consume(server, name_of(url), "--exec", f"echo $$ >{tmp_path}/pid; trap '' TERM; while :; do sleep 0.1; done", "--timeout", 1, "--max", 1).end(FAILED)
    assert "did not end in time" in done.said() and done.counts() == (0, 1, 0, 0)
    assert not os.path.exists(f"/proc/{(tmp_path / 'pid').read_text().strip()}")


def test_order_in_a_group_survives_failures(consume, server, sqs):
    url = make(sqs, fifo=True)
    for i in range(5):
        for group in "ab":
            what = ":fail1" if (group, i) == ("a", 2) else ""
            sqs.send_message(QueueUrl=url, MessageBody=f"{group}{i}{what}", MessageGroupId=group, MessageDeduplicationId=f"{group}{i}")
    running = consume(server, name_of(url), "--exec", HANDLER, "--workers", 4, "--retry-after", 1, "--max", 11).end(FAILED)
    order = {g: [line[:2] for line in running.noted("begin") if line[0] == g] for g in "ab"}
    assert order == {"a": ["a0", "a1", "a2", "a2", "a3", "a4"], "b": [f"b{i}" for i in range(5)]}


# ---- its end ----


def test_killed_in_the_middle_it_loses_nothing(consume, server, sqs):
    url = make(sqs)
    everything = [f"{i}:sleep0.05" for i in range(80)]
    send(sqs, url, *everything)
    for count in (15, 35):
        running = consume(server, name_of(url), "--exec", HANDLER, "--workers", 3, "--visibility", 2)
        running.wait_noted("end", count)
        running.process.kill()
        running.process.wait(10)
    running = consume(server, name_of(url), "--exec", HANDLER, "--workers", 3, "--visibility", 2)
    wait_until("the queue is empty", lambda: in_queue(sqs, url) == (0, 0), 40, running.process)
    running.stop()
    ended = Counter(running.noted("end"))
    assert set(ended) == set(everything)
    assert sum(ended.values()) < 80 + 2 * 25  # only what was out then came again
    server.command("audit", check=0)


def test_a_handler_whose_consumer_was_killed_has_the_whole_body(consume, server, sqs, tmp_path):
    url = make(sqs)
    send(sqs, url, "x" * 200_000)  # more than a pipe takes
    go = tmp_path / "go"
    handler = 'echo "begin" >>"$NOTES"; until [ -e "$GO" ]; do sleep 0.02; done; echo "length $(wc -c)" >>"$NOTES"'
    running = consume(server, name_of(url), "--exec", handler, "--visibility", 600, env={"GO": str(go)})
    wait_until("it runs", lambda: "begin" in running.notes.read_text(), 20, running.process)
    running.process.kill()
    running.process.wait(10)
    go.touch()
    wait_until("it has read", lambda: running.noted("length"), 20)
    assert running.noted("length") == ["200000"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_handlers_finish_and_hides_nothing(consume, server, sqs, how):
    url = make(sqs)
    everything = [f"{i}:sleep{1 if i % 4 == 0 else 0.02}" for i in range(60)]
    send(sqs, url, *everything)
    running = consume(server, name_of(url), "--exec", HANDLER, "--workers", 4, "--visibility", 600)
    running.wait_noted("end", 12)
    running.stop(HANDLED, how)
    ended = running.noted("end")
    assert sorted(ended) == sorted(line.rsplit(" ", 1)[0] for line in running.noted("begin")) and len(set(ended)) == len(ended) < 60
    assert running.counts() == (len(ended), 0, 0, len(ended)) and in_queue(sqs, url) == (60 - len(ended), 0)


@pytest.mark.parametrize("bound", ["its time", "a second signal"])
def test_a_stop_is_bounded(consume, server, sqs, bound):
    url = make(sqs)
    send(sqs, url, "a:sleep60")
    running = consume(server, name_of(url), "--exec", HANDLER, "--visibility", 600, "--stop-timeout", 1 if bound == "its time" else 600)
    running.wait_noted("begin", 1)
    running.process.send_signal(signal.SIGTERM)
    if bound != "its time":
        wait_until("it has heard the first", lambda: not signal_pending(running.process.pid, signal.SIGTERM))
        running.process.send_signal(signal.SIGTERM)
    running.end(HANDLED, 15)
    assert "still running when the stop's time was up" in running.said() and running.noted("end") == []
    assert in_queue(sqs, url) == (1, 0)  # for others, at once


def signal_pending(pid, number):
    status = open(f"/proc/{pid}/status").read()
    return any(int(re.search(rf"^{name}:\s*([0-9a-f]+)$", status, re.M).group(1), 16) >> (number - 1) & 1 for name in ("SigPnd", "ShdPnd"))


def test_the_server_may_be_away_for_a_while(consume, server, sqs):
    url = make(sqs)
    send(sqs, url, *[f"{i}:sleep0.2" for i in range(20)])
    running = consume(server, name_of(url), "--exec", HANDLER, "--workers", 2, "--visibility", 3)
    running.wait_noted("end", 4)
    server.kill()
    server.start()
    wait_until("the queue is empty", lambda: in_queue(sqs, url) == (0, 0), 60, running.process)
    running.stop()
    assert len(set(running.noted("end"))) == 20


# ---- where the queue is ----


@pytest.mark.parametrize("peer", ["ministack", "fauxqs", "elasticmq"])
def test_other_servers(consume, peers, peer):
    far = Far(peers[peer].port)
    address = f"http://127.0.0.1:{peers[peer].port}"
    env = {"AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"]}
    everything = [f"{i}:{'fail1' if i == 5 else 'ok'}" for i in range(30)]
    send(far.sqs, far.url, *everything)
    running = consume(None, far.name, "--endpoint-url", address, "--exec", HANDLER, "--workers", 3, "--visibility", 2, "--max", 31, env=env).end(FAILED)
    assert Counter(line.rsplit(" ", 1)[0] for line in running.noted("begin")) == {t: 2 if t.endswith("fail1") else 1 for t in everything}
    assert running.counts() == (30, 1, 0, 30) and far.drain() == []
    send(far.sqs, far.url, "a", "b")
    assert sorted(consume(None, far.name, "--max", 2, env={**env, "AWS_ENDPOINT_URL_SQS": address}).end().lines()) == ['"a"', '"b"']
    send(far.sqs, far.url, "c")
    assert consume(None, far.url, "--endpoint-url", address, "--max", 1, env=env).end().lines() == ['"c"']


def test_a_bridge_that_is_down_is_not_another_server(consume, server, sqs, peers, tmp_path):
    """AWS_ENDPOINT_URL, for the stream's sake, must not lead to a queue of the same name elsewhere."""
    far = Far(peers["fauxqs"].port)
    send(far.sqs, far.url, "theirs")
    env = {"AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"],
           "AWS_ENDPOINT_URL": f"http://127.0.0.1:{peers['fauxqs'].port}"}
    server.stop()
    assert "no stream2sqs runs on" in consume(server, far.name, "--until-empty", env=env).end(UNAVAILABLE).said()
    for named in (["--ledger", tmp_path / "no.db"], ["--config", tmp_path / "c.yaml"]):
        (tmp_path / "c.yaml").write_text("ledger: no.db\n")
        assert "no stream2sqs runs on" in consume(None, far.name, "--until-empty", *named, env=env).end(UNAVAILABLE).said()
    assert [m["Body"] for m in far.drain()] == ["theirs"]


def test_a_key_is_chosen_that_may(consume, make_bridge, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("AKIAGUEST:guest-secret account=123456789012\nAKIASENDER:sender-secret actions=SendMessage\nAKIAOTHER:other-secret queues=x*\n"
                    "AKIACONSUMER:consumer-secret queues=q actions=ReceiveMessage,DeleteMessage,ChangeMessageVisibility\n")
    keys.chmod(0o600)
    bridge = make_bridge("--access-keys-file", keys, "--queue", "q", "--queue", "r", endpoint=None).start()
    for queue in "qr":
        bridge.command("queue", "send", queue, "7", check=0)
    env = {"STREAM2SQS_ACCESS_KEYS_FILE": str(keys)}
    assert consume(bridge, "q", "--max", 1, env=env).end().lines() == ["7"]
    assert "no key in" in consume(bridge, "r", "--max", 1, env=env).end(CREDENTIALS).said()
    keys.chmod(0o644)
    said = consume(bridge, "q", "--max", 1, env=env).end(CREDENTIALS).said()
    assert "chmod 600" in said and "secret" not in said.replace("access_keys", "")


def test_an_endpoint_with_tls(consume, make_bridge, tmp_path):
    certificate, key = make_certificate(tmp_path, "one")
    bridge = make_bridge("--tls-certificate", certificate, "--tls-key", key, "--queue", "q", endpoint=None).start()
    tls_client(bridge, certificate).send_message(QueueUrl=f"https://127.0.0.1:{bridge.port}/000000000000/q", MessageBody="7")
    assert consume(bridge, "q", "--max", 1, env={"STREAM2SQS_TLS_CERTIFICATE": str(certificate), "STREAM2SQS_TLS_KEY": str(key)}).end().lines() == ["7"]


def test_an_endpoint_on_every_address(consume, make_bridge, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("AKIAONE:first-secret\n")
    keys.chmod(0o600)
    bridge = make_bridge("--access-keys-file", keys, "--queue", "q", endpoint=None)
    bridge.flags += ["--listen", f"0.0.0.0:{bridge.port}", "--listen-beyond-loopback"]
    bridge.start()
    bridge.command("queue", "send", "q", "7", check=0)
    assert consume(bridge, "q", "--max", 1, env={"STREAM2SQS_ACCESS_KEYS_FILE": str(keys)}).end().lines() == ["7"]


def test_what_is_wrong_is_said(consume, server, sqs):
    url = make(sqs)
    for arguments, says in ((["a", "b"], "one queue"), ([url, "--form", "x"], "body or message"), ([url, "--exec", ""], "wants a command"),
                            ([url, "--workers", "0"], "from 1 to 1024"), ([url, "--nope"], "no flag")):
        assert says in consume(server, *arguments).end(USAGE).said()
    assert "there is no queue \"nope\"" in consume(server, "nope").end(NOT_FOUND).said()
    assert "-nope" in consume(server, url + "-nope").end(NOT_FOUND).said()
    assert "no stream2sqs runs" in consume(None, "q").end(UNAVAILABLE).said()
    assert "GetQueueUrl of d at http" in consume(server, url, "--dead-letter-queue", "d").end(NOT_FOUND).said()
    assert "itself" in consume(server, url, "--dead-letter-queue", name_of(url)).end(NO_COMMAND).said()
    wrong = {"AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "wrong-secret"}
    said = consume(server, url, "--endpoint-url", server.url, env=wrong).end(CREDENTIALS).said()
    assert "ReceiveMessage at" in said and "wrong-secret" not in said
    assert "not encrypted" in consume(server, "http://192.0.2.1/000000000000/q", env=wrong).end(NO_COMMAND).said()
