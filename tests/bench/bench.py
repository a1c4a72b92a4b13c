# SPDX-License-Identifier: Apache-2.0
"""What the bridge does, as a share of what the ledger alone could do on this machine (tests/bench/limit.c), and beside its peers.

    bench.py [quick|full]     prints a table and writes build/bench.json

Every figure is the median of several rounds; a round runs each thing once, one after the other, so that a slow minute of the machine hits all alike.
CPU is that of the process measured alone, from /proc/PID/stat. Everything runs on loopback with free ports, below build/bench, which goes afterwards.
"""

import json
import os
import pathlib
import shutil
import signal
import socketserver
import statistics
import subprocess
import sys
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import BUILD, REGION, Bridge, Server, cpu_seconds, free_port, wait_until  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DIRECTORY = BUILD / "bench"
PACKAGES = BUILD / "bench-packages"  # of peers; kept
LIMIT = BUILD / "tests/bench/limit"
SQS_LOAD = BUILD / "tests/bench/sqs_load"
ARN = f"arn:aws:dynamodb:{REGION}:000000000000:table/bench/stream/2026-01-01T00:00:00.000"
SHARDS = 64  # the bridge reads a shard five times a second at most, as AWS asks for
PAGE = 1000
CONNECTIONS = (1, 4, 16, 64)
FAUXQS = "fauxqs@1.9.2"
ELASTICMQ = "1.6.14"

PLANS = {
    "quick": {"rounds": 1, "limit": 30_000, "limits": [10_000], "capture": 64_000, "life": 30_000, "single": 10_000, "pending": [10_000, 100_000],
              "settled": 100_000, "latencies": 60, "peer": 10_000, "endpoint": 5_000, "elasticmq": False},
    "normal": {"rounds": 3, "limit": 100_000, "limits": [10_000, 100_000, 1_000_000], "capture": 256_000, "life": 100_000, "single": 30_000,
               "pending": [10_000, 100_000, 1_000_000], "settled": 1_000_000, "latencies": 400, "peer": 30_000, "endpoint": 20_000,
               "elasticmq": False},
}
PLANS["full"] = PLANS["normal"] | {"limits": [10_000, 100_000, 1_000_000, 10_000_000], "elasticmq": True}


# ---- a stream whose pages are ready ----

def shard_id(index):
    return f"shardId-00000001767225600000-{index + 1:08x}"


def sequence(number):
    return f"1{number:020}"


def record(number, room, extra=""):
    """A stream record of `room` bytes, in the form of limit.c's."""
    head = (f'{{"eventID":"{number * 0x9E3779B97F4A7C15 % 2**64:016x}{number:016x}","eventName":"MODIFY","eventVersion":"1.1","eventSource":"aws:dynamodb",'
            f'"awsRegion":"{REGION}","dynamodb":{{"ApproximateCreationDateTime":{int(time.time())},"Keys":{{"id":{{"S":"order-{number:012}"}}}},'
            f'"NewImage":{{"id":{{"S":"order-{number:012}"}},"amount":{{"N":"{number % 100000}"}},"status":{{"S":"PAID"}},{extra}"note":{{"S":"')
    tail = f'"}}}},"SequenceNumber":"{sequence(number)}","SizeBytes":{room},"StreamViewType":"NEW_AND_OLD_IMAGES"}}}}'
    return head + "." * (room - len(head) - len(tail)) + tail


