# SPDX-License-Identifier: Apache-2.0
"""What an operator sees and does: counts that are true now, dead letters by the time of their death, words that say what to do next."""

import datetime
import json
import re
import subprocess
import time

import boto3
import pytest
from conftest import Table
from rig import BINARY, REGION, ROOT, wait_until


def client(bridge):
    return boto3.client("sqs", endpoint_url=bridge.url, region_name=REGION, **bridge.key)


def queues(bridge):
    return {q["queue"]: q for q in bridge.json("status")["queues"]}


def test_what_became_visible_again_is_not_in_flight(make_bridge):
    bridge = make_bridge("--queue", "q", endpoint=None).start()
    sqs = client(bridge)
    url = f"{bridge.url}/000000000000/q"
    sqs.send_message(QueueUrl=url, MessageBody="x")
    assert len(sqs.receive_message(QueueUrl=url, VisibilityTimeout=60)["Messages"]) == 1
    assert (queues(bridge)["q"]["queued"], queues(bridge)["q"]["in_flight"]) == (0, 1)
    handle = sqs.receive_message(QueueUrl=url)  # nothing: it is hidden
    assert "Messages" not in handle
    sqs.send_message(QueueUrl=url, MessageBody="y")
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    wait_until("y is back", lambda: (queues(bridge)["q"]["queued"], queues(bridge)["q"]["in_flight"]) == (1, 1))
    metrics = bridge.admin("/metrics")[1]
    assert 'stream2sqs_messages{queue="q",state="queued"} 1' in metrics and 'stream2sqs_messages{queue="q",state="in_flight"} 1' in metrics
    sqs.send_message(QueueUrl=url, MessageBody="late")
    before = queues(bridge)["q"]["oldest_waiting_ms"]
    assert before > 0  # x and y were received once, and are not settled
    ages = [float(line.split()[1]) for line in bridge.admin("/metrics")[1].splitlines() if line.startswith('stream2sqs_oldest_message_age_seconds{queue="q"}')]
    assert len(ages) == 1 and ages[0] * 1000 >= before
    assert bridge.stop() == 0


def test_an_idle_stream_does_not_lag(table, aws, make_bridge):
    table.put("a")
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--poll-interval", "200ms").start()
    wait_until("it is read, and nothing is left", lambda: [s.get("lag_ms") for s in bridge.json("status")["shards"]] == [0], 30)
    assert bridge.stop() == 0  # nothing reads: how far behind it is, nobody knows
    shard = bridge.json("status")["shards"][0]
    assert "lag_ms" not in shard and shard["unread_ms"] > 0
    assert "NOT READ FOR" in bridge.command("status")[1] and "LAG" not in bridge.command("status")[1]


def test_dead_letters_are_chosen_by_their_death(table, make_bridge):
    table.put("a")
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--max-receive-count", "1", "--dead-letter-queue", "q-dead", "--poll-interval", "200ms").start()
    sqs = client(bridge)
    url = f"{bridge.url}/000000000000/q"
    wait_until("it is read", lambda: "Messages" in sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=1), 30)
    wait_until("it dies", lambda: sqs.receive_message(QueueUrl=url) and bridge.json("dead", "list")["dead"], 30)
    died = bridge.json("dead", "list")["dead"][0]["message"]["steps"][-1]["at"]
    after = (datetime.datetime.fromisoformat(died.replace("Z", "+00:00")) + datetime.timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert len(bridge.json("dead", "list", "q", "--since", "1h")["dead"]) == 1
    assert len(bridge.json("dead", "list", "q", "--before", after)["dead"]) == 1
    assert bridge.json("dead", "list", "q", "--since", after)["dead"] == []
    err = bridge.command("dead", "redrive", "q-dead", "--all", check=66)[2]
    assert "q-dead is where dead letters of q wait: name the queue that they died in" in err
    assert "q-dead is where dead letters of q wait" in bridge.command("dead", "list", "q-dead", check=0)[1]
    assert "no dead message of this queue matches" in bridge.command("dead", "redrive", "q", "--key", "nope", check=0)[1]
    assert bridge.json("dead", "redrive", "q", "--since", "1h")["moved"] == 1
    assert bridge.stop() == 0


def test_a_replay_says_what_comes_twice_and_what_cannot_be(table, make_bridge):
    table.put("a", "b")
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--max-receive-count", "9", "--dead-letter-queue", "q-dead", "--poll-interval", "200ms").start()
    sqs = client(bridge)
    url = f"{bridge.url}/000000000000/q"
    wait_until("both are read", lambda: queues(bridge)["q"]["queued"] == 2, 30)
    got = sqs.receive_message(QueueUrl=url)["Messages"][0]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])
    assert bridge.json("replay", "q", "--all", "--dry-run")["unsettled"] == 1
    assert "(--skip-unsettled leaves them)" in bridge.command("replay", "q", "--all", "--dry-run", check=0)[2]
    assert bridge.json("replay", "q", "--all", "--skip-unsettled") == {"chosen": 1, "replayed": 1, "unsettled": 1, "dry_run": False}
    assert "their stream does not feed the queue" in bridge.command("replay", "q-dead", "--all", check=66)[2]
    assert "no record of this queue matches" in bridge.command("replay", "q", "--key", "nope", check=0)[1]
    assert bridge.command("audit")[0] == 0
    assert bridge.stop() == 0


