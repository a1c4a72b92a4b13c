# SPDX-License-Identifier: Apache-2.0
"""Ledgers of older versions are brought up to date, and lose nothing."""

import pathlib
import shutil

from rig import wait_until

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/ledgers"


def test_a_ledger_of_schema_1_keeps_all_that_it_had(make_bridge, queue, tmp_path):
    bridge = make_bridge("--queue", "q", "--max-receive-count", 1, "--dead-letter-queue", "q-dead")
    shutil.copy(GOLDEN / "schema-1.db", bridge.ledger)
    status, _, error = bridge.command("audit")
    assert status != 0 and "older schema (1): start `stream2sqs run` on it once" in error
    bridge.start()
    queues = {q["queue"]: q for q in bridge.json("status")["queues"]}
    assert (queues["q"]["deleted"], queues["q"]["dead"], queues["q"]["sent"], queues["q"]["held"]) == (2, 2, 0, 0)
    assert len(bridge.json("dead", "list")["dead"]) == 2
    assert bridge.json("audit")["verdict"] == "whole"
    assert bridge.json("dead", "redrive", "q", "--all")["moved"] == 2
    q = queue(bridge)
    seen = set()

    def all_came():
        for message in q.receive(wait=1):
            seen.add(message["MessageId"])
            q.delete(message)
        return len(seen) == 2

    wait_until("the dead come again", all_came)
    bridge.stop()
    assert bridge.start() and bridge.json("audit")["verdict"] == "whole"
