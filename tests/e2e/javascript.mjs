// SPDX-License-Identifier: Apache-2.0
// A consumer with the AWS SDK for JavaScript v3. Prints one JSON line of what it saw.
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_PACKAGES + "/");
const { SQSClient, GetQueueUrlCommand, ReceiveMessageCommand, DeleteMessageBatchCommand, SendMessageCommand } = require("@aws-sdk/client-sqs");
const [endpoint, region, accessKeyId, secretAccessKey, wanted] = process.argv.slice(2);
const sqs = new SQSClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });

const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: "q" }));
const keys = [];
let failed = 0;
while (keys.length < Number(wanted)) {
  const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 5, MessageAttributeNames: ["All"] }));
  if (Messages.length === 0) break;
  keys.push(...Messages.map((m) => JSON.parse(m.Body).dynamodb.Keys.id.S));
  const Entries = Messages.map((m, i) => ({ Id: String(i), ReceiptHandle: m.ReceiptHandle }));
  failed += ((await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }))).Failed ?? []).length;
}
const sent = await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: "from JavaScript \u{1f600}" })); // the SDK checks the digest
const errors = {};
for (const [name, command] of [["queue", new GetQueueUrlCommand({ QueueName: "none" })],
  ["handle", new DeleteMessageBatchCommand({ QueueUrl, Entries: [] })]]) {
  try {
    await sqs.send(command);
  } catch (error) {
    errors[name] = error.name;
  }
}
console.log(JSON.stringify({ keys, failed, sent: sent.MessageId, errors }));
