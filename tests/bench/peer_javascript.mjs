// SPDX-License-Identifier: Apache-2.0
// The same loop as peer_boto3.py, with the AWS SDK for JavaScript v3: GetRecords -> SendMessageBatch of ten. It keeps no position, knows no splits, and survives
// no failure. usage: node peer_javascript.mjs STREAMS_URL SQS_URL COUNT   (NODE_PACKAGES: where the SDK is); prints seconds and its own CPU as JSON.
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_PACKAGES + "/");
const { DynamoDBStreamsClient, ListStreamsCommand, DescribeStreamCommand, GetShardIteratorCommand, GetRecordsCommand } = require("@aws-sdk/client-dynamodb-streams");
const { SQSClient, GetQueueUrlCommand, SendMessageBatchCommand } = require("@aws-sdk/client-sqs");
const [streamsUrl, sqsUrl, count] = process.argv.slice(2);
const common = { region: "eu-west-1", credentials: { accessKeyId: "test", secretAccessKey: "test" } };
const streams = new DynamoDBStreamsClient({ endpoint: streamsUrl, ...common });
const sqs = new SQSClient({ endpoint: sqsUrl, ...common });

const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: "bench" }));
const { Streams } = await streams.send(new ListStreamsCommand({ TableName: "bench" }));
const StreamArn = Streams[0].StreamArn;
const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn }));
const began = process.hrtime.bigint();
const cpu = process.cpuUsage();
let iterators = [];
for (const { ShardId } of StreamDescription.Shards)
  iterators.push((await streams.send(new GetShardIteratorCommand({ StreamArn, ShardId, ShardIteratorType: "TRIM_HORIZON" }))).ShardIterator);
let sent = 0;
while (sent < Number(count) && iterators.length > 0) {
  const following = [];
  for (const ShardIterator of iterators) {
    const page = await streams.send(new GetRecordsCommand({ ShardIterator }));
    for (let at = 0; at < page.Records.length; at += 10) {
      const Entries = page.Records.slice(at, at + 10).map((r, i) => ({ Id: String(i), MessageBody: JSON.stringify(r) }));
      sent += (await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }))).Successful.length;
    }
    if (page.NextShardIterator) following.push(page.NextShardIterator);
  }
  iterators = following;
}
const used = process.cpuUsage(cpu);
console.log(JSON.stringify({ records: sent, seconds: Number(process.hrtime.bigint() - began) / 1e9, cpu_seconds: (used.user + used.system) / 1e6 }));
process.exit(0);
