# SPDX-License-Identifier: Apache-2.0
"""The C consumer library, as installed: its symbols, its example, and a driver program against real servers."""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import time
from collections import Counter

import boto3
import pytest
from conftest import client
from fault_proxy import FaultProxy
from rig import BUILD, KEY, REGION, ROOT, Server, wait_until
from test_sqs_api import arn, attributes, bodies, make, receive, redrive
from test_targets import Far
from test_tls import client as tls_client, make_certificate

SANITIZED = shlex.split(os.environ.get("EXTRA_CFLAGS", ""))  # of `make e2e-asan`
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
OK, CONFIG, CREDENTIALS, NOT_FOUND = 0, 1, 2, 3


def run(*command, **more):
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, timeout=300, **more).stdout


class Installed:
    def __init__(self, directory):
        self.root = directory / "root"
        self.directory = directory
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        settings = [f"{name}={os.environ[name]}" for name in ("EXTRA_CFLAGS", "OPTIMISE", "HARDEN", "CC") if name in os.environ]
        run("make", "-C", ROOT, "install", f"BUILD={os.path.relpath(BUILD, ROOT)}", f"DESTDIR={self.root}", "PREFIX=/usr", *settings, env=env)
        self.lib = self.root / "usr/lib"

    def pkg_config(self, *flags):
        env = dict(os.environ, PKG_CONFIG_PATH=str(self.lib / "pkgconfig"))
        return shlex.split(run("pkg-config", f"--define-variable=prefix={self.root}/usr", *flags, "stream2sqs", env=env))

    def compile(self, source, name, *flags, compiler="cc", static=False):
        out = self.directory / name
        libraries = self.pkg_config("--libs")
        if static:
            libraries = [self.lib / "libstream2sqs.a", *shlex.split(run("pkg-config", "--libs", "libcurl", "libcrypto"))]
        run(compiler, "-g", *STRICT, *SANITIZED, *flags, *self.pkg_config("--cflags"), source, "-o", out, *libraries, "-lpthread")
        return out


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return Installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="module")
def driver(installed):
    return installed.compile(ROOT / "tests/library/driver.c", "driver", "-std=c11", "-D_POSIX_C_SOURCE=200809L")


class Consumer(Server):
    """A program with the library, and the lines that it has written."""

    def __init__(self, installed, program, directory, arguments, key):
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        env.update(LD_LIBRARY_PATH=str(installed.lib), AWS_REGION=REGION, AWS_EC2_METADATA_DISABLED="true", HOME=str(directory))
        if key:
            env.update(AWS_ACCESS_KEY_ID=key["aws_access_key_id"], AWS_SECRET_ACCESS_KEY=key["aws_secret_access_key"])
        number = len(list(directory.glob("consumer*.out")))
        self.path = directory / f"consumer{number}.out"
        self.errors = directory / f"consumer{number}.err"
        with open(self.path, "wb") as out:
            self.log = open(self.errors, "wb")
            self.process = subprocess.Popen([str(program), *map(str, arguments)], env=env, stdout=out, stderr=self.log, stdin=subprocess.DEVNULL)

    def lines(self, kind):
        return [line.split("\t")[1:] for line in self.path.read_text().split("\n") if line.startswith(kind + "\t")]

    def begun(self):
        return [line[0] for line in self.lines("begin")]

    def done(self):
        return [line[0] for line in self.lines("end") if line[1] == "0"]

    def said(self):
        return self.errors.read_text()

    def wait_begun(self, count, seconds=20):
        wait_until(f"{count} handlers have begun", lambda: len(self.lines("begin")) >= count, seconds, self.process)

    def wait_done(self, count, seconds=30):
        wait_until(f"{count} messages are handled", lambda: len(self.done()) >= count, seconds, self.process)

    def end(self, want=OK):
        """SIGTERM, if it has not ended by itself."""
        assert self.stop() == want, self.said()


@pytest.fixture
def start(installed, driver, tmp_path):
    made = []

    def begin(url, bridge=None, program=None, keys=None, **options):
        arguments = [url, *(f"{name}={value}" for name, value in options.items())] if program is None else [url]
        made.append(Consumer(installed, program or driver, tmp_path, arguments, keys or (bridge.key if bridge else None)))
        return made[-1]

    yield begin
    for consumer in made:
        consumer.stop(signal.SIGKILL)


