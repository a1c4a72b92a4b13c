# SPDX-License-Identifier: Apache-2.0
"""What a batch-wise consumer of the same stream goes through: Lambda's rules for an event source mapping without partial responses. A batch that fails
comes again as a whole, until it succeeds or its attempts are used up; then it is given up, with all that is in it."""

from collections import Counter

from orders import BadOrder, handle

BATCH_SIZE = 100


def read_all(streams, arn):
    records = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while iterator:
            page = streams.get_records(ShardIterator=iterator)
            if not page["Records"]:
                break
            records += page["Records"]
            iterator = page.get("NextShardIterator")
    return records


def consume(streams, arn, attempts):
    """(how often each order was delivered, how often each was handled)"""
    delivered, handled = Counter(), Counter()
    records = read_all(streams, arn)
    for at in range(0, len(records), BATCH_SIZE):
        batch = records[at:at + BATCH_SIZE]
        for _ in range(attempts):
            delivered.update(r["dynamodb"]["Keys"]["id"]["S"] for r in batch)
            try:
                for record in batch:
                    handled[handle(record)] += 1
                break
            except BadOrder:
                continue
    return delivered, handled
