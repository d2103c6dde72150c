// Uploads with tus-js-client, unmodified, which tells the length with the last part alone:
// node tus-deferred.mjs ENDPOINT TOKEN FILE
// and prints the address of the file that came of it as JSON.
import { readFileSync } from "node:fs";
import { Upload } from "tus-js-client";

const [endpoint, token, path] = process.argv.slice(2);

const upload = new Upload(readFileSync(path), {
  endpoint,
  uploadLengthDeferred: true,
  chunkSize: 1 << 20,
  headers: { Authorization: `Bearer ${token}` },
  metadata: { filename: "stream.bin" },
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