def send(sqs, url, *texts, **more):
    for at in range(0, len(texts), 10):
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": str(i), "MessageBody": t, **more} for i, t in enumerate(texts[at:at + 10])])


def in_queue(sqs, url):
    """Visible, in flight."""
    got = attributes(sqs, url)
    return int(got["ApproximateNumberOfMessages"]), int(got["ApproximateNumberOfMessagesNotVisible"])


def requests(bridge, operation):
    found = re.search(rf'stream2sqs_requests_total{{operation="{operation}"}} (\d+)', bridge.admin("/metrics")[1])
    return int(found.group(1)) if found else 0


# ---- as a library ----


def test_only_its_own_symbols_are_seen(installed):
    public = {"s2q_consumer_new", "s2q_consumer_run", "s2q_consumer_stop", "s2q_consumer_free", "s2q_consumer_counts", "s2q_give_up", "s2q_retry_after",
              "s2q_version"}
    dynamic = [line.split() for line in run("nm", "-D", "--defined-only", installed.lib / "libstream2sqs.so").splitlines()]
    assert {name.split("@")[0] for _, kind, name in dynamic if kind != "A"} == public
    assert all(name.startswith("s2q_") for _, _, name in dynamic)
    static = run("nm", "-g", "--defined-only", installed.lib / "libstream2sqs.a").splitlines()
    assert {line.split()[2] for line in static if len(line.split()) == 3 and not line.split()[2].startswith("DW.ref.")} == public
    assert "libstream2sqs.so.0" in run("readelf", "-d", installed.lib / "libstream2sqs.so")
    declared = set(re.findall(r"S2Q_PUBLIC [^;(]*?(s2q_\w+)\(", (installed.root / "usr/include/stream2sqs.h").read_text()))
    assert declared == public


@pytest.mark.parametrize("compiler,standard", [("cc", "c99"), ("cc", "c17"), ("g++", "c++98"), ("g++", "c++20")])
def test_the_header_is_for_c_and_cpp(installed, tmp_path, compiler, standard):
    source = tmp_path / ("a.c" if compiler == "cc" else "a.cpp")
    source.write_text('#include <stream2sqs.h>\n#include <stdio.h>\nint main(void)\n{\n    struct s2q_options o = S2Q_OPTIONS_INIT;\n    struct s2q_error e;\n'
                      '    struct s2q_consumer *c = s2q_consumer_new(&o, &e);\n    puts(e.text);\n    s2q_consumer_free(c);\n    return e.status;\n}\n')
    for static in (False, True):
        program = installed.compile(source, "header", f"-std={standard}", compiler=compiler, static=static)
        done = subprocess.run([program], env=dict(os.environ, LD_LIBRARY_PATH="" if static else str(installed.lib)), capture_output=True, text=True, check=False)
        assert done.returncode == CONFIG and "queue_url is missing" in done.stdout, done.stderr


def test_the_documented_example_runs(installed, start, table, make_bridge):
    source = ROOT / "docs/examples/consumer.c"
    assert source.read_text() in (ROOT / "docs/library.md").read_text()
    program = installed.compile(source, "example", "-std=c11", "-D_POSIX_C_SOURCE=200809L")
    bridge = make_bridge("--stream", table.name, "--queue", "q").start()
    keys = [f"o{i}" for i in range(60)]
    table.put(*keys)
    consumer = start(bridge.url + "/000000000000/q", bridge, program)
    wait_until("all are handled", lambda: len(consumer.path.read_text().splitlines()) == 60, process=consumer.process)
    consumer.end(OK)
    events = [line.split(":")[0] for line in consumer.path.read_text().splitlines()]
    assert len(set(events)) == 60 and all(events)
    for key in keys:
        messages = bridge.json("trace", key)["records"][0]["messages"]
        assert [[step["what"] for step in m["steps"]] for m in messages] == [["enqueued", "received", "deleted"]]
    assert requests(bridge, "DeleteMessage") == 0 and 6 <= requests(bridge, "DeleteMessageBatch") < 60
    bridge.command("audit", check=0)