def test_a_filter_that_is_tried_is_told_what_it_wants_in_vain(make_bridge):
    bridge = make_bridge("--queue", "q", endpoint=None).start()
    said = bridge.command("filter", "test", '{"eventName": ["insert"]}', check=0)[2]
    assert said == 'the filter wants the eventName "insert": records have INSERT, MODIFY and REMOVE\n'
    assert "compares dynamodb.NewImage.n.N with a number" in bridge.command("filter", "test", '{"dynamodb": {"NewImage": {"n": {"N": [1]}}}}', check=0)[2]
    filtered = bridge.json("filter", "test", '{"eventName": [{"prefix": "UPD"}, {"equals-ignore-case": "insert"}]}')
    assert filtered["warnings"] == ['the filter wants the eventName {"prefix":"UPD"}: records have INSERT, MODIFY and REMOVE']
    assert bridge.json("filter", "test", '{"eventName": ["INSERT"]}')["warnings"] == []
    for listed in ('[{"eventName": ["CREATE"]}]', '{"Filters": [{"Pattern": {"eventName": ["CREATE"]}}]}'):
        assert "CREATE" in bridge.command("filter", "test", listed, check=0)[2]
    assert "\x1b" not in bridge.command("filter", "test", '{"\\u001b[31mb": ["x"]}', check=0)[2]
    for good in ('{"eventName": ["INSERT"]}', '{"eventName": [{"anything-but": ["REMOVE"]}]}', '{"eventName": [{"suffix": "FY"}]}', '{"dynamodb": {"NewImage": {"n": {"N": ["1"]}}}}'):
        assert bridge.command("filter", "test", good, check=0)[2] == ""


