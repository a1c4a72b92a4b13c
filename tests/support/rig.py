# SPDX-License-Identifier: Apache-2.0
"""Real servers around the bridge, for the demo, the end-to-end tests and the benchmark: each is started on a free loopback port, waited for by an
event, and stopped by its process id."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build")).resolve()
BINARY = BUILD / "stream2sqs"
KEY = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
REGION = "eu-west-1"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, condition, seconds=20.0, process=None):
    """Until condition() is true; fails when the time is over, or the process ended."""
    end = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"{what}: the process ended with status {process.returncode}")
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def cpu_seconds(pid):
    """User's and system's, since the process began."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


class Server:
    """A process that dies with this one."""

    def __init__(self, arguments, log, env=None, directory=None):
        self.log = open(log, "ab")
        self.process = subprocess.Popen([str(a) for a in arguments], env=env, cwd=directory, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def stop(self, how=signal.SIGTERM, seconds=20):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
        self.log.close()
        return self.process.returncode


class Ministack(Server):
    """DynamoDB with streams, in the manner of AWS."""

    def __init__(self, directory):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        program = pathlib.Path(sys.executable).parent / "ministack"
        super().__init__([program], directory / "ministack.log", dict(os.environ, BIND_HOST="127.0.0.1", GATEWAY_PORT=str(self.port)))
        try:
            wait_until("ministack", lambda: answers(self.url + "/_ministack/ready"), process=self.process)
        except Exception:
            self.stop()
            raise


class Moto(Server):
    """DynamoDB with streams, by others than Ministack's. It keeps numbers as they were written; a stream cannot be enabled again, and is in region us-east-1 by its records."""

    def __init__(self, directory):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = directory / "moto.log"
        program = pathlib.Path(sys.executable).parent / "moto_server"
        super().__init__([program, "-H", "127.0.0.1", "-p", self.port], self.log_path)
        try:
            wait_until("moto", lambda: answers(self.url + "/moto-api/"), 60, self.process)
        except Exception:
            self.stop()
            raise

    def answered(self, status):
        """How many requests with that status so far."""
        return self.log_path.read_text().count(f'" {status} -')


class Fauxqs(Server):
    """An SQS-compatible server in Node.js."""

    def __init__(self, directory):
        self.port = free_port()
        log = directory / "fauxqs.log"
        super().__init__(["node", ROOT / "tests/peers/fauxqs.mjs", self.port], log, directory=BUILD / "node")
        try:
            wait_until("fauxqs", lambda: "ready" in log.read_text(), process=self.process)
        except Exception:
            self.stop()
            raise


class Elasticmq(Server):
    """An SQS-compatible server in Scala."""

    def __init__(self, directory):
        self.port = free_port()
        log = directory / "elasticmq.log"
        (directory / "elasticmq.conf").write_text(f"""include classpath("application.conf")
node-address {{ host = "127.0.0.1", port = {self.port} }}
rest-sqs {{ bind-hostname = "127.0.0.1", bind-port = {self.port} }}
rest-stats {{ enabled = false }}
""")
        super().__init__(["java", f"-Dconfig.file={directory}/elasticmq.conf", "-cp", f"{BUILD}/peers/lib/*", "org.elasticmq.server.Main"], log)
        try:
            wait_until("ElasticMQ", lambda: " started in " in log.read_text(), 60, self.process)
        except Exception:
            self.stop()
            raise


class Bridge:
    """stream2sqs run, with a ledger of its own; may be killed and started again."""

    def __init__(self, directory, endpoint, *flags, env=None):
        self.directory = pathlib.Path(directory)
        self.ledger = self.directory / "ledger.db"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        self.env.update(AWS_REGION=REGION, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_EC2_METADATA_DISABLED="true",
                        HOME=str(self.directory))
        if endpoint:
            self.env["AWS_ENDPOINT_URL"] = endpoint
        self.env.update(env or {})
        self.port = free_port()
        self.flags = [str(f) for f in flags]
        self.server = None

    def start(self, wait=True):
        addresses = pathlib.Path(f"{self.ledger}.addresses")
        addresses.unlink(missing_ok=True)
        self.server = Server([BINARY, "run", "--ledger", self.ledger, "--listen", f"127.0.0.1:{self.port}", "--admin", "127.0.0.1:0", *self.flags],
                             self.directory / "bridge.log", self.env)
        if wait:
            wait_until("stream2sqs", addresses.exists, process=self.server.process)
            self.addresses = json.loads(addresses.read_text())
        return self

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def key(self):
        key_id, secret = pathlib.Path(f"{self.ledger}.keys").read_text().strip().split(":", 1)
        return {"aws_access_key_id": key_id, "aws_secret_access_key": secret}

    def kill(self):
        self.server.stop(signal.SIGKILL)

    def stop(self):
        return self.server.stop() if self.server else 0

    def command(self, *arguments, check=None):
        """A command on this ledger: (exit status, standard output, standard error)."""
        done = subprocess.run([str(BINARY), arguments[0], "--ledger", str(self.ledger), *map(str, arguments[1:])], env=self.env, capture_output=True,
                              text=True, timeout=120, check=False)
        if check is not None and done.returncode != check:
            raise RuntimeError(f"{arguments}: status {done.returncode}, wanted {check}: {done.stdout}{done.stderr}")
        return done.returncode, done.stdout, done.stderr

    def json(self, *arguments, check=0):
        return json.loads(self.command(*arguments, "--json", check=check)[1])

    def admin(self, path):
        try:
            with urllib.request.urlopen(self.addresses["admin"] + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def log(self):
        return (self.directory / "bridge.log").read_text()