# ---- what becomes of messages ----


def test_one_that_fails_comes_again_alone(start, server, sqs):
    url = make(sqs)
    send(sqs, url, *[f"{i}:{'retry1' if i in (3, 7) else 'ok'}" for i in range(10)])
    consumer = start(url, server, visibility=1)
    consumer.wait_done(10)
    consumer.end()
    assert Counter(consumer.begun()) == {f"{i}:ok": 1 for i in range(10) if i not in (3, 7)} | {"3:retry1": 2, "7:retry1": 2}
    assert in_queue(sqs, url) == (0, 0)


def test_at_once_or_when_its_visibility_ends(start, server, sqs):
    url = make(sqs)
    send(sqs, url, "a:retry1")
    began = time.monotonic()
    consumer = start(url, server, visibility=60, retry_at_once=1)
    consumer.wait_done(1)
    consumer.end()
    assert time.monotonic() - began < 20


def test_visibility_is_extended_while_a_handler_is_slow(start, server, sqs):
    url = make(sqs)
    send(sqs, url, "slow:sleep5000", "waits")
    consumer = start(url, server, visibility=2, workers=2)
    consumer.wait_begun(1)
    while len(consumer.done()) < 2:
        assert receive(sqs, url) == []
        time.sleep(0.05)
    consumer.end()
    assert sorted(consumer.begun()) == ["slow:sleep5000", "waits"] and in_queue(sqs, url) == (0, 0)
    assert requests(server, "ChangeMessageVisibilityBatch") >= 4


def test_what_is_given_up_goes_to_the_dead_letter_queue_with_the_reason(start, server, sqs):
    url, dead = make(sqs), make(sqs)
    send(sqs, url, "a:giveup", "b", MessageAttributes={"n": {"DataType": "Number.x", "StringValue": "7"}, "raw": {"DataType": "Binary", "BinaryValue": b"\0\xff"}})
    consumer = start(url, server, dead=dead)
    wait_until("both are out", lambda: in_queue(sqs, url) == (0, 0), process=consumer.process)
    consumer.end()
    got = receive(sqs, dead, MessageAttributeNames=["All"])
    assert bodies(got) == ["a:giveup"] and consumer.begun() .count("a:giveup") == 1
    assert got[0]["MessageAttributes"] == {"n": {"DataType": "Number.x", "StringValue": "7"}, "raw": {"DataType": "Binary", "BinaryValue": b"\0\xff"},
                                           "stream2sqs.reason": {"DataType": "String", "StringValue": r"no\x09good \xff"}}


def test_without_one_the_queue_itself_decides(start, server, sqs):
    dead = make(sqs)
    url = make(sqs, RedrivePolicy=redrive(dead, 2))
    send(sqs, url, "a:giveup")
    consumer = start(url, server, retry_at_once=1)
    wait_until("it is dead", lambda: in_queue(sqs, dead) == (1, 0), process=consumer.process)
    consumer.end()
    assert consumer.begun() == ["a:giveup"] * 2
    assert r"no\x09good \xff" in consumer.said()


def test_a_dead_letter_queue_that_is_not_there_loses_nothing(start, server, sqs):
    url = make(sqs)
    send(sqs, url, "a:giveup")
    consumer = start(url, server, dead=url + "-missing")
    consumer.process.wait(30)
    consumer.end(NOT_FOUND)
    assert "-missing" in consumer.lines("status")[0][1]
    assert sum(in_queue(sqs, url)) == 1


def test_when_it_comes_again_may_be_said_for_each_message(start, server, sqs):
    url = make(sqs)
    send(sqs, url, "now:after0", "later:after3")
    began = time.monotonic()
    consumer = start(url, server, visibility=60, workers=2)
    wait_until("one is back at once", lambda: consumer.done() == ["now:after0"], process=consumer.process)
    assert time.monotonic() - began < 3
    consumer.wait_done(2)
    consumer.end()
    assert time.monotonic() - began >= 3 and consumer.lines("counts") == [["2", "2", "0", "2"]]


# ---- how long it goes on ----


