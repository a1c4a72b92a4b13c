# SPDX-License-Identifier: Apache-2.0
"""Every series that an alert rule names is one that a running bridge exports, with the labels and values that the rule looks for."""

import pathlib
import re

import yaml
from rig import wait_until

RULES = pathlib.Path(__file__).parents[2] / "deploy" / "prometheus" / "stream2sqs.rules.yaml"


def test_rules_name_what_is_exported(table, make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump({"pipelines": [{"stream": table.name, "queues": [
        {"name": "here"}, {"name": "gone", "target": "sqs", "endpoint_url": "http://127.0.0.1:1"}]}]}))
    bridge = make_bridge("--config", config).start()
    table.put("a")
    wait_until("a shard is read", lambda: "stream2sqs_shard_lag_seconds{" in bridge.admin("/metrics")[1])
    series = [line.rsplit(" ", 1)[0] for line in bridge.admin("/metrics")[1].splitlines() if not line.startswith("#")]
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 12
    for rule in rules:
        named = re.findall(r"(stream2sqs_\w+)(?:\{(.*?)\})?", rule["expr"])
        assert named, rule
        for name, matchers in named:
            found = [s for s in series if s.split("{")[0] == name and all(m in s for m in matchers.split(","))]
            assert found, f"{rule['alert']}: /metrics has no {name}{{{matchers}}}"
            for used in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
                assert f'{used}="' in found[0], f"{rule['alert']}: {name} has no label {used}"
