# SPDX-License-Identifier: Apache-2.0
"""An ordinary SQS consumer: nothing in it knows of stream2sqs but the endpoint's address."""

import json
import sys

import boto3
from botocore.config import Config

from orders import BadOrder, handle, order_of


def consume(sqs, queue_url, log):
    while True:
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=2)
        for message in answer.get("Messages", []):
            order = order_of(message["Body"])
            print("delivered", order, file=log, flush=True)
            try:
                handle(json.loads(message["Body"]))
            except BadOrder:
                continue  # it comes again, alone, after its visibility time-out
            sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            print("deleted", order, file=log, flush=True)


if __name__ == "__main__":
    endpoint, region, key_id, secret, log_path = sys.argv[1:]
    client = boto3.client("sqs", endpoint_url=endpoint, region_name=region, aws_access_key_id=key_id, aws_secret_access_key=secret,
                          config=Config(retries={"mode": "standard", "max_attempts": 10}))
    with open(log_path, "a", encoding="utf-8") as out:
        consume(client, client.get_queue_url(QueueName="orders-events")["QueueUrl"], out)