def test_a_queues_filter_is_tried_on_records_of_its_own_stream(aws, table, bare_table, make_bridge, tmp_path):
    bare_table.stream()
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({"pipelines": [{"stream": bare_table.name, "queues": [{"name": "others"}]},
                                                {"stream": table.name, "queues": [{"name": "q", "filter": {"eventName": ["INSERT"]}}]}]}))
    table.put("a", "b")
    bridge = make_bridge("--config", config).start()
    wait_until("the first are read", lambda: queues(bridge)["q"]["queued"] == 2)
    bare_table.put(*(f"x{i}" for i in range(30)))
    wait_until("all are read", lambda: queues(bridge)["others"]["queued"] == 30)
    tried = bridge.json("filter", "test", "--config", config, "--for-queue", "q")
    assert {r["keys"]["id"]["S"] for r in tried["records"]} == {"a", "b"}
    assert len(bridge.json("filter", "test", '{"eventName": ["INSERT"]}')["records"]) == 20
    assert len(bridge.json("filter", "test", "--config", config, "--for-queue", "q", "--limit", "1")["records"]) == 1
    assert {name: [s.split("/")[1] for s in q["streams"]] for name, q in queues(bridge).items()} == {"q": [table.name], "others": [bare_table.name]}
    lines = bridge.command("status", check=0)[1].splitlines()
    assert {line.split()[0]: line.split()[-1] for line in lines if line.startswith(("q ", "others "))} == {"q": table.name, "others": bare_table.name}
    longer = Table(aws, table.name + "-old")  # its name begins as the other's does
    longer.stream()
    arn = bridge.json("status")["streams"][1]["stream"]
    assert table.name in arn
    queue = {"name": "q", "filter": {"eventName": ["INSERT"]}}
    config.write_text(json.dumps({"pipelines": [{"stream": bare_table.name, "queues": ["others"]}, {"stream": arn, "queues": [queue]},
                                                {"stream": longer.name, "queues": ["others"]}]}))
    bridge.command("reload", "--config", config, check=0)
    longer.put(*(f"y{i}" for i in range(1100)))  # more than are looked at by one query
    wait_until("all are read", lambda: queues(bridge)["others"]["queued"] == 1130)
    assert {r["keys"]["id"]["S"] for r in bridge.json("filter", "test", "--config", config, "--for-queue", "q")["records"]} == {"a", "b"}
    lines = bridge.command("status", check=0)[1].splitlines()
    assert [line for line in lines if line.startswith("others ")][0].endswith(f"  {bare_table.name}, {longer.name}")
    config.write_text(json.dumps({"pipelines": [{"stream": bare_table.name, "queues": ["q"]}, {"stream": longer.name, "queues": ["others"]}]}))
    bridge.command("reload", "--config", config, check=0)
    assert [s.split("/")[1] for s in queues(bridge)["others"]["streams"]] == [longer.name]  # of now, not of before
    assert not any(table.name in s for s in queues(bridge)["q"]["streams"])
    lines = bridge.command("audit", check=0)[1].splitlines()
    assert lines[0].split()[-1] == "STREAM" and {line.split()[1]: line.split()[-1].split("/")[0] for line in lines[1:4]}.items() >= {
        "q": table.name}.items()


def test_a_whole_event_source_mapping_is_a_filter(table, make_bridge, tmp_path):
    """As `aws lambda get-event-source-mapping` answers."""
    mapping = {"UUID": "a1b2", "BatchSize": 100, "EventSourceArn": "arn:aws:dynamodb:eu-west-1:000000000000:table/t/stream/x", "State": "Enabled",
               "FilterCriteria": {"Filters": [{"Pattern": json.dumps({"eventName": ["REMOVE"]})}]}, "FunctionResponseTypes": ["ReportBatchItemFailures"]}
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(mapping))
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({"pipelines": [{"stream": table.name, "queues": [{"name": "all"}, {"name": "gone", "filter": mapping}]}]}))
    table.put("a")
    bridge = make_bridge("--config", config).start()
    wait_until("it is read", lambda: queues(bridge)["all"]["queued"] == 1)
    tried = bridge.json("filter", "test", "--file", path)
    assert [r["passes"] for r in tried["records"]] == [False] and tried["warnings"] == []
    table.dynamodb.delete_item(TableName=table.name, Key={"id": {"S": "a"}})
    wait_until("the second is read", lambda: queues(bridge)["all"]["queued"] == 2)
    assert queues(bridge)["gone"]["queued"] == 1
    mapping["FilterCriteria"]["Filters"][0]["Pattern"] = json.dumps({"eventName": ["CREATE"]})
    path.write_text(json.dumps(mapping))
    assert "CREATE" in bridge.command("filter", "test", "--file", path, check=0)[2]
    mapping["FilterCriteria"] = {"Filters": [{"Pattern": '{"eventName": "REMOVE"}'}]}
    text = json.dumps(mapping)
    path.write_text(text)
    assert bridge.command("filter", "test", "{}", "--file", path)[0] == 64
    said = bridge.command("filter", "test", "--file", path, check=78)[2]
    assert "eventName" in said
    path.write_text(text.replace('"FunctionResponseTypes"', "nonsense"))
    assert bridge.command("filter", "test", "--file", path)[0] == 78