def test_no_more_is_received_than_is_wanted(start, server, sqs):
    url = make(sqs)
    send(sqs, url, *[f"{i}:{'retry' if i == 3 else 'ok'}" for i in range(100)])
    consumer = start(url, server, workers=4, max=37, visibility=600)
    assert consumer.process.wait(30) == OK
    assert len(consumer.begun()) == 37 and consumer.lines("counts") == [["36", "1", "0", "36"]]
    assert in_queue(sqs, url) == (63, 1)
    consumer = start(url, server, workers=4, max=1, runs=3)  # it may be run again
    assert consumer.process.wait(30) == OK
    assert len(consumer.begun()) == 3 and in_queue(sqs, url) == (60, 1)
    assert all(m["Attributes"]["ApproximateReceiveCount"] == "1" for m in receive(sqs, url, AttributeNames=["All"]))


def test_it_stops_when_the_queue_is_empty(start, server, sqs):
    url, ordered = make(sqs), make(sqs, fifo=True)
    everything = [f"{i}:{'sleep1500' if i % 20 == 0 else 'ok'}" for i in range(60)]
    send(sqs, url, *everything)
    for i in range(25):  # what follows in a group cannot be received while those before it are in flight
        sqs.send_message(QueueUrl=ordered, MessageBody=f"{i}:{'sleep1500' if i == 12 else 'ok'}", MessageGroupId="g", MessageDeduplicationId=str(i))
    for queue, count in ((url, 60), (ordered, 25), (url, 0)):
        consumer = start(queue, server, workers=2, empty=1)
        assert consumer.process.wait(30) == OK and len(consumer.done()) == count
    assert in_queue(sqs, url) == in_queue(sqs, ordered) == (0, 0)
    send(sqs, url, "failing:retry")
    consumer = start(url, server, empty=1, visibility=600)
    assert consumer.process.wait(10) == OK and consumer.begun() == ["failing:retry"]  # hidden, and not waited for


def test_a_queue_by_its_name(start, server, sqs):
    url, dead = make(sqs), make(sqs)
    name, dead_name = (u.rsplit("/", 1)[1] for u in (url, dead))
    send(sqs, url, "a", "b:giveup")
    consumer = start(name, server, endpoint=server.url, dead_name=dead_name, empty=1)
    assert consumer.process.wait(20) == OK
    assert consumer.lines("counts") == [["1", "0", "1", "2"]] and bodies(receive(sqs, dead)) == ["b:giveup"]
    consumer = start(name + "-missing", server, endpoint=server.url)
    assert consumer.process.wait(20) == NOT_FOUND
    assert consumer.lines("status")[0][1].startswith(f"GetQueueUrl of {name}-missing at http://127.0.0.1:")
    consumer = start(name, server, endpoint=server.url, dead_name="missing")
    assert consumer.process.wait(20) == NOT_FOUND and "GetQueueUrl of missing at http" in consumer.lines("status")[0][1]
    server.kill()
    consumer = start(name, server, endpoint=server.url, max=1)
    wait_until("it says so", lambda: "calls fail; trying again action=GetQueueUrl" in consumer.said(), process=consumer.process)
    server.start()
    send(sqs, url, "c")
    assert consumer.process.wait(40) == OK and consumer.done() == ["c"]


# ---- FIFO ----


def test_a_group_stays_in_order_after_a_failure(start, server, sqs):
    url, dead = make(sqs, fifo=True), make(sqs, fifo=True)
    for i in range(6):
        for group in "abc":
            what = ":retry1" if (group, i) in (("a", 1), ("b", 4)) else ":giveup" if (group, i) == ("c", 2) else ""
            sqs.send_message(QueueUrl=url, MessageBody=f"{group}{i}{what}", MessageGroupId=group, MessageDeduplicationId=f"{group}{i}")
    consumer = start(url, server, workers=4, visibility=2, dead=dead)
    consumer.wait_done(17)
    wait_until("all are out", lambda: in_queue(sqs, url) == (0, 0), process=consumer.process)
    consumer.end()
    order = {g: [b[:2] for b in consumer.begun() if b[0] == g] for g in "abc"}
    assert order == {"a": ["a0", "a1", "a1", "a2", "a3", "a4", "a5"], "b": ["b0", "b1", "b2", "b3", "b4", "b4", "b5"], "c": [f"c{i}" for i in range(6)]}
    assert {line[3] for line in consumer.lines("begin")} == set("abc")
    assert bodies(receive(sqs, dead)) == ["c2:giveup"]


