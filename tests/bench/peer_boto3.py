# SPDX-License-Identifier: Apache-2.0
"""The loop that a team would write by hand: GetRecords -> SendMessageBatch of ten, with boto3. It keeps no position, knows no splits, and survives no failure.
usage: peer_boto3.py STREAMS_URL SQS_URL COUNT   (AWS_CA_BUNDLE and keys from the environment); prints seconds and its own CPU as JSON."""

import json
import resource
import sys
import time

import boto3

streams_url, sqs_url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
streams = boto3.client("dynamodbstreams", endpoint_url=streams_url)
sqs = boto3.client("sqs", endpoint_url=sqs_url)
queue = sqs.get_queue_url(QueueName="bench")["QueueUrl"]
arn = streams.list_streams(TableName="bench")["Streams"][0]["StreamArn"]
shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
began, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
sent = 0
iterators = [streams.get_shard_iterator(StreamArn=arn, ShardId=s["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"] for s in shards]
while sent < count and iterators:
    following = []
    for iterator in iterators:
        page = streams.get_records(ShardIterator=iterator)
        for at in range(0, len(page["Records"]), 10):
            records = page["Records"][at:at + 10]
            answer = sqs.send_message_batch(QueueUrl=queue, Entries=[
                {"Id": str(i), "MessageBody": json.dumps(r, default=str)} for i, r in enumerate(records)])
            sent += len(answer["Successful"])
        if page.get("NextShardIterator"):
            following.append(page["NextShardIterator"])
    iterators = following
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"records": sent, "seconds": time.monotonic() - began,
                  "cpu_seconds": used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime}))
