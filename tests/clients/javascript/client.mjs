// SPDX-License-Identifier: Apache-2.0
// The AWS SDK for JavaScript v3, and sqs-consumer on top of it. Prints one JSON line a scenario.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(process.env.NODE_PACKAGES + "/");
const aws = require("@aws-sdk/client-sqs");
const { Consumer } = require("sqs-consumer");
const { ENDPOINT, REGION, KEY_ID, KEY_SECRET } = process.env;
const sqs = new aws.SQSClient({ endpoint: ENDPOINT, region: REGION, credentials: { accessKeyId: KEY_ID, secretAccessKey: KEY_SECRET } });
const ask = (name, input) => sqs.send(new aws[name + "Command"](input));
let serial = 0;

async function create(suffix = "", Attributes = {}) {
  return (await ask("CreateQueue", { QueueName: `js-${++serial}${suffix}`, Attributes })).QueueUrl;
}

async function attribute(QueueUrl, name) {
  return (await ask("GetQueueAttributes", { QueueUrl, AttributeNames: [name] })).Attributes[name];
}

async function send(QueueUrl, count) {
  const Entries = Array.from({ length: count }, (_, i) => ({ Id: String(i), MessageBody: String(i) }));
  assert.equal((await ask("SendMessageBatch", { QueueUrl, Entries })).Successful.length, count);
}

async function receive(QueueUrl, WaitTimeSeconds = 0) {
  const got = await ask("ReceiveMessage", { QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds, AttributeNames: ["All"], MessageAttributeNames: ["All"] });
  return got.Messages ?? [];
}

const scenarios = {
  async partial_failure() {
    const QueueUrl = await create("", { VisibilityTimeout: "1" });
    await send(QueueUrl, 10);
    const got = await receive(QueueUrl);
    const Entries = got.slice(0, 7).map((m, i) => ({ Id: String(i), ReceiptHandle: m.ReceiptHandle }));
    assert.equal((await ask("DeleteMessageBatch", { QueueUrl, Entries })).Failed, undefined);
    const again = [];
    while (again.length < 3) again.push(...(await receive(QueueUrl, 5)));
    assert.deepEqual(again.map((m) => m.MessageId).sort(), got.slice(7).map((m) => m.MessageId).sort());
  },
  async visibility() {
    const QueueUrl = await create("", { VisibilityTimeout: "1" });
    await send(QueueUrl, 1);
    const [{ ReceiptHandle }] = await receive(QueueUrl);
    await ask("ChangeMessageVisibility", { QueueUrl, ReceiptHandle, VisibilityTimeout: 60 });
    assert.equal((await receive(QueueUrl, 2)).length, 0);
    await ask("ChangeMessageVisibility", { QueueUrl, ReceiptHandle, VisibilityTimeout: 0 });
    assert.equal((await receive(QueueUrl, 2)).length, 1);
  },
  async dead_letters() {
    const dead = await create();
    const SourceArn = await attribute(dead, "QueueArn");
    const url = await create("", { VisibilityTimeout: "0", RedrivePolicy: JSON.stringify({ deadLetterTargetArn: SourceArn, maxReceiveCount: 1 }) });
    await send(url, 5);
    while ((await attribute(dead, "ApproximateNumberOfMessages")) !== "5") await receive(url);
    await ask("StartMessageMoveTask", { SourceArn });
    while ((await ask("ListMessageMoveTasks", { SourceArn })).Results[0].Status !== "COMPLETED");
    assert.equal(await attribute(url, "ApproximateNumberOfMessages"), "5");
  },
  async fifo() {
    const QueueUrl = await create(".fifo", { FifoQueue: "true", ContentBasedDeduplication: "true" });
    for (const i of [0, 1, 2, 3, 3]) await ask("SendMessage", { QueueUrl, MessageBody: String(i), MessageGroupId: String(i % 2) });
    assert.equal((await receive(QueueUrl)).map((m) => m.Body).join(""), "0213");
    assert.equal((await receive(QueueUrl)).length, 0);
  },
  async attributes() {
    const QueueUrl = await create();
    const MessageBody = "a\r\nb <&> \u00e4 \u{1f600}";
    const MessageAttributes = { n: { DataType: "Number", StringValue: "1".repeat(38) }, b: { DataType: "Binary", BinaryValue: new Uint8Array([0, 1, 255]) } };
    await ask("SendMessage", { QueueUrl, MessageBody, MessageAttributes }); // the SDK checks the digests
    const [m] = await receive(QueueUrl);
    assert.equal(m.Body, MessageBody);
    assert.deepEqual([...m.MessageAttributes.b.BinaryValue], [0, 1, 255]);
    await ask("TagQueue", { QueueUrl, Tags: { a: "b" } });
    assert.deepEqual((await ask("ListQueueTags", { QueueUrl })).Tags, { a: "b" });
    await ask("PurgeQueue", { QueueUrl });
    await ask("DeleteQueue", { QueueUrl });
  },
  async errors() {
    const QueueUrl = await create();
    const twice = { Id: "a", ReceiptHandle: "x" };
    for (const [name, input, want] of [
      ["GetQueueUrl", { QueueName: "never-made" }, "QueueDoesNotExist"],
      ["DeleteMessage", { QueueUrl, ReceiptHandle: "x" }, "ReceiptHandleIsInvalid"],
      ["DeleteMessageBatch", { QueueUrl, Entries: [twice, twice] }, "BatchEntryIdsNotDistinct"],
      ["DeleteMessageBatch", { QueueUrl, Entries: [] }, "EmptyBatchRequest"],
      ["SendMessage", { QueueUrl, MessageBody: "\x01" }, "InvalidMessageContents"],
    ]) {
      await assert.rejects(ask(name, input), (e) => e instanceof aws[want] || e.name === want || e.name.includes(want), name);
    }
  },
  async sqs_consumer() {
    const queueUrl = await create("", { VisibilityTimeout: "1" });
    await send(queueUrl, 10);
    const seen = new Map();
    await new Promise((resolve, reject) => {
      const consumer = Consumer.create({
        queueUrl, sqs, batchSize: 10, waitTimeSeconds: 1, visibilityTimeout: 1, shouldDeleteMessages: true,
        handleMessage: async (m) => {
          seen.set(m.Body, (seen.get(m.Body) ?? 0) + 1);
          if (m.Body === "3" && seen.get("3") === 1) throw new Error("bad record");
        },
      });
      consumer.on("error", reject);
      consumer.on("empty", () => {
        if (seen.get("3") === 2 && seen.size === 10) {
          consumer.stop({ abort: true });
          resolve();
        }
      });
      consumer.start();
    });
    assert.deepEqual([...seen.values()].filter((n) => n > 1).length, 1);
    assert.equal(await attribute(queueUrl, "ApproximateNumberOfMessages"), "0");
  },
};

for (const [scenario, run] of Object.entries(scenarios)) {
  let error = "";
  await run().catch((e) => { error = String(e.stack ?? e); });
  console.log(JSON.stringify({ scenario, error }));
}
process.exit(0);
