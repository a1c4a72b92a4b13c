# SPDX-License-Identifier: Apache-2.0
"""What the README shows works as it stands there."""

import re
import subprocess

import boto3
from rig import BINARY, REGION, ROOT

README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_command_line_is_one_that_the_program_takes(bridge, table):
    table.put("order-0041")
    shown = re.findall(r"build/stream2sqs ([^\n`#]+)", README)
    assert len(shown) >= 8
    for line in shown:
        name, *arguments = line.split()
        if name in ("run", "help"):
            name, arguments = "check", ["--offline", *arguments] if name == "run" else ["--help"]
        if "--config" in arguments:
            continue  # the next test's
        status, out, err = bridge.command(name, *arguments)
        assert status != 64, (line, err)
        assert out or err, line


def test_the_configuration_is_good(tmp_path):
    config = tmp_path / "stream2sqs.yaml"
    config.write_text(blocks("yaml")[0])
    done = subprocess.run([str(BINARY), "check", "--offline", "--config", str(config)], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "orders -> orders-events, paid-orders, all-orders.fifo" in done.stdout


def test_the_consumer_consumes(table, make_bridge):
    bridge = make_bridge("--stream", table.name, "--queue", "orders-events").start()
    table.put("a", "b")
    handled = []
    key = bridge.key
    code = blocks("python")[0].replace('"http://127.0.0.1:9324"', repr(bridge.url)).replace("aws_access_key_id=...", f"aws_access_key_id={key['aws_access_key_id']!r}")
    code = code.replace("aws_secret_access_key=...", f"aws_secret_access_key={key['aws_secret_access_key']!r}")
    while len(handled) < 2:
        exec(compile("import json\n" + code, "README.md", "exec"), {"boto3": boto3, "handle": handled.append})  # noqa: S102: it is what is tested
    assert sorted(r["dynamodb"]["Keys"]["id"]["S"] for r in handled) == ["a", "b"]
    assert bridge.json("status")["queues"][0]["deleted"] == 2
    assert REGION in code
