# SPDX-License-Identifier: Apache-2.0
"""From a stream (tests/fake_aws_server) to an SQS that keeps nothing (tests/bench/null_sqs.c), over plain HTTP and TLS, beside the loops that a
team would write with boto3 and with JavaScript, and Apache Camel. Figures are of one run, in alternating rounds; CPU is the bridge's own, from /proc/PID/stat.

    send.py [quick|normal|full]     prints a table and writes build/bench-send.json
"""

import http.server
import json
import os
import pathlib
import shutil
import signal
import ssl
import statistics
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
from rig import BUILD, KEY, REGION, Bridge, cpu_seconds, wait_until  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
DIRECTORY = BUILD / "bench-send"
UNVERIFIED = ssl._create_unverified_context()
PLANS = {"quick": (1, 8_000, 4_000, 19_200), "normal": (3, 64_000, 8_000, 1_000_000), "full": (5, 64_000, 16_000, 1_000_000)}
# name: shards, queues, TLS
RUNS = {"1 shard, 1 queue": (1, 1, False), "4 shards, 1 queue": (4, 1, False), "16 shards, 1 queue": (16, 1, False),
        "16 shards, 1 queue, TLS": (16, 1, True), "16 shards, 4 queues": (16, 4, False), "16 shards, 4 queues, TLS": (16, 4, True)}
PEERS = {"boto3 loop": [sys.executable, HERE / "peer_boto3.py"], "JavaScript loop": ["node", HERE / "peer_javascript.mjs"]}
CAMEL = ["java", "-cp", f"{BUILD / 'camel'}:{BUILD / 'camel/lib/*'}", "CamelPeer"]


def memory_kib(pid, field):
    return next(int(line.split()[1]) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(field + ":"))


def port_in(path, process):
    wait_until(path.name, lambda: path.exists() and path.read_text().strip(), 120, process)
    return int(path.read_text())