def test_groups_run_side_by_side_but_each_alone(start, server, sqs):
    url = make(sqs, fifo=True)
    for i in range(4):
        for group in "abcd":
            sqs.send_message(QueueUrl=url, MessageBody=f"{group}{i}:sleep100", MessageGroupId=group, MessageDeduplicationId=f"{group}{i}")
    consumer = start(url, server, workers=8)
    consumer.wait_done(16)
    consumer.end()
    running, most = set(), 0
    for line in consumer.path.read_text().split("\n"):
        kind, _, rest = line.partition("\t")
        if kind == "begin":
            assert rest[0] not in running
            running.add(rest[0])
            most = max(most, len(running))
        elif kind == "end":
            running.remove(rest[0])
    assert most >= 3


# ---- stopping ----


def test_a_stop_by_a_signal_loses_nothing_and_hides_nothing(start, server, sqs):
    url = make(sqs)
    everything = [f"{i}:sleep{200 if i % 10 == 0 else 10}" for i in range(400)]
    send(sqs, url, *everything)
    consumer = start(url, server, workers=4, visibility=600)
    consumer.wait_done(60)
    consumer.end(OK)
    handled = consumer.done()
    assert consumer.lines("status") == [["0", ""]] and sorted(handled) == sorted(consumer.begun()) and len(set(handled)) == len(handled) < 400
    assert in_queue(sqs, url) == (400 - len(handled), 0)
    rest = []
    while got := receive(sqs, url):
        rest += bodies(got)
    assert sorted(rest + handled) == sorted(everything)


def test_a_stop_under_load_hides_nothing(start, server, sqs):
    url = make(sqs)
    everything = [str(i) for i in range(3000)]
    send(sqs, url, *everything)
    consumer = start(url, server, workers=8, visibility=600)
    consumer.wait_done(500)
    consumer.end(OK)
    handled = consumer.done()
    assert len(set(handled)) == len(handled) < 3000
    assert in_queue(sqs, url) == (3000 - len(handled), 0)


def test_a_stop_does_not_give_what_it_releases_to_its_own_long_poll(start, server, sqs):
    url = make(sqs)
    send(sqs, url, *[str(i) for i in range(40)])
    consumer = start(url, server, workers=4, visibility=600)
    consumer.wait_done(40)  # handlers seem to be fast: much is received ahead
    send(sqs, url, *[f"{i}:sleep3000" for i in range(24)])
    wait_until("all are received", lambda: in_queue(sqs, url) == (0, 24), process=consumer.process)
    asked = requests(server, "ReceiveMessage")
    time.sleep(1.2)  # so that a receive which waits for more is a long poll for certain
    assert requests(server, "ReceiveMessage") == asked and in_queue(sqs, url) == (0, 24)
    consumer.end(OK)
    assert in_queue(sqs, url) == (64 - len(consumer.done()), 0)


def test_a_stop_by_a_handler_ends_a_long_poll(start, server, sqs):
    url = make(sqs)
    consumer = start(url, server)
    wait_until("it waits", lambda: requests(server, "ReceiveMessage") == 1, process=consumer.process)
    send(sqs, url, "a:stop")
    assert consumer.process.wait(10) == OK
    assert in_queue(sqs, url) == (0, 0)
    asked = requests(server, "ReceiveMessage")
    consumer = start(url, server)
    wait_until("it waits", lambda: requests(server, "ReceiveMessage") == asked + 1, process=consumer.process)
    began = time.monotonic()
    consumer.end(OK)
    assert time.monotonic() - began < 5
    send(sqs, url, "b")
    assert bodies(receive(sqs, url)) == ["b"]  # nobody waits any more who would get it


# ---- trouble ----


