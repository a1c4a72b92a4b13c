# SPDX-License-Identifier: Apache-2.0
"""The main job, to watch: a table's stream becomes single messages, a few of them bad, and the bridge is killed in the middle."""

import json
import os
import pathlib
import shutil
import sys
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import boto3  # noqa: E402
from rig import BUILD, KEY, REGION, ROOT, Bridge, Ministack, Server, wait_until  # noqa: E402

import batch_consumer  # noqa: E402

ORDERS = 300
BAD = {41, 97, 138, 205, 266}
ATTEMPTS = 3
DIRECTORY = BUILD / "demo"
TERMINAL = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def styled(code, text):
    return f"\033[{code}m{text}\033[0m" if TERMINAL else text


def step(title, *lines):
    print(f"\n{styled('1;34', title)}", flush=True)
    for line in lines:
        print(f"  {line}", flush=True)


def show(output):
    for line in output.rstrip().splitlines():
        print(f"  {styled('2', '|')} {line}")


def name(number):
    return f"order-{number:04}"


def write_orders(dynamodb, first, last):
    for at in range(first, last, 25):
        dynamodb.batch_write_item(RequestItems={"orders": [{"PutRequest": {"Item": {
            "id": {"S": name(n)}, "amount": {"N": "-1" if n in BAD else str(n * 10)}, "customer": {"S": f"customer-{n % 17}"}}}}
            for n in range(at, min(at + 25, last))]})


class Log:
    """What the consumer has written so far."""

    def __init__(self, path):
        self.path = path

    def lines(self):
        return [line.split() for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def count(self, what):
        return sum(1 for line in self.lines() if line[0] == what)


def judge(lines):
    """Deliveries of each order, and those that came after a confirmed delete."""
    delivered, deleted, again = Counter(), set(), []
    for what, order in lines:
        if what == "deleted":
            deleted.add(order)
            continue
        delivered[order] += 1
        if order in deleted:
            again.append(order)
    return delivered, deleted, again


def run(servers):
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    step("1. A DynamoDB table with a stream", "ministack serves it on this machine; no AWS account is needed")
    aws = Ministack(DIRECTORY)
    servers.append(aws)
    clients = {"endpoint_url": aws.url, "region_name": REGION, **KEY}
    dynamodb = boto3.client("dynamodb", **clients)
    arn = dynamodb.create_table(TableName="orders", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], BillingMode="PAY_PER_REQUEST",
                                StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})["TableDescription"]["LatestStreamArn"]

    flags = ["--stream", "orders", "--queue", "orders-events", "--max-receive-count", ATTEMPTS, "--dead-letter-queue", "orders-dead",
             "--visibility-timeout", "2s"]
    step("2. The bridge", "stream2sqs run " + " ".join(map(str, flags)))
    bridge = Bridge(DIRECTORY, aws.url, *flags)
    servers.append(bridge)
    bridge.start()

    step(f"3. {ORDERS} orders, {len(BAD)} of them bad", "an ordinary boto3 consumer (tests/demo/consumer.py) receives ten at a time and deletes one by one;",
         "it fails on an order with a negative amount")
    log = Log(DIRECTORY / "consumer.log")
    servers.append(Server([sys.executable, ROOT / "tests/demo/consumer.py", bridge.url, REGION, *bridge.key.values(), log.path], DIRECTORY / "consumer.out"))
    write_orders(dynamodb, 0, ORDERS // 2)
    wait_until("half of the orders", lambda: log.count("deleted") >= ORDERS // 3)

    step("4. kill -9", f"the bridge is killed after {log.count('deleted')} deletes, and started again; the consumer just tries again")
    bridge.kill()
    write_orders(dynamodb, ORDERS // 2, ORDERS)
    bridge.start()
    wait_until("all orders", lambda: log.count("deleted") >= ORDERS - len(BAD), 60)
    wait_until("the bad ones to die", lambda: len(bridge.json("dead", "list")["dead"]) == len(BAD), 60)

    delivered, deleted, again = judge(log.lines())
    good_twice = [o for o in deleted if delivered[o] > 1]
    step("5. How often was each order delivered?")
    for times, count in sorted(Counter(delivered.values()).items()):
        print(f"  {count:4} orders {times} time{'s' if times > 1 else ''}")
    print(f"  delivered again after their delete was confirmed: {styled('1;32' if not again else '1;31', str(len(again)))}")
    if good_twice:
        print(f"  ({len(good_twice)} good ones came twice: they were in flight, not yet deleted, when the bridge was killed)")

    step("6. The bad ones are dead letters, with their full payload", "stream2sqs dead list")
    show(bridge.command("dead", "list", check=0)[1])
    worst = bridge.json("dead", "list")["dead"][0]
    print("  stream2sqs dead show " + worst["message"]["message_id"])
    show(bridge.command("dead", "show", worst["message"]["message_id"], check=0)[1])

    order = next(iter(worst["record"]["keys"]["id"].values()))
    step("7. One record's whole life", f"stream2sqs trace {order}")
    show(bridge.command("trace", order, check=0)[1])

    step("8. The proof that nothing was lost", "stream2sqs audit")
    status, audit, _ = bridge.command("audit")
    show(audit)

    batch_delivered, batch_handled = batch_consumer.consume(boto3.client("dynamodbstreams", **clients), arn, ATTEMPTS)
    missed = ORDERS - len(BAD) - len(batch_handled)
    step("9. The same stream, batch by batch (Lambda's rules, batches of 100, 3 attempts; tests/demo/batch_consumer.py)",
         f"{sum(1 for o in batch_handled if batch_handled[o] > 1)} good orders were handled more than once, "
         f"{sum(batch_handled.values()) - len(batch_handled)} times too often in all",
         f"{missed} good orders were never handled: they stood behind a bad one, in a batch that was given up")

    good = not again and len(deleted) == ORDERS - len(BAD) and status == 0
    step("What to try next" if good else "THIS WENT WRONG",
         f"the ledger of this demo is kept: look around with",
         f"  build/stream2sqs records --ledger {os.path.relpath(bridge.ledger, ROOT)}",
         f"  build/stream2sqs dead redrive orders-events --all --ledger {os.path.relpath(bridge.ledger, ROOT)}",
         "your own table: build/stream2sqs run --stream TABLE --queue NAME   (build/stream2sqs help run says the rest)")
    (DIRECTORY / "result.json").write_text(json.dumps({"good": good, "again": again, "deleted": len(deleted), "missed_by_batches": missed}))
    return 0 if good else 1


def main():
    servers = []
    try:
        return run(servers)
    finally:
        for server in reversed(servers):
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
