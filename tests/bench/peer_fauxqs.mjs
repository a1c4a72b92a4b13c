// SPDX-License-Identifier: Apache-2.0
// A peer for the benchmark: fauxqs, an SQS-compatible server that keeps nothing. Run in a folder that has it in node_modules:
//     node peer_fauxqs.mjs PORT QUEUE
// Prints one line of JSON when the queue is there. Ends when its standard input does, so that it never outlives who started it.
import { pathToFileURL } from "node:url";

const [port, queue] = process.argv.slice(2);
const { startFauxqs } = await import(pathToFileURL(`${process.cwd()}/node_modules/fauxqs/dist/app.js`).href);
const server = await startFauxqs({ port: Number(port), host: "127.0.0.1", logger: false });
const answer = await fetch(`http://127.0.0.1:${port}/`, {
  method: "POST",
  headers: {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "AmazonSQS.CreateQueue",
    Authorization: "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=none",
  },
  body: JSON.stringify({ QueueName: queue }),
});
console.log(JSON.stringify({ pid: process.pid, queue_url: (await answer.json()).QueueUrl }));
process.stdin.resume();
process.stdin.on("end", () => server.stop().then(() => process.exit(0)));
