# SPDX-License-Identifier: Apache-2.0
"""Clients as they are, pinned and unmodified, against the endpoint: each program runs its scenarios and says what became of each; a test looks at one of them."""

import functools
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))
from rig import BUILD, REGION, Bridge, Server, wait_until  # noqa: E402

COMMON = ["partial_failure", "visibility", "dead_letters", "fifo", "attributes", "errors"]
PROGRAMS = {
    "boto3": ([BUILD / "venv/bin/python", HERE / "python/consumer.py"], COMMON),
    "boto3-debian": (["/usr/bin/python3", HERE / "python/consumer.py"], COMMON),
    "javascript": (["node", HERE / "javascript/client.mjs"], [*COMMON, "sqs_consumer"]),
    "java": (["java", "-cp", f"{BUILD}/clients/java/classes:{BUILD}/clients/java/lib/*", "Client"], COMMON),
    "go": ([BUILD / "clients/go/client"], COMMON),
    "symfony-messenger": (["php", "-d", "error_reporting=E_ALL&~E_DEPRECATED", HERE / "php/messenger.php"], ["work", "fifo"]),
}


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory):
    bridge = Bridge(tmp_path_factory.mktemp("endpoint"), None, "--aws-waits=false").start()
    yield bridge
    status, out, _ = bridge.command("audit")
    bridge.stop()
    assert status == 0, out


def environment(endpoint, **more):
    key = endpoint.key
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return {**clean, "ENDPOINT": endpoint.url, "REGION": REGION, "KEY_ID": key["aws_access_key_id"], "KEY_SECRET": key["aws_secret_access_key"],
            "AWS_EC2_METADATA_DISABLED": "true", "NODE_PACKAGES": str(BUILD / "clients/javascript"), **more}


@functools.lru_cache
def run(endpoint, client):
    command, _ = PROGRAMS[client]
    done = subprocess.run([str(c) for c in command], env=environment(endpoint), capture_output=True, text=True, timeout=240, check=False)
    said = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            one = json.loads(line)
            said[one["scenario"]] = one["error"]
    return said, f"status {done.returncode}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("client,scenario", [(c, s) for c, (_, scenarios) in PROGRAMS.items() for s in scenarios])
def test_scenario(endpoint, client, scenario):
    said, output = run(endpoint, client)
    assert said.get(scenario) == "", said.get(scenario) or output


def test_the_releases_are_those_that_are_meant():
    versions = [subprocess.run([str(python), "-c", "import boto3; print(boto3.__version__)"], capture_output=True, text=True, check=True).stdout.strip()
                for python in (BUILD / "venv/bin/python", "/usr/bin/python3")]
    assert versions == ["1.43.106", "1.26.27"]  # AWS JSON, and the Query protocol of Debian 12's


def aws(endpoint, *arguments, fails=False):
    env = environment(endpoint, AWS_ACCESS_KEY_ID=endpoint.key["aws_access_key_id"], AWS_SECRET_ACCESS_KEY=endpoint.key["aws_secret_access_key"],
                      AWS_DEFAULT_REGION=REGION)
    done = subprocess.run(["/usr/bin/aws", "--endpoint-url", endpoint.url, "sqs", *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done.stderr if fails else json.loads(done.stdout or "{}")


def test_debians_aws_command_line(endpoint):
    url = aws(endpoint, "create-queue", "--queue-name", "cli", "--attributes", "VisibilityTimeout=5", "--tags", "a=b")["QueueUrl"]
    body = "a\r\nb <&> ä"
    aws(endpoint, "send-message", "--queue-url", url, "--message-body", body, "--message-attributes", '{"b":{"DataType":"Binary","BinaryValue":"AAE="}}')
    aws(endpoint, "send-message-batch", "--queue-url", url, "--entries", '[{"Id":"1","MessageBody":"x"},{"Id":"2","MessageBody":"y","DelaySeconds":900}]')
    got = aws(endpoint, "receive-message", "--queue-url", url, "--max-number-of-messages", "10", "--attribute-names", "All", "--message-attribute-names", "All")["Messages"]
    assert [m["Body"] for m in got] == [body, "x"] and got[0]["MessageAttributes"]["b"]["BinaryValue"] == "AAE="
    aws(endpoint, "change-message-visibility", "--queue-url", url, "--receipt-handle", got[0]["ReceiptHandle"], "--visibility-timeout", "60")
    aws(endpoint, "delete-message", "--queue-url", url, "--receipt-handle", got[0]["ReceiptHandle"])
    attributes = aws(endpoint, "get-queue-attributes", "--queue-url", url, "--attribute-names", "All")["Attributes"]
    assert attributes["VisibilityTimeout"] == "5" and attributes["ApproximateNumberOfMessagesDelayed"] == "1"
    assert aws(endpoint, "list-queue-tags", "--queue-url", url)["Tags"] == {"a": "b"}
    assert "NonExistentQueue" in aws(endpoint, "get-queue-url", "--queue-name", "never-made", fails=True)
    assert "ReceiptHandleIsInvalid" in aws(endpoint, "delete-message", "--queue-url", url, "--receipt-handle", "x", fails=True)
    aws(endpoint, "purge-queue", "--queue-url", url)
    aws(endpoint, "delete-queue", "--queue-url", url)


def test_a_celery_worker_does_its_tasks(endpoint, tmp_path):
    done = tmp_path / "done"
    done.mkdir()
    python = BUILD / "clients/python/bin/python"
    env = environment(endpoint, OUT=str(done), PYTHONPATH=str(HERE / "python"), C_FORCE_ROOT="1")
    worker = Server([python, "-m", "celery", "-A", "celery_tasks", "worker", "--concurrency", "2", "--pool", "threads", "--without-gossip", "--without-mingle",
                     "--without-heartbeat", "-l", "info"], tmp_path / "worker.log", env, tmp_path)
    try:
        wait_until("the worker", lambda: "ready." in (tmp_path / "worker.log").read_text(), 60, worker.process)
        subprocess.run([str(python), "-c", "import celery_tasks as c; [c.work.delay(n) for n in range(30)]"], env=env, check=True, timeout=60, capture_output=True)
        wait_until("every task", lambda: len(list(done.iterdir())) == 30, 90, worker.process)
        assert {n.name for n in done.iterdir() if n.read_text() == "1"} == {"0", "10", "20"}
    finally:
        worker.stop()
