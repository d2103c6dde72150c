// Uploads a file with tus-js-client, unmodified: node tus.mjs ENDPOINT TOKEN FILE NAME PARALLEL
// and prints the headers of the last answer as JSON.
import { readFileSync } from "node:fs";
import { Upload } from "tus-js-client";

const [endpoint, token, path, filename, parallel] = process.argv.slice(2);

const upload = new Upload(readFileSync(path), {
  endpoint,
  parallelUploads: Number(parallel),
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
