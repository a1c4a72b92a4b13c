# SPDX-License-Identifier: Apache-2.0
"""docs/consumers.md: each program is taken out of the page, and run as it stands there."""

import json
import os
import pathlib
import re
import shlex
import subprocess

import boto3
import pytest
from test_clients import BUILD, HERE, REGION, Bridge, Server, wait_until

PAGE = HERE.parent.parent / "docs/consumers.md"
ORDERS = [f"order-{i}" for i in range(20)]


def block(heading, language=r"\w+"):
    """The block of code under a heading that begins so, the first of that language."""
    section = next(s for s in re.split(r"^## ", PAGE.read_text(), flags=re.M) if s.startswith(heading))
    return re.search(rf"^```{language}\n(.*?)^```$", section, re.S | re.M).group(1)


def record(order):
    return json.dumps({"eventName": "INSERT", "dynamodb": {"Keys": {"id": {"S": order}}}})


@pytest.fixture
def bridge(tmp_path):
    made = Bridge(tmp_path, None, "--queue", "orders-events", "--max-receive-count", "2", "--dead-letter-queue", "orders-dead",
                  "--visibility-timeout", "1s").start()
    yield made
    made.stop()


@pytest.fixture
def env(bridge, tmp_path):
    """What the page says: its own lines, run by a shell beside the file of keys."""
    address = re.search(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.S | re.M).group(1)
    assert "http://127.0.0.1:9324" in address and "eu-west-1" in address
    address = address.replace("http://127.0.0.1:9324", bridge.url).replace("eu-west-1", REGION).replace("stream2sqs.db.keys", f"{bridge.ledger}.keys")
    said = subprocess.run(["bash", "-euc", address + "\nenv -0"], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True).stdout
    exported = dict(line.split("=", 1) for line in said.split("\0") if line.startswith("AWS_"))
    assert set(exported) == {"AWS_ENDPOINT_URL_SQS", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    clean = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    return {**clean, **exported, "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(tmp_path)}


def python_program(directory):
    (directory / "consumer.py").write_text(block("Python"))
    return [BUILD / "venv/bin/python", directory / "consumer.py"]


def javascript_program(directory):
    os.symlink(BUILD / "clients/javascript/node_modules", directory / "node_modules")
    (directory / "consumer.mjs").write_text(block("JavaScript"))
    return ["node", directory / "consumer.mjs"]


def java_program(directory):
    (directory / "Orders.java").write_text(block("Java:"))
    return ["java", "-cp", f"{BUILD}/clients/java/lib/*", directory / "Orders.java"]


def go_program(directory):
    (directory / "main.go").write_text(block("Go"))
    for name in ("go.mod", "go.sum"):
        (directory / name).write_text((HERE / "go" / name).read_text())
    subprocess.run(["go", "build", "-o", "consumer", "."], cwd=directory, check=True, timeout=240)
    return [directory / "consumer"]


def shell_program(directory):
    """Where no stream2sqs runs on the ledger: by the environment that the page sets."""
    script = block("A shell command", "sh")
    assert "\nstream2sqs consume " in script
    script = script.replace("\nstream2sqs consume ", f"\nexec {BUILD}/stream2sqs consume --visibility 1 ")  # exec: so that a signal reaches it
    (directory / "consume.sh").write_text(script)
    return ["bash", "-eu", directory / "consume.sh"]


def lambda_program(directory):
    return javascript_lambda(directory, "if (order === 'bad') throw new Error(order);")


def lambda_program_that_reports(directory):
    """ReportBatchItemFailures: it returns what failed."""
    return javascript_lambda(directory, """return { batchItemFailures: order === "bad" ? [{ itemIdentifier: event.Records[0].dynamodb.SequenceNumber }] : [] };""")


def python_lambda_program(directory):
    (directory / "index.py").write_text("""def handler(event, context):
    order = event["Records"][0]["dynamodb"]["Keys"]["id"]["S"]
    print("failed" if order == "bad" else "handled", order)
    return {"batchItemFailures": [{"itemIdentifier": ""}]} if order == "bad" else None
""")
    return beside_the_ledger(directory, "run.py", block("A shell command", "python"))


def javascript_lambda(directory, end):
    (directory / "index.mjs").write_text("""export async function handler(event) {
  const order = event.Records[0].dynamodb.Keys.id.S;
  console.log(order === "bad" ? "failed" : "handled", order);
  %s
}
""" % end)
    return beside_the_ledger(directory, "run.mjs", block("A shell command", "javascript"))


def beside_the_ledger(directory, name, script):
    command = re.search(rf"^(?://|#) {re.escape(name)}: stream2sqs (consume .*)$", script, re.M).group(1)
    (directory / name).write_text(script)
    return ["env", "-u", "AWS_ENDPOINT_URL_SQS", "-u", "AWS_ACCESS_KEY_ID", f"STREAM2SQS_LEDGER={directory.parent}/ledger.db", f"{BUILD}/stream2sqs",
            *shlex.split(command), "--visibility", "1"]


@pytest.mark.parametrize("program", [python_program, javascript_program, java_program, go_program, shell_program, lambda_program,
                                     lambda_program_that_reports, python_lambda_program])
def test_a_program_of_the_page(bridge, env, tmp_path, program):
    directory = tmp_path / "program"
    directory.mkdir()
    command = program(directory)
    sqs = boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **bridge.key)
    for order in [*ORDERS[:10], "bad", *ORDERS[10:]]:
        sqs.send_message(QueueUrl=f"{bridge.url}/000000000000/orders-events", MessageBody=record(order))
    log = tmp_path / "consumer.log"
    consumer = Server([str(c) for c in command], log, env, directory)
    counts = lambda: bridge.json("status")["queues"]  # noqa: E731
    try:
        wait_until("all but the bad one are deleted, and that is dead",
                   lambda: bridge.json("dead", "list")["dead"] and bridge.json("queue", "list")["queues"]["orders-events"]["ApproximateNumberOfMessages"] == "0",
                   60, consumer.process)
        wait_until("all are told", lambda: len(set(re.findall(r"^handled .*?(order-\d+)", log.read_text(), re.M))) == len(ORDERS), 20, consumer.process)
    finally:
        consumer.stop()
    told = re.findall(r"^handled .*?(order-\d+)", log.read_text(), re.M)
    assert sorted(told) == sorted(ORDERS), counts()  # each once
    assert len(re.findall(r"^failed ", log.read_text(), re.M)) == 2
    assert bridge.command("audit")[0] == 0
    assert [m["Body"] for m in bridge.json("queue", "receive", "orders-dead", "--max", "10")["messages"]] == [record("bad")]


def test_celery(bridge, env, tmp_path):
    python = BUILD / "clients/python/bin/python"
    (tmp_path / "orders.py").write_text(block("Celery"))
    log = tmp_path / "worker.log"
    worker = Server([python, "-m", "celery", "-A", "orders", "worker", "--concurrency", "1", "--pool", "threads", "--without-gossip", "--without-mingle",
                     "--without-heartbeat", "-l", "info"], log, {**env, "C_FORCE_ROOT": "1"}, tmp_path)
    try:
        wait_until("the worker", lambda: "ready." in log.read_text(), 60, worker.process)
        subprocess.run([str(python), "-c", "import orders; [orders.work.delay(n) for n in range(5)]"], cwd=tmp_path, env=env, check=True, timeout=60)
        wait_until("every task", lambda: len(set(re.findall(r"handled (\d)", log.read_text()))) == 5, 60, worker.process)
    finally:
        worker.stop()