def http(text):
    body = text.encode()
    return (f"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\nx-amz-crc32: {zlib.crc32(body)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def page(records, iterator):
    return http(f'{{"Records":[{",".join(records)}],"NextShardIterator":"{iterator}"}}')


class Stream:
    """DynamoDB Streams with `count` records from number `first` on, in whole pages spread over the shards. Knows when reading began, and when it was over: the
    read after a shard's last page tells that the bridge has committed that page, because nothing leaves it before the commit that it depends on."""

    def __init__(self, count, first=0, shards=SHARDS, room=1024):
        self.pages = [[] for _ in range(shards)]  # of each shard: (last sequence number, answer)
        for n, start in enumerate(range(first, first + count, PAGE)):
            numbers = range(start, min(start + PAGE, first + count))
            mine = self.pages[n % shards]
            iterator = f"{n % shards}:{len(mine) + 1}"
            mine.append((sequence(numbers[-1]), page([record(i, room) for i in numbers], iterator)))
        self.unread = {i for i, mine in enumerate(self.pages) if mine}
        self.began = threading.Event()
        self.finished = threading.Event()
        self.on_begin = self.on_finish = lambda: None
        self.lock = threading.Lock()

    def get_records(self, shard, at):
        with self.lock:
            if not self.began.is_set():
                self.on_begin()
                self.began.set()
            if at < len(self.pages[shard]):
                return self.pages[shard][at][1]
            self.unread.discard(shard)
            if not self.unread and not self.finished.is_set():
                self.on_finish()
                self.finished.set()
        return page([], f"{shard}:{at}")

    def call(self, operation, request):
        if operation == "GetRecords":
            shard, at = request["ShardIterator"].split(":")
            return self.get_records(int(shard), int(at))
        if operation == "GetShardIterator":
            shard = int(request["ShardId"][-8:], 16) - 1
            after = request.get("SequenceNumber", "")
            at = sum(1 for last, _ in self.pages[shard] if last <= after)
            return http(json.dumps({"ShardIterator": f"{shard}:{at}"}))
        if operation == "DescribeStream":
            shards = [{"ShardId": shard_id(i), "SequenceNumberRange": {"StartingSequenceNumber": sequence(0)}} for i in range(len(self.pages))]
            return http(json.dumps({"StreamDescription": {"StreamArn": ARN, "StreamStatus": "ENABLED", "TableName": "bench", "Shards": shards}}))
        if operation == "ListStreams":
            return http(json.dumps({"Streams": [{"StreamArn": ARN, "TableName": "bench", "StreamLabel": "2026-01-01T00:00:00.000"}]}))
        return http(json.dumps({"Table": {"TableName": "bench", "LatestStreamArn": ARN, "TableStatus": "ACTIVE"}}))


class StampedStream(Stream):
    """Each page holds one record, which says when it left."""

    def __init__(self, count):
        super().__init__(0, shards=4)
        self.left = count
        self.number = 0

    def get_records(self, shard, at):
        with self.lock:
            if self.left == 0:
                return page([], f"{shard}:{at}")
            self.left -= 1
            self.number += 1
            number = self.number
        return page([record(number, 1024, f'"sent_ns":{{"N":"{time.monotonic_ns()}"}},')], f"{shard}:{at + 1}")


class Answering(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def handle(self):
        try:
            self.answer_all()
        except (ConnectionResetError, BrokenPipeError):
            pass  # the bridge was stopped

    def answer_all(self):
        while self.rfile.readline():
            headers = {}
            while line := self.rfile.readline().strip():
                name, value = line.split(b":", 1)
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers[b"content-length"]))
            operation = headers[b"x-amz-target"].decode().split(".")[1]
            self.connection.sendall(self.server.stream.call(operation, json.loads(body)))


class FakeAws(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, stream):
        super().__init__(("127.0.0.1", 0), Answering)
        self.stream = stream
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


# ---- measuring ----

def memory_kib(pid, what):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1])
    raise KeyError(what)


class Mark:
    """A moment: the time, and a process's CPU until then."""

    def __init__(self, pid):
        self.at = time.monotonic()
        self.cpu_us = cpu_seconds(pid) * 1e6

    def since(self, earlier, count):
        seconds = self.at - earlier.at
        return {"per_second": count / seconds, "seconds": seconds, "cpu_us": (self.cpu_us - earlier.cpu_us) / count}


def new_directory(name):
    path = DIRECTORY / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    os.sync()  # what was measured before has nothing more to write
    return path