class World:
    """The two servers."""

    def __init__(self, shards, records, tls):
        self.directory = DIRECTORY / "run"
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        certificate, key = self.directory / "certificate.pem", self.directory / "key.pem"
        if tls:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate,
                            "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        self.null = subprocess.Popen([BUILD / "tests/bench/null_sqs", self.directory / "sqs.port", *([certificate, key] if tls else [])], stdin=subprocess.PIPE)
        self.source = subprocess.Popen([BUILD / "tests/fake_aws_server", "--port", "0", "--port-file", self.directory / "aws.port",
                                        "--prepare", f"bench:{shards}:{records // shards}:1000"], stdout=subprocess.DEVNULL)
        try:
            self.sqs = f"http{'s' if tls else ''}://127.0.0.1:{port_in(self.directory / 'sqs.port', self.null)}"
            self.aws = f"http://127.0.0.1:{port_in(self.directory / 'aws.port', self.source)}"
        except BaseException:
            self.close()
            raise
        self.env = {"AWS_ENDPOINT_URL": self.aws, "AWS_ENDPOINT_URL_SQS": self.sqs}
        if tls:
            self.env["AWS_CA_BUNDLE"] = str(self.bundle(certificate))

    def bundle(self, certificate):
        """The system's authorities beside ours: reading them is part of what a connection to AWS costs."""
        system = pathlib.Path(ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt")
        path = self.directory / "bundle.pem"
        path.write_bytes((system.read_bytes() if system.exists() else b"") + certificate.read_bytes())
        return path

    def close(self):
        self.null.stdin.close()
        self.source.terminate()
        self.null.wait()
        self.source.wait()

    def arrived(self):
        with urllib.request.urlopen(self.sqs + "/", context=UNVERIFIED if self.sqs.startswith("https") else None, timeout=10) as answer:
            return json.load(answer)["messages"]

    def bridge(self, queues, **options):
        config = self.directory / "c.yaml"
        config.write_text(json.dumps({"pipelines": [{"stream": "bench", "poll_interval": "200ms",
                                                     "queues": [{"name": f"q{i}", "target": "sqs", **options} for i in range(queues)]}]}))
        return Bridge(self.directory, None, "--config", config, env=self.env)


def ours(shards, queues, tls, records):
    world = World(shards, records, tls)
    bridge = world.bridge(queues)
    try:
        bridge.start()
        pid = bridge.server.process.pid
        began, cpu = time.monotonic(), cpu_seconds(pid)
        wait_until("all sent", lambda: time.sleep(0.02) or world.arrived() >= records * queues, 300, bridge.server.process)
        seconds, used = time.monotonic() - began, cpu_seconds(pid) - cpu
        return {"per_second": records / seconds, "cpu_us": used / records * 1e6, "peak_kib": memory_kib(pid, "VmHWM")}
    finally:
        bridge.stop()
        world.close()


def loop(command, tls, records):
    """A loop that a team would write by hand."""
    world = World(1, records, tls)
    try:
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | world.env | {
            "NODE_PACKAGES": str(BUILD / "node"), "NODE_EXTRA_CA_CERTS": world.env.get("AWS_CA_BUNDLE", ""), "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": KEY["aws_access_key_id"], "AWS_SECRET_ACCESS_KEY": KEY["aws_secret_access_key"]}
        done = subprocess.run([*command, world.aws, world.sqs, str(records)], env=env, capture_output=True, text=True, timeout=300,
                              check=True)
        said = json.loads(done.stdout)
        return {"per_second": said["records"] / said["seconds"], "cpu_us": said["cpu_seconds"] / said["records"] * 1e6}
    finally:
        world.close()


class Sick(http.server.BaseHTTPRequestHandler):
    """Queues that are slow, denied and deleted: which one, the queue's name says."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        status, error = 400, "com.amazonaws.sqs#QueueDoesNotExist"
        if "denied" in body:
            status, error = 403, "com.amazon.coral.service#AccessDeniedException"
        elif "slow" in body:
            STOPPED.wait(5)
            status, error = 503, "com.amazon.coral.service#ServiceUnavailableException"
        answer = json.dumps({"__type": error, "message": "sick"}).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
        except OSError:
            pass  # the bridge has stopped


class SickServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # connections that were cut when the bridge stopped


STOPPED = threading.Event()


def healthy(records, with_sick):
    """A healthy queue alone, or beside a slow, a denied and a deleted one on the same stream: what each second brings to it."""
    world = World(4, records, False)
    sick = SickServer(("127.0.0.1", 0), Sick)
    threading.Thread(target=sick.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{sick.server_address[1]}"
    config = world.directory / "c.yaml"
    queues = [{"name": "good", "target": "sqs"}] + ([{"name": n, "target": "sqs", "endpoint_url": url, "address": f"{url}/0/{n}"} for n in ("slow", "denied", "deleted")]
                                                     if with_sick else [])
    config.write_text(json.dumps({"pipelines": [{"stream": "bench", "poll_interval": "200ms", "queues": queues}]}))
    bridge = Bridge(world.directory, None, "--config", config, env=world.env)
    try:
        bridge.start()
        began = time.monotonic()
        wait_until("all sent", lambda: time.sleep(0.01) or world.arrived() >= records, 300, bridge.server.process)
        return records / (time.monotonic() - began)
    finally:
        STOPPED.set()
        bridge.server.stop(signal.SIGKILL)
        STOPPED.clear()
        sick.shutdown()
        sick.server_close()
        world.close()


def outage(records):
    """The other server is down: everything waits in the ledger."""
    world = World(64, records, False)
    bridge = world.bridge(1, endpoint_url="http://127.0.0.1:1")
    try:
        bridge.start()
        pid = bridge.server.process.pid
        at_start = memory_kib(pid, "VmRSS")

        def read():
            time.sleep(0.2)
            return any(line == f"stream2sqs_records_read_total {records}" or line.startswith("stream2sqs_records_read_total ") and
                       float(line.split()[1]) >= records for line in bridge.admin("/metrics")[1].splitlines())

        wait_until("all read", read, 600, bridge.server.process)
        return {"records": records, "at_start_kib": at_start, "rss_kib": memory_kib(pid, "VmRSS"), "peak_kib": memory_kib(pid, "VmHWM")}
    finally:
        bridge.stop()
        world.close()


def main():
    rounds, records, peer_records, pending = PLANS[sys.argv[1] if len(sys.argv) > 1 else "normal"]
    samples, beside = {}, {}
    for turn in range(rounds):
        print(f"  .. round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
        for name, (shards, queues, tls) in RUNS.items():
            samples.setdefault(name, []).append(ours(shards, queues, tls, records // 4 if shards < 16 else records))
        for name, command in PEERS.items():
            for tls in (False, True):
                samples.setdefault(name + ", TLS" * tls, []).append(loop(command, tls, peer_records))
        samples.setdefault("Apache Camel", []).append(loop(CAMEL, False, peer_records))  # TLS would want a key store of Java's
        for with_sick in (False, True):
            beside.setdefault(with_sick, []).append(healthy(records // 4, with_sick))
    print("  .. outage", file=sys.stderr, flush=True)
    down = outage(pending)
    table = {name: {field: statistics.median(s[field] for s in found) for field in found[0]} for name, found in samples.items()}
    base = table["boto3 loop, TLS"]["cpu_us"]
    print(f"{'stream -> SQS':28} {'records/s':>10} {'CPU us/record':>14} {'of boto3 over TLS':>18}")
    for name, row in table.items():
        print(f"{name:28} {row['per_second']:10.0f} {row['cpu_us']:14.1f} {row['cpu_us'] / base:18.0%}")
    ratio = statistics.median(beside[True]) / statistics.median(beside[False])
    print(f"a healthy queue beside a slow, a denied and a deleted one, 4 shards: {statistics.median(beside[True]):.0f} records/s, alone "
          f"{statistics.median(beside[False]):.0f}: {ratio:.1%}")
    print(f"memory with {down['records']} pending: {down['rss_kib'] / 1024:.0f} MiB (at start {down['at_start_kib'] / 1024:.0f}, peak {down['peak_kib'] / 1024:.0f})")
    (BUILD / "bench-send.json").write_text(json.dumps({"medians": table, "samples": samples, "outage": down, "beside_sick_queues": ratio}, indent=1))
    shutil.rmtree(DIRECTORY, ignore_errors=True)


if __name__ == "__main__":
    main()