def test_a_server_that_is_killed_in_the_middle(start, server, sqs):
    url = make(sqs)
    everything = [f"{i}:sleep20" for i in range(300)]
    send(sqs, url, *everything)
    consumer = start(url, server, workers=4, visibility=3)
    for count in (40, 120):
        consumer.wait_done(count)
        server.kill()
        done = len(consumer.done())
        server.start()
        consumer.wait_done(done + 20)
    wait_until("the queue is empty", lambda: in_queue(sqs, url) == (0, 0), 60, consumer.process)
    consumer.end(OK)
    assert set(consumer.done()) == set(everything)
    server.command("audit", check=0)


def test_faults_on_the_way(start, server, sqs):
    url = make(sqs)
    everything = [f"{i}" for i in range(600)]
    send(sqs, url, *everything)
    proxy = FaultProxy(server.port, seed=5, rates=dict.fromkeys(("lost_reply", "cut_reply", "error_500", "error_503", "throttle", "cut_request"), 0.05))
    proxy.operations = ("",)
    try:
        consumer = start(url.replace(server.url, proxy.url), server, workers=4, visibility=2)
        wait_until("the queue is empty", lambda: in_queue(sqs, url) == (0, 0), 90, consumer.process)
        consumer.end(OK)
    finally:
        proxy.close()
    assert set(consumer.done()) == set(everything) and sum(proxy.counts.values()) > 10


def test_a_wrong_key_ends_it(start, server, sqs):
    url = make(sqs)
    for key in ({**server.key, "aws_secret_access_key": "wrong"}, {**server.key, "aws_access_key_id": "AKIANOBODY"}):
        consumer = start(url, keys=key)
        assert consumer.process.wait(20) == CREDENTIALS
        assert consumer.lines("status")[0][1].startswith("ReceiveMessage at " + url)
        assert server.key["aws_secret_access_key"] not in consumer.said() + consumer.path.read_text()
    assert start(url, keys={"aws_access_key_id": "", "aws_secret_access_key": ""}).process.wait(20) == CREDENTIALS


def test_a_key_that_may_not_delete_ends_it(start, make_bridge, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("AKIAOWNER:owner-secret\nAKIAREADER:reader-secret actions=ReceiveMessage,ChangeMessageVisibility\n")
    keys.chmod(0o600)
    bridge = make_bridge("--access-keys-file", keys, "--queue", "q", endpoint=None).start()
    sqs = boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, aws_access_key_id="AKIAOWNER", aws_secret_access_key="owner-secret")
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    send(sqs, url, "a")
    consumer = start(url, keys={"aws_access_key_id": "AKIAREADER", "aws_secret_access_key": "reader-secret"}, visibility=5)
    assert consumer.process.wait(20) == CREDENTIALS
    assert consumer.lines("status")[0][1].startswith("DeleteMessageBatch at ") and consumer.done() == ["a"]
    assert "its delete is not confirmed: it may come again" in consumer.said()
    assert bodies(receive(sqs, url, wait=10)) == ["a"]


def test_a_queue_that_is_not_there_ends_it(start, server):
    consumer = start(server.url + "/000000000000/missing", server, runs=2)
    assert consumer.process.wait(30) == NOT_FOUND
    assert [line[0] for line in consumer.lines("status")] == [str(NOT_FOUND)] * 2  # it may be run again


@pytest.mark.parametrize("url,options,says", [
    ("http://192.0.2.1/000000000000/q", {}, "not encrypted"),
    ("http://127.0.0.1:1", {}, "wanted https://HOST/ACCOUNT/NAME"),
    ("http://127.0.0.1:1/1/q", {"dead": "http://127.0.0.1:1/1/q"}, "the queue itself"),
    ("http://127.0.0.1:1/1/q", {"dead": "http://127.0.0.1:2/1/q"}, "not of the queue's server"),
    ("https://127.0.0.1/1/q", {"endpoint": "http://192.0.2.1"}, "not encrypted"),
    ("http://127.0.0.1:1/1/q", {"workers": 1025}, "at most 1024"),
    ("http://127.0.0.1:1/1/q", {"visibility": 43201}, "at most 43200"),
    ("http://127.0.0.1:1/1/q", {"key": "AKIA"}, "belong together"),
    ("http://127.0.0.1:1/1/q", {"empty": 21}, "at most 20"),
    ("http://127.0.0.1:1/1/q", {"dead_name": "q"}, "the queue itself"),
    ("http://127.0.0.1:1/1/q", {"dead_name": "d", "dead": "http://127.0.0.1:1/1/d"}, "not both"),
])
def test_options_that_make_no_sense(start, url, options, says):
    consumer = start(url, keys=KEY, **options)
    assert consumer.process.wait(20) == CONFIG
    assert says in consumer.lines("status")[0][1]