def limit(ledger, *options):
    done = subprocess.run([LIMIT, "--ledger", ledger, *map(str, options)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"limit: {done.stderr}")
    return json.loads(done.stdout)


def load(endpoint, queue_url, keys, mode, messages, *options):
    command = [SQS_LOAD, "--endpoint", endpoint, "--queue-url", queue_url, "--keys", keys, "--region", REGION, "--mode", mode, "--messages", messages]
    done = subprocess.run([*map(str, command), *map(str, options)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


class Run:
    """The bridge on a directory's ledger, reading `stream`; for a `with`."""

    def __init__(self, directory, stream):
        self.stream = stream
        self.aws = FakeAws(stream)
        self.bridge = Bridge(directory, self.aws.url, "--stream", "bench", "--queue", "bench", "--poll-interval", "200ms")
        stream.on_begin = lambda: setattr(self, "begin", self.mark())
        stream.on_finish = lambda: setattr(self, "finish", self.mark())

    def __enter__(self):
        began = time.monotonic()
        try:
            self.bridge.start()
        except BaseException:
            self.__exit__()
            raise
        self.start_seconds = time.monotonic() - began
        return self

    def __exit__(self, *_):
        self.bridge.stop()
        self.aws.stop()

    def mark(self):
        return Mark(self.bridge.server.process.pid)

    def load(self, mode, messages, *options):
        url = self.bridge.url
        return load(url.removeprefix("http://"), f"{url}/000000000000/bench", f"{self.bridge.ledger}.keys", mode, messages, *options)

    def metric(self, name):
        for line in self.bridge.admin("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise KeyError(name)

    def captured(self, count):
        if not self.stream.finished.wait(120):
            raise TimeoutError("the stream was not read to its end")
        if (got := self.metric("stream2sqs_records_read_total")) != count:
            raise RuntimeError(f"{got} records were stored, of {count}")


def capture(directory, count):
    with Run(directory, Stream(count)) as run:
        run.captured(count)
        return run.finish.since(run.begin, count)


def life(directory, count, mode="consume", first=0):
    """Reading and consuming at once, until as many are deleted as were read."""
    with Run(directory, Stream(count, first)) as run:
        pid = run.bridge.server.process.pid
        rss = memory_kib(pid, "VmRSS")
        said = run.load(mode, count, "--connections", 16)
        result = run.mark().since(run.begin, count)
        run.captured(count)
        return result | {"start_seconds": run.start_seconds, "rss_at_start_kib": rss, "rss_kib": memory_kib(pid, "VmRSS"),
                         "peak_kib": memory_kib(pid, "VmHWM"), "load": said}


def send_and_consume(pid, count, do):
    """What a peer can do, too: SendMessageBatch instead of a stream."""
    begin = Mark(pid)
    do("send", count, "--connections", 16)
    middle = Mark(pid)
    do("consume", count, "--connections", 16, "--wait", 0)
    end = Mark(pid)
    return end.since(begin, count) | {"send": middle.since(begin, count), "consume": end.since(middle, count)}


def own_peer(directory, count):
    with Run(directory, Stream(0, shards=1)) as run:
        return send_and_consume(run.bridge.server.process.pid, count, run.load)


def endpoint(directory, count, connections):
    """What SQS clients do, each step by itself. One connection has one request in hand: each is a commit with its sync."""
    with Run(directory, Stream(0, shards=1)) as run:
        marks = [Mark(run.bridge.server.process.pid)]
        for mode in ("send", "consume", "send", "single"):
            run.load(mode, count, "--connections", connections, *(["--wait", 0] if mode != "send" else []))
            marks.append(Mark(run.bridge.server.process.pid))
        return {"send": marks[1].since(marks[0], count), "receive 10, delete 10": marks[2].since(marks[1], count),
                "receive 10, delete singly": marks[4].since(marks[3], count), "in tens": marks[2].since(marks[0], count),
                "with single deletes": marks[4].since(marks[2], count)}


def latency(directory, count):
    with Run(directory, StampedStream(count)) as run:
        return run.load("watch", count, "--connections", 4, "--wait", 20)["latency_us"]


# ---- peers ----

def peer_life(server, port, queue_url, count, directory):
    keys = directory / "keys"
    keys.write_text("test:test\n")
    try:
        return send_and_consume(server.process.pid, count, lambda *what: load(f"127.0.0.1:{port}", queue_url, keys, *what))
    finally:
        server.stop()


def install(command, directory, proof):
    """Gets a peer once; a machine that cannot reach the registry skips it."""
    if proof.exists():
        return
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not proof.exists():
        raise RuntimeError(f"{command[0]} could not install it: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")


def fauxqs(directory, count):
    PACKAGES.mkdir(parents=True, exist_ok=True)
    install(["npm", "install", "--prefix", PACKAGES, "--no-audit", "--no-fund", FAUXQS], PACKAGES, PACKAGES / "node_modules/fauxqs/dist/app.js")
    port = free_port()
    log = directory / "fauxqs.log"
    server = PipedServer(["node", HERE / "peer_fauxqs.mjs", port, "bench"], log, PACKAGES)
    try:
        wait_until("fauxqs", lambda: "queue_url" in log.read_text(), process=server.process)
    except BaseException:
        server.stop()
        raise
    line = next(line for line in log.read_text().splitlines() if "queue_url" in line)
    return peer_life(server, port, json.loads(line)["queue_url"], count, directory)


class PipedServer(Server):
    """Ends when its standard input does: it does not outlive this process, whatever ends that."""

    def __init__(self, arguments, log, cwd):
        self.log = open(log, "ab")
        self.process = subprocess.Popen([str(a) for a in arguments], cwd=cwd, stdout=self.log, stderr=self.log, stdin=subprocess.PIPE)


ELASTICMQ_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>bench</groupId><artifactId>bench</artifactId>
<version>1</version><dependencies><dependency><groupId>org.elasticmq</groupId><artifactId>elasticmq-server_2.13</artifactId><version>{ELASTICMQ}</version>
</dependency></dependencies></project>"""


def elasticmq(directory, count):
    place = PACKAGES / "elasticmq"
    place.mkdir(parents=True, exist_ok=True)
    (place / "pom.xml").write_text(ELASTICMQ_POM)
    install(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"], place, place / f"lib/elasticmq-server_2.13-{ELASTICMQ}.jar")
    port = free_port()
    (directory / "elasticmq.conf").write_text(f"""include classpath("application.conf")
node-address {{ protocol = http, host = "127.0.0.1", port = {port}, context-path = "" }}
rest-sqs {{ enabled = true, bind-port = {port}, bind-hostname = "127.0.0.1", sqs-limits = strict }}
rest-stats {{ enabled = false }}
messages-storage {{ enabled = true, uri = "jdbc:h2:{directory}/elasticmq" }}
queues {{ bench {{ defaultVisibilityTimeout = 30 seconds }} }}
""")
    server = Server(["java", f"-Dconfig.file={directory}/elasticmq.conf", "-cp", f"{place}/lib/*", "org.elasticmq.server.Main"], directory / "elasticmq.log")
    try:
        wait_until("ElasticMQ", lambda: "started" in (directory / "elasticmq.log").read_text(), 60, server.process)
    except BaseException:
        server.stop()
        raise
    return peer_life(server, port, f"http://127.0.0.1:{port}/000000000000/bench", count, directory)


# ---- what is measured ----

class Results:
    """Samples by name, in rounds."""

    def __init__(self):
        self.samples = {}
        self.skipped = {}

    def add(self, name, sample):
        self.samples.setdefault(name, []).append(sample)

    def median(self, name, field):
        return statistics.median(s[field] for s in self.samples[name])

    def spread(self, name, field="per_second"):
        values = [s[field] for s in self.samples[name]]
        return (max(values) - min(values)) / statistics.median(values)


def note(text):
    print(f"  .. {text}", file=sys.stderr, flush=True)


def add_limit(results, name, said):
    for what in ("insert", "life"):
        for sample in said[what]:
            results.add(f"{name} {what}", sample)


def measure_limits(results, plan):
    for size in plan["limits"]:
        for engine in ([], ["--raw"]):
            note(f"limit {engine} with {size} records in the ledger")
            directory = new_directory("limit")
            add_limit(results, f"limit{' raw' if engine else ''} at {size}",
                      limit(directory / "ledger.db", "--preload", size, "--records", 20_000, "--repeat", plan["rounds"], *engine))
            shutil.rmtree(directory)


def limit_now(results, plan):
    """The limit program's rates at this moment, by the name of the sample."""
    said = {}
    for engine in ([], ["--raw"]):
        name = f"limit{' raw' if engine else ''}"
        one = limit(new_directory("limit") / "ledger.db", "--records", plan["limit"], "--repeat", 1, *engine)
        add_limit(results, name, one)
        said |= {f"{name} {what}": one[what][0]["per_second"] for what in ("insert", "life")}
    return said


def measure_rounds(results, plan):
    for turn in range(plan["rounds"]):
        note(f"round {turn + 1} of {plan['rounds']}: limit, life, limit, capture, endpoint")
        before = limit_now(results, plan)
        measured = {"life": life(new_directory("life"), plan["life"]),
                    "life, single deletes": life(new_directory("life"), plan["single"], "single")}
        after = limit_now(results, plan)
        measured["capture"] = capture(new_directory("capture"), plan["capture"])  # writes the most: what comes right after it is slower for a while
        # The machine's speed changes within a round: what is compared is what was measured one after the other.
        beside = {name: (before[name] + after[name]) / 2 for name in before}
        for name, sample in measured.items():
            results.add(name, sample | {"beside": beside})
        results.add("sent life", own_peer(new_directory("life"), plan["peer"]))
        for connections in CONNECTIONS:
            for what, sample in endpoint(new_directory("endpoint"), plan["endpoint"] // (4 if connections == 1 else 1), connections).items():
                results.add(f"endpoint {connections} {what}", sample)
    note("latency")
    results.add("latency", latency(new_directory("latency"), plan["latencies"]))
    for name in ("limit", "capture", "life", "endpoint", "latency"):
        shutil.rmtree(DIRECTORY / name)


def measure_backlogs(results, plan):
    """The same life on ledgers of several sizes, by turns."""
    kinds = {f"life, {size} pending": ["--preload", size] for size in plan["pending"]}
    kinds[f"life, {plan['settled']} settled"] = ["--preload", plan["settled"], "--settled"]
    first = {}
    for number, (name, options) in enumerate(kinds.items()):
        note(f"filling a ledger: {name}")
        first[name] = limit(new_directory(f"backlog-{number}") / "ledger.db", "--records", 0, "--repeat", 0, *options)["made"]
    for turn in range(plan["rounds"]):
        for number, name in enumerate(kinds):
            note(f"round {turn + 1} of {plan['rounds']}: {name}")
            results.add(name, life(DIRECTORY / f"backlog-{number}", plan["life"], first=first[name]))
            first[name] += plan["life"]
    for number in range(len(kinds)):
        shutil.rmtree(DIRECTORY / f"backlog-{number}")


def measure_peers(results, plan):
    for name, peer in (("fauxqs", fauxqs), ("ElasticMQ", elasticmq)):
        if name == "ElasticMQ" and not (plan["elasticmq"] and shutil.which("mvn") and shutil.which("java")):
            results.skipped[name] = "with BENCH=full, and Maven there, only"
            continue
        for turn in range(plan["rounds"]):
            note(f"round {turn + 1} of {plan['rounds']}: {name}")
            try:
                results.add(name, peer(new_directory("peer"), plan["peer"]))
            except (RuntimeError, TimeoutError, OSError) as error:
                results.skipped[name] = str(error)
                break
        shutil.rmtree(DIRECTORY / "peer", ignore_errors=True)


# ---- the table ----

def ratio_of(results, name, against):
    """The median of each round's ratio to what was measured beside it, or else of the medians."""
    rounds = [s["per_second"] / s["beside"][against] for s in results.samples[name] if against in s.get("beside", {})]
    return statistics.median(rounds) if rounds else results.median(name, "per_second") / results.median(against, "per_second")


def rate_row(results, title, name, against=None, goal=None):
    row = {"title": title, "per_second": results.median(name, "per_second"), "cpu_us": results.median(name, "cpu_us"), "spread": results.spread(name)}
    if against:
        row |= {"of": against, "ratio": ratio_of(results, name, against), "cpu_ratio": row["cpu_us"] / results.median(against, "cpu_us")}
    if goal:
        row |= {"goal": f">= {goal:.0%}", "met": row["ratio"] >= goal}
    return row


def limit_rows(results, plan):
    for what in ("insert", "life"):
        yield rate_row(results, f"limit: {what}", f"limit {what}", f"limit raw {what}")
        yield rate_row(results, f"limit: {what}, bare SQLite calls", f"limit raw {what}")
    for size in plan["limits"]:
        for what in ("insert", "life"):
            yield rate_row(results, f"limit: {what}, {size:,} records in the ledger", f"limit at {size} {what}", f"limit {what}")
            yield rate_row(results, f"limit: {what}, {size:,}, bare SQLite calls", f"limit raw at {size} {what}", f"limit raw {what}")


def backlog_rows(results, plan):
    names = [f"life, {size} pending" for size in plan["pending"]] + [f"life, {plan['settled']} settled"]
    rates = [results.median(name, "per_second") for name in names]
    for name in names:
        yield rate_row(results, name, name, "life")
    yield {"title": "life with these: slowest to fastest", "ratio": min(rates) / max(rates), "goal": ">= 85%", "met": min(rates) >= 0.85 * max(rates)}
    most = f"life, {plan['pending'][-1]} pending"
    for field, goal in (("rss_kib", 64 * 1024), ("peak_kib", None), ("start_seconds", 1.0)):
        value = results.median(most, field)
        row = {"title": f"{most}: {field.replace('_', ' ')}", "value": value}
        yield row | ({"goal": f"<= {goal:g}", "met": value <= goal} if goal else {})


def endpoint_rows(results):
    for connections in CONNECTIONS:
        for what in ("send", "receive 10, delete 10", "receive 10, delete singly"):
            yield rate_row(results, f"{connections} connection{'s' if connections > 1 else ''}: {what}", f"endpoint {connections} {what}")
    for what, goal in (("in tens", 20), ("with single deletes", 35)):
        row = rate_row(results, f"send, receive, delete {what}, 16 connections", f"endpoint 16 {what}")
        yield row | {"goal": f"<= {goal} us", "met": row["cpu_us"] <= goal}


def peer_rows(results):
    for name in ("fauxqs", "ElasticMQ"):
        if name not in results.samples:
            yield {"title": f"{name}: not measured", "note": results.skipped.get(name, "")}
            continue
        yield rate_row(results, f"sent and consumed by {name}", name)
        yield rate_row(results, f"the same by stream2sqs, to {name}", "sent life", name)


def table(results, plan):
    yield from limit_rows(results, plan)
    yield rate_row(results, "capture", "capture", "limit insert", 0.5)
    yield rate_row(results, "capture, to bare SQLite calls", "capture", "limit raw insert")
    yield rate_row(results, "life: read, receive 10, delete 10", "life", "limit life", 0.5)
    yield rate_row(results, "life, to bare SQLite calls", "life", "limit raw life")
    yield rate_row(results, "life: single deletes, 16 connections", "life, single deletes", "limit life")
    yield from endpoint_rows(results)
    yield from backlog_rows(results, plan)
    for field in ("p50", "p99"):
        yield {"title": f"GetRecords' answer to long poll's answer: {field}, us", "value": results.median("latency", field)}
    yield from peer_rows(results)


def show(rows):
    print(f"{'':58} {'per second':>11} {'CPU us':>7} {'spread':>7} {'ratio':>6} {'CPU':>6}  goal")
    for row in rows:
        cells = [f"{row['title']:58}"]
        cells.append(f"{row['per_second']:>11,.0f}" if "per_second" in row else f"{row['value']:>11,.3g}" if row.get("value", 1e9) < 100
                     else f"{row['value']:>11,.0f}" if "value" in row else " " * 11)
        cells.append(f"{row['cpu_us']:>7.1f}" if "cpu_us" in row else " " * 7)
        cells.append(f"{row['spread']:>7.0%}" if "spread" in row else " " * 7)
        cells.append(f"{row['ratio']:>6.0%}" if "ratio" in row else " " * 6)
        cells.append(f"{row['cpu_ratio']:>6.1f}" if "cpu_ratio" in row else " " * 6)
        cells.append(f" {row['goal']} {'met' if row['met'] else 'MISSED'}" if "goal" in row else f" {row.get('note', '')}")
        print(" ".join(cells).rstrip())


def machine():
    model = [line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"cpus": os.cpu_count(), "model": model[0] if model else "", "kernel": os.uname().release, "load_before": os.getloadavg()[0]}


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "normal"
    if name not in PLANS or len(sys.argv) > 2:
        print(f"usage: bench.py [{'|'.join(PLANS)}]", file=sys.stderr)
        return 64
    plan = PLANS[name]
    results = Results()
    on = machine()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        measure_rounds(results, plan)
        measure_limits(results, plan)
        measure_backlogs(results, plan)
        measure_peers(results, plan)
    finally:
        shutil.rmtree(DIRECTORY, ignore_errors=True)
    rows = list(table(results, plan))
    show(rows)
    document = {"plan": name, "machine": on, "rows": rows, "samples": results.samples, "skipped": results.skipped}
    (BUILD / "bench.json").write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
