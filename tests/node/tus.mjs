// Uploads a file with tus-js-client, unmodified: node tus.mjs ENDPOINT TOKEN FILE NAME PARALLEL
// and prints the headers of the last answer as JSON.
import { createReadStream, statSync } from "node:fs";
import { Upload } from "tus-js-client";

const [endpoint, token, path, filename, parallel] = process.argv.slice(2);
const parallelUploads = Number(parallel);
const source = parallelUploads > 1 ? { path } : createReadStream(path);

const upload = new Upload(source, {
  endpoint,
  parallelUploads,
  uploadSize: statSync(path).size,
  chunkSize: parallelUploads > 1 ? Infinity : 4 << 20,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename, filetype: "application/octet-stream" },
  retryDelays: Array(300).fill(20),
  onError(error) {
    console.error(error);
    process.exit(1);
  },
  onSuccess({ lastResponse }) {
    console.log(JSON.stringify({ location: lastResponse.getHeader("Content-Location") }));
    process.exit(0);
  },
});
upload.start();