def test_check_knows_which_images_a_stream_has(bare_table, make_bridge, tmp_path):
    arn = bare_table.dynamodb.update_table(TableName=bare_table.name, StreamSpecification={
        "StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})["TableDescription"]["LatestStreamArn"]
    config = tmp_path / "c.yaml"
    for stream in (bare_table.name, arn):
        config.write_text(json.dumps({"pipelines": [{"stream": stream, "queues": [
            {"name": "q", "filter": {"dynamodb": {"NewImage": {"a": {"S": ["x"]}}}}}, {"name": "keys", "filter": {"dynamodb": {"Keys": {"id": {"S": ["x"]}}}}}]}]}))
        status, out, _ = make_bridge().command("check", "--config", config, "--json")
        assert status == 0 and json.loads(out)["warnings"] == [
            'queue "q": its filter names dynamodb.NewImage, which no record of its stream has: the StreamViewType is KEYS_ONLY']


@pytest.mark.parametrize("view,other,image,warned", [("NEW_IMAGE", None, "OldImage", True), ("NEW_IMAGE", None, "NewImage", False), ("OLD_IMAGE", None, "NewImage", True),
                                                     ("OLD_IMAGE", None, "OldImage", False), ("KEYS_ONLY", "NEW_IMAGE", "NewImage", False),
                                                     ("NEW_IMAGE", "KEYS_ONLY", "NewImage", False), ("KEYS_ONLY", "KEYS_ONLY", "NewImage", True)])
def test_check_knows_the_images_of_all_streams_of_a_queue(aws, bare_table, make_bridge, tmp_path, view, other, image, warned):
    tables = [bare_table, Table(aws, bare_table.name + "x")] if other else [bare_table]
    for one, its_view in zip(tables, (view, other), strict=False):
        one.dynamodb.update_table(TableName=one.name, StreamSpecification={"StreamEnabled": True, "StreamViewType": its_view})
    config = tmp_path / "c.yaml"
    queue = {"name": "q", "filter": {"dynamodb": {image: {"a": {"S": ["x"]}}}}}
    config.write_text(json.dumps({"pipelines": [{"stream": one.name, "queues": [queue]} for one in tables]}))
    status, out, _ = make_bridge().command("check", "--config", config, "--json")
    assert status == 0 and bool(json.loads(out)["warnings"]) == warned, out


def test_queues_are_made_and_deleted_by_hand(make_bridge):
    bridge = make_bridge("--queue", "q", endpoint=None).start()
    assert bridge.command("queue", "create", "jobs.fifo", check=0)[1].endswith("/jobs.fifo\n")
    bridge.command("queue", "send", "jobs.fifo", "x", "--group", "g", "--deduplication-id", "d", check=0)
    assert bridge.json("queue", "receive", "jobs.fifo")["messages"][0]["Attributes"]["MessageGroupId"] == "g"
    assert "--yes" in bridge.command("queue", "delete", "jobs.fifo", check=64)[2]
    bridge.command("queue", "delete", "jobs.fifo", "--yes", check=0)
    assert "there is no queue" in bridge.command("queue", "show", "jobs.fifo", check=66)[2]
    assert "configuration" in bridge.command("queue", "delete", "q", "--yes", check=65)[2]
    assert bridge.stop() == 0


def test_check_looks_at_files_and_filters(make_bridge, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("access_keys_file: none\nledger: nowhere/l.db\ntls_certificate: c.pem\ntls_key: k.pem\n"
                      "pipelines: [{stream: t, queues: [{name: q, filter: {evntName: [INSERT], dynamodb: {NewImag: {a: {S: [x]}}}}}]}]\n")
    done = subprocess.run([str(BINARY), "check", "--offline", "--json", "--config", str(config)], cwd=tmp_path, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    assert done.returncode == 78 and said["good"] is False
    assert [p.split(":")[0] for p in said["problems"]] == ["access_keys_file", "tls_certificate, tls_key", "ledger"]
    assert [w.split("names ")[1] for w in said["warnings"]] == ["evntName, which no record has", "dynamodb.NewImag, which no record has"]
    patterns = [{"eventName": ["CREATE", "INSERT"]}, {"dynamodb": {"NewImage": {"status": ["PAID"]}}}, {"dynamodb": {"Keys": {"n": {"N": [{"numeric": [">", 1]}]}}}},
                {"dynamodb": {"OldImage": {"m": {"M": {"a": {"T": ["x"]}}}}}}, {"dynamodb": {"NewImage": {"gone": [{"exists": False}], "l": {"L": {"S": ["x"]}}}}}]
    config.write_text(json.dumps({"pipelines": [{"stream": "t", "queues": [{"name": "q", "filter": {"Filters": [{"Pattern": json.dumps(p)} for p in patterns]}}]}]}))
    done = subprocess.run([str(BINARY), "check", "--offline", "--json", "--config", str(config)], cwd=tmp_path, capture_output=True, text=True, check=False)
    said = [w.split("its filter ")[1] for w in json.loads(done.stdout)["warnings"]]
    assert done.returncode == 0 and [w.split(":")[0] for w in said] == [
        'wants the eventName "CREATE"', "compares dynamodb.NewImage.status, which is no text but has its type below it",
        "has a numeric range on dynamodb.Keys.n.N, which is a text in a record", "names dynamodb.OldImage.m.M.a.T"]
    config.write_text("pipelines: [{stream: t, queues: [{name: q, filter: {eventName: [INSERT]}}]}]\n")
    done = subprocess.run([str(BINARY), "check", "--offline", "--json", "--config", str(config)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"good": True, "problems": [], "warnings": []})
    config.write_text("pipelines: [{stream: t, queues: [p, q, {name: far, target: sqs}]}]\n")
    assert subprocess.run([str(BINARY), "check", "--offline", "--config", str(config)], cwd=tmp_path, capture_output=True, check=False).returncode == 0
    config.write_text("pipelines: [{stream: t, queues: [{name: q, target: sqs, address: 'localhost:4566/0/q'}, {name: r, target: sqs, address: r.fifo}]}]\n")
    done = subprocess.run([str(BINARY), "check", "--offline", "--json", "--config", str(config)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert len(json.loads(done.stdout)["problems"]) == 1 and '"localhost:4566/0/q" is no queue\'s address' in done.stdout.replace("\\", "")
    config.write_text("pipelines: [{stream: t, queues: [{name: q}]}]\n")
    config.rename(tmp_path / "stream2sqs.yaml")
    done = subprocess.run([str(BINARY), "check", "--offline"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "stream2sqs.yaml is here, and is not read" in done.stderr


def test_the_exit_statuses_are_those_that_are_told(make_bridge):
    listed = {}
    for name, status in re.findall(r'CLASS_\w+, (\d+), "(\w+)"', (ROOT / "src/base/error.h").read_text()):
        listed.setdefault(name, set()).add(status)
    table = {}
    for status, names in re.findall(r"^\| (\d+) \| (.*?) \|", (ROOT / "docs/commands.md").read_text(), re.MULTILINE):
        table[status] = set(re.findall(r"`(\w+)`", names))
    assert table == {"0": set(), **listed}
    told = subprocess.run([str(BINARY), "help"], capture_output=True, text=True, check=True).stdout.split("exit statuses:")[1]
    assert set(re.findall(r"\b(6\d|7\d)\b", told)) == set(listed)


def test_a_message_id_may_be_cut_where_no_other_begins_so(table, make_bridge):
    table.put("a", "b")
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--max-receive-count", "1").start()
    sqs = client(bridge)
    url = f"{bridge.url}/000000000000/q"
    wait_until("both are read", lambda: queues(bridge)["q"]["queued"] == 2, 30)
    assert len(sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, MaxNumberOfMessages=10)["Messages"]) == 2
    wait_until("they die", lambda: sqs.receive_message(QueueUrl=url) and len(bridge.json("dead", "list")["dead"]) == 2, 30)
    ids = [d["message"]["message_id"] for d in bridge.json("dead", "list")["dead"]]
    for one in ids:
        prefix = one[:9]
        assert bridge.json("dead", "show", prefix)["message"]["message_id"] == one
        assert bridge.json("trace", prefix)["records"][0]["messages"][0]["message_id"] == one
    assert "found by the beginning of a message id" in bridge.command("trace", ids[0][:8], check=0)[2]
    for short in ("", ids[0][:7], ids[0][:8].upper() if ids[0][:8].upper() != ids[0][:8] else "g" * 8, ids[0][:8] + "0"):
        assert "no dead one whose id begins so" in bridge.command("dead", "show", short, check=66)[2]
        bridge.command("trace", short, check=66)
    bridge.command("dead", "show", "ffff" + ids[0], check=66)


def test_tables_have_times_as_json_has_them_and_streams_by_their_tables(table, make_bridge):
    table.put("a")
    bridge = make_bridge("--stream", table.name, "--queue", "q").start()
    wait_until("it is read", lambda: queues(bridge)["q"]["queued"] == 1, 30)
    arn = bridge.json("status")["shards"][0]["stream"]
    label = table.name + "/" + arn.split("/stream/")[1]
    bridge.command("queue", "send", "q", "x", check=0)
    shown = [bridge.command(*c, check=0)[1] for c in (("status",), ("trace", "a"), ("records",), ("queue", "receive", "q"))]
    for out in shown:
        assert re.search(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", out) and not re.search(r"\d{4}-\d\d-\d\d \d\d:", out), out
    assert all(arn not in out for out in shown[:3])  # a message's own text is shown as it is
    assert label in shown[0] and label in shown[1]
    at = bridge.json("records")["records"][-1]["read_at"]
    assert bridge.json("replay", "q", "--since", at, "--dry-run")["chosen"] >= 1
    later = at[:-4] + f"{int(at[-4:-1]) + 1:03}Z"  # a millisecond counts
    assert int(at[-4:-1]) == 999 or bridge.json("replay", "q", "--since", later, "--dry-run")["chosen"] == 0
    for wrong in (at.replace("Z", "4Z"), "2026-02-30", "2026-02-30T00:00:00.000Z", "2026-01-31T12:00:60.999Z", "2026-01-31T12:34: 6.789Z"):
        assert "is no time" in bridge.command("replay", "q", "--since", wrong, "--dry-run", check=64)[2]


def test_a_mistake_in_the_command_line_is_json_too(make_bridge):
    bridge = make_bridge("--queue", "q", endpoint=None)
    for arguments, says in ((["runn"], "no command"), (["status", "--bogus"], "--bogus is no flag"), (["trace"], "name one record"),
                            (["replay"], "name the queue"), (["trace", "--config", "a", "--config", "b", "x"], "--config is given twice")):
        done = subprocess.run([str(BINARY), *arguments, "--json"], capture_output=True, text=True, check=False, env=bridge.env)
        error = json.loads(done.stdout)["error"]
        assert (done.returncode, error["code"]) == (64, "usage") and says in error["message"] and says in done.stderr


def test_other_mistakes_are_json_too(make_bridge, tmp_path):
    bridge = make_bridge("--queue", "q", endpoint=None).start()
    (tmp_path / "bad.yaml").write_text("ledgr: x\n")
    for arguments, status, code in (([b"policy", b"--config", str(tmp_path / "bad.yaml").encode()], 78, "config"), ([b"trace", b"ab\xff"], 66, "not_found"),
                                    ([b"nope\xff"], 64, "usage")):
        done = subprocess.run([str(BINARY).encode(), *arguments, b"--json"], capture_output=True, check=False, env={**bridge.env, "STREAM2SQS_LEDGER": str(bridge.ledger)})
        assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (status, code)


def test_what_cannot_be_written_is_an_error(make_bridge):
    bridge = make_bridge("--queue", "q", endpoint=None).start()
    for arguments in (["status"], ["queue"], ["help", "run"], ["man"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([str(BINARY), *arguments, *(["--ledger", bridge.ledger] if arguments[0] in ("status", "queue") else [])],
                                  stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 71 and "standard output cannot be written" in done.stderr, arguments


def test_what_a_queue_refuses_has_its_own_status(make_bridge):
    bridge = make_bridge("--queue", "q", endpoint=None).start()
    bridge.command("queue", "create", "bad.name", check=65)
    bridge.command("queue", "purge", "q", "--yes", check=0)
    assert "60 seconds" in bridge.command("queue", "purge", "q", "--yes", check=69)[2]
    bridge.command("queue", "show", "nope", check=66)
    assert bridge.json("queue", "receive", "q") == {"messages": []}


def test_why_a_message_died_is_told_to_programs(table, make_bridge):
    table.put("a")
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--max-receive-count", "1").start()
    sqs = client(bridge)
    url = f"{bridge.url}/000000000000/q"
    wait_until("it is read", lambda: queues(bridge)["q"]["queued"] == 1, 30)
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    wait_until("it dies", lambda: not sqs.receive_message(QueueUrl=url).get("Messages") and bridge.json("dead", "list")["dead"], 30)
    message = bridge.json("dead", "list")["dead"][0]["message"]
    assert (message["code"], message["cause"]) == ("received_too_often", "received 1 times, and not deleted")
    assert len(bridge.json("dead", "redrive", "q", "--code", "received_too_often", "--dry-run")["dead"]) == 1
    assert bridge.json("trace", "a")["records"][0]["messages"][0]["code"] == "received_too_often"
    bridge.command("dead", "redrive", "q", "--code", "received_too_often", check=0)
    assert "code" not in bridge.json("trace", "a")["records"][0]["messages"][0]


def test_what_is_in_a_queue_is_listed_without_a_receive(make_bridge):
    bridge = make_bridge("--queue", "q", "--queue", "other", endpoint=None).start()
    sqs = client(bridge)
    url = f"{bridge.url}/000000000000/q"
    for body in ("deleted", "in flight", "back", "fresh"):
        bridge.command("queue", "send", "q", body, check=0)
    bridge.command("queue", "send", "other", "elsewhere", check=0)
    for body, visibility in (("deleted", 60), ("in flight", 60), ("back", 0)):
        got = sqs.receive_message(QueueUrl=url, VisibilityTimeout=visibility)["Messages"][0]
        assert got["Body"] == body
        if body == "deleted":
            sqs.delete_message(QueueUrl=url, ReceiptHandle=got["ReceiptHandle"])

    def bodies(*flags):
        return [(r["body"], r["states"]["q"]) for r in bridge.json("records", "--queue", "q", "--payload", *flags)["records"]]

    everything = [("fresh", "queued"), ("back", "queued"), ("in flight", "in_flight"), ("deleted", "deleted")]
    assert bodies() == everything
    for state in ("queued", "in_flight", "deleted", "dead"):
        assert bodies("--state", state) == [one for one in everything if one[1] == state]
    assert bodies("--limit", "1") == everything[:1] and bodies("--state", "queued", "--limit", "1") == everything[:1]
    assert "q: in_flight" in bridge.command("records", "--queue", "q", check=0)[1]
    assert "wants --queue" in bridge.command("records", "--state", "queued", check=64)[2]
    assert "docs/states.md" in bridge.command("records", "--queue", "q", "--state", "waiting", check=64)[2]
    assert 'no queue "nope"' in bridge.command("records", "--queue", "nope", check=66)[2]
    assert [q for q in bridge.json("status")["queues"] if q["queue"] == "q"][0]["queued"] == 2  # looking took nothing


def test_a_disabled_stream_is_told(table, make_bridge):
    table.put("a")
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--poll-interval", "200ms", "--discovery-interval", "1s").start()
    wait_until("it is read", lambda: queues(bridge)["q"]["queued"] == 1, 30)
    table.stream(False)
    wait_until("it is told", lambda: "is read to its end, and disabled" in bridge.command("status")[1], 60)
    assert bridge.admin("/readyz")[0] == 503 and table.name in bridge.admin("/readyz")[1]
    table.stream()
    table.put("b")
    wait_until("it goes on", lambda: queues(bridge)["q"]["queued"] == 2, 60)
    assert "is read to its end" not in bridge.command("status")[1]  # what is left is a gap: nobody knows what changed while there was no stream


@pytest.mark.parametrize("name", ["q", "q.fifo"])
def test_what_was_received_with_a_bad_record_waits_behind_it(table, make_bridge, tmp_path, name):
    """Records of one key that came in one batch were received as often as the bad one: they are held when it dies, and start anew when they go on."""
    config = tmp_path / "c.yaml"
    config.write_text(json.dumps({"pipelines": [{"stream": table.name, "poll_interval": "200ms", "queues": [
        {"name": name, "max_receive_count": 2, "on_dead": "hold_key"}]}]}))
    for n in range(4):
        table.dynamodb.put_item(TableName=table.name, Item={"id": {"S": "a"}, "n": {"N": str(n)}})
    bridge = make_bridge("--config", config).start()
    sqs = client(bridge)
    url = f"{bridge.url}/000000000000/{name}"
    wait_until("they are read", lambda: queues(bridge)[name]["queued"] == 4, 30)

    def numbers(**more):
        got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"], **more).get("Messages", [])
        return [(json.loads(m["Body"])["dynamodb"]["NewImage"]["n"]["N"], m["Attributes"]["ApproximateReceiveCount"]) for m in got]

    assert numbers(VisibilityTimeout=0) == [(str(n), "1") for n in range(4)]
    assert sorted(numbers(VisibilityTimeout=0)) == [(str(n), "2") for n in range(4)]
    assert numbers() == []
    assert (queues(bridge)[name]["dead"], queues(bridge)[name]["held"]) == (1, 3)
    bridge.command("audit", check=0)
    bridge.command("dead", "drop", name, "--all", "--yes", check=0)
    released = time.time()
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert [(json.loads(m["Body"])["dynamodb"]["NewImage"]["n"]["N"], m["Attributes"]["ApproximateReceiveCount"]) for m in got] == [(str(n), "1") for n in range(1, 4)]
    assert all(int(m["Attributes"]["ApproximateFirstReceiveTimestamp"]) >= int(released * 1000) - 5 for m in got)
    bridge.command("audit", check=0)


@pytest.mark.parametrize("end", ["redrive", "drop"])
def test_a_trace_knows_the_dead_letter_queue_afterwards(table, make_bridge, end):
    table.put("a")
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--max-receive-count", "1", "--dead-letter-queue", "q-dead").start()
    sqs = client(bridge)
    url = f"{bridge.url}/000000000000/q"
    wait_until("it is read", lambda: queues(bridge)["q"]["queued"] == 1, 30)
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    wait_until("it dies", lambda: not sqs.receive_message(QueueUrl=url).get("Messages") and bridge.json("dead", "list")["dead"], 30)
    assert sqs.receive_message(QueueUrl=url + "-dead", WaitTimeSeconds=5)["Messages"]
    bridge.command("dead", end, "q", "--all", *(["--yes"] if end == "drop" else []), check=0)
    steps = [(step["what"], step["queue"]) for step in bridge.json("trace", "a")["records"][0]["messages"][0]["steps"]]
    assert steps == [("enqueued", "q"), ("received", "q"), ("dead", "q"), ("enqueued", "q-dead"), ("received", "q-dead"),
                     ("redriven", "q") if end == "redrive" else ("dropped", "q-dead")]


def test_what_a_filter_kept_out_is_replayed(table, make_bridge):
    table.put("a", "b", "c")
    bridge = make_bridge("--stream", table.name, "--queue", "q", "--queue", "other", "--filter", '{"eventName": ["REMOVE"]}').start()
    wait_until("all is read", lambda: sum(s["records_read"] for s in bridge.json("status")["shards"]) == 3, 30)
    for times in (1, 2):
        assert bridge.json("replay", "q", "--all", "--dry-run") == {"chosen": 3, "replayed": 0, "unsettled": 3 * (times > 1), "dry_run": True}
        assert bridge.json("replay", "q", "--all")["replayed"] == 3
        assert queues(bridge)["q"]["queued"] == 3 * times
    bridge.command("queue", "create", "fed-by-none", check=0)
    for more in ([], ["--dry-run"]):
        assert "their stream does not feed the queue" in bridge.command("replay", "fed-by-none", "--all", *more, check=66)[2]
    assert bridge.stop() == 0
    assert bridge.json("replay", "q", "--key", "b")["replayed"] == 1  # on the ledger itself
    bridge.command("audit", check=0)


def test_several_streams_by_flags_are_refused(make_bridge):
    bridge = make_bridge(endpoint=None)
    said = bridge.command("check", "--offline", "--stream", "a", "--queue", "p", "--stream", "b", "--queue", "q", check=78)[2]
    assert "--stream is given twice: several streams are pipelines of a configuration file" in said


def test_a_policy_of_a_role_that_nobody_named(make_bridge):
    bridge = make_bridge(endpoint=None)
    said = bridge.command("policy", "--stream", "t", "--queue", "q", "--of-role", "arn:aws:iam::1:role/x", check=66)[2]
    assert 'the configuration has no role "arn:aws:iam::1:role/x"' in said
