# SPDX-License-Identifier: Apache-2.0
"""A consumer with Amazon's SQS Extended Client, which changes boto3 for its whole process. Prints what it read as JSON: the texts by key."""

import json
import sys

import boto3
import sqs_extended_client  # noqa: F401  (it changes boto3)
from botocore.config import Config

url, name, bucket, count, s3_url, key_id, secret = sys.argv[1:]
sqs = boto3.client("sqs", endpoint_url=url, region_name="eu-west-1", aws_access_key_id=key_id, aws_secret_access_key=secret)
sqs.large_payload_support = bucket
sqs.delete_payload_from_s3 = True
sqs.s3_client = boto3.client("s3", endpoint_url=s3_url, region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test",
                             config=Config(s3={"addressing_style": "path"}))
queue = sqs.get_queue_url(QueueName=name)["QueueUrl"]
seen = {}
while len(seen) < int(count):
    for m in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=2).get("Messages", []):
        image = json.loads(m["Body"])["dynamodb"]["NewImage"]
        seen[image["id"]["S"]] = image["text"]["S"]
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=m["ReceiptHandle"])
print(json.dumps(seen))
