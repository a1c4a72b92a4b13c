# SPDX-License-Identifier: Apache-2.0
"""deploy/container without an engine: what compose.yaml starts, with its environment, between moto and a consumer; and what the Dockerfile installs."""

import os
import pathlib
import re
import subprocess
import uuid

import boto3
import pytest
import yaml
from conftest import Table
from rig import BINARY, REGION, Moto, Server, free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONTAINER = ROOT / "deploy/container"


@pytest.fixture
def moto(tmp_path):
    server = Moto(tmp_path)
    yield server
    server.stop()


def test_what_compose_starts_moves_records_from_one_host_to_another(moto, tmp_path):
    """127.1 is this machine, but no address that is known for one: as `aws` is in a network of containers."""
    service = yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]["stream2sqs"]
    port = free_port()
    data = tmp_path / "data"
    data.mkdir()
    table = "t" + uuid.uuid4().hex[:12]
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | service["environment"] | {
        "PATH": f"{BINARY.parent}:{os.environ['PATH']}", "AWS_ENDPOINT_URL": moto.url.replace("127.0.0.1", "127.1"), "STREAM2SQS_LISTEN": f"127.0.0.1:{port}",
        "STREAM2SQS_ACCESS_KEYS_FILE": str(data / "keys"), "STREAM2SQS_LEDGER": str(data / "ledger.db"), "STREAM2SQS_ADMIN": "127.0.0.1:0"}
    script = service["command"][0].replace("$$", "$").replace("/data/", f"{data}/").replace("--stream orders ", f"--stream {table} ")
    process = Server([*service["entrypoint"], script], tmp_path / "log", env)
    try:
        wait_until("it is ready", lambda: (data / "ledger.db.addresses").exists(), process=process.process)
        made = Table(moto, table)
        made.stream()
        made.put("order-1")
        key_id, secret = (data / "keys").read_text().strip().split(":")
        assert (data / "keys").stat().st_mode & 0o777 == 0o600 and len(secret) == 40
        sqs = boto3.client("sqs", endpoint_url=f"http://127.0.0.1:{port}", region_name=REGION, aws_access_key_id=key_id, aws_secret_access_key=secret)
        url = sqs.get_queue_url(QueueName="orders-events")["QueueUrl"]
        assert "order-1" in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"][0]["Body"]
        assert "without TLS" in (tmp_path / "log").read_text()
    finally:
        process.stop()


def test_what_compose_says_of_addresses_passes_the_check(tmp_path):
    service = yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]["stream2sqs"]
    keys = tmp_path / "keys"
    keys.write_text("AKIACONSUMER:secretsecret\n")
    keys.chmod(0o600)
    env = dict(os.environ) | service["environment"] | {"STREAM2SQS_ACCESS_KEYS_FILE": str(keys)}
    flags = re.search(r"stream2sqs run (.*)", service["command"][0])[1].split()
    done = subprocess.run([BINARY, "check", "--offline", *flags], env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == ""


def test_the_image_is_built_of_what_the_makefile_s_own_list_names():
    listed = re.search(r"^packages=\(([^)]*)\)", (ROOT / "tests/deps.sh").read_text(), re.M)[1].split()
    stages = re.findall(r"--no-install-recommends ([^&\n]*)", (CONTAINER / "Dockerfile").read_text().replace("\\\n", " "))
    built, run = (set(stage.split()) for stage in stages)
    assert built == {p for p in listed if not p.startswith("python3")} | {"libc6-dev"}
    for library in (p for p in built if p.startswith("lib") and p != "libc6-dev"):
        name = re.match(r"lib[a-z]+", library)[0]
        assert any(p.startswith(name.removesuffix("dev")) for p in run), library