def test_a_server_that_is_not_there_is_waited_for(start, make_bridge):
    bridge = make_bridge("--queue", "q", endpoint=None).start()
    bridge.stop()
    consumer = start(bridge.url + "/000000000000/q", bridge)
    wait_until("it says so", lambda: "calls fail; trying again action=ReceiveMessage" in consumer.said(), process=consumer.process)
    bridge.start()
    send(client(bridge), bridge.url + "/000000000000/q", "a")
    consumer.wait_done(1, 40)
    wait_until("it goes on", lambda: "calls are answered again" in consumer.said(), 40, consumer.process)
    bridge.stop()
    began = time.monotonic()
    consumer.end(OK)
    assert time.monotonic() - began < 5


def test_credentials_that_come_later_and_that_never_come(start, server, sqs, tmp_path):
    url = make(sqs)
    send(sqs, url, "a")
    (tmp_path / ".aws").mkdir()
    answer = tmp_path / "answer"
    (tmp_path / ".aws/config").write_text(f"[default]\nregion = {REGION}\ncredential_process = sh -c 'while ! cat {answer}; do sleep 0.1; done 2>/dev/null'\n")
    consumer = start(url)
    wait_until("it says so", lambda: "calls fail" in consumer.said(), process=consumer.process)
    (tmp_path / "later").write_text('{"Version": 1, "AccessKeyId": "%s", "SecretAccessKey": "%s"}' % tuple(server.key.values()))
    (tmp_path / "later").rename(answer)
    consumer.wait_done(1)
    consumer.end(OK)
    (tmp_path / ".aws/config").write_text("[default]\ncredential_process = false\n")
    assert start(url).process.wait(30) == CREDENTIALS


def test_tls_with_a_ca_of_its_own(start, make_bridge, tmp_path):
    certificate, key = make_certificate(tmp_path, "one")
    bridge = make_bridge("--tls-certificate", certificate, "--tls-key", key, "--queue", "q", endpoint=None).start()
    sqs = tls_client(bridge, certificate)
    url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
    send(sqs, url, "a", "b")
    untrusting = start(url, bridge)
    wait_until("it says so", lambda: "certificate" in untrusting.said(), process=untrusting.process)
    untrusting.end(OK)
    consumer = start(url, bridge, ca_bundle=certificate)
    consumer.wait_done(2)
    consumer.end(OK)
    assert untrusting.begun() == [] and in_queue(sqs, url) == (0, 0)


# ---- many ----


def test_many_workers_and_consumers_in_one_process(start, server, sqs):
    url = make(sqs)
    everything = [f"{i}:sleep300" for i in range(192)]
    send(sqs, url, *everything)
    consumer = start(url, server, workers=32, consumers=2)
    consumer.wait_done(192)
    consumer.end(OK)
    assert sorted(consumer.begun()) == sorted(everything) and in_queue(sqs, url) == (0, 0)
    running, most = 0, 0
    for line in consumer.path.read_text().split("\n"):
        running += line.startswith("begin") - line.startswith("end")
        most = max(most, running)
    assert most >= 32


@pytest.mark.parametrize("peer", ["ministack", "fauxqs", "elasticmq"])
def test_other_servers(start, peers, peer):
    far = Far(peers[peer].port)
    send(far.sqs, far.url, *[f"{i}:{'retry1' if i == 5 else 'ok'}" for i in range(50)])
    consumer = start(far.url, keys=KEY, endpoint=f"http://127.0.0.1:{peers[peer].port}", workers=4, visibility=2)
    consumer.wait_done(50)
    consumer.end(OK)
    assert set(consumer.done()) == {f"{i}:{'retry1' if i == 5 else 'ok'}" for i in range(50)}
    assert consumer.begun().count("5:retry1") == 2
    assert far.drain() == []
