// SPDX-License-Identifier: Apache-2.0
// fauxqs, an SQS-compatible server that the end-to-end tests send to: node fauxqs.mjs PORT, in a folder that has it in node_modules.
import { pathToFileURL } from "node:url";

const { startFauxqs } = await import(pathToFileURL(`${process.cwd()}/node_modules/fauxqs/dist/app.js`).href);
await startFauxqs({ port: Number(process.argv[2]), host: "127.0.0.1", logger: false });
console.log("ready");
