// Clerk's own verifier over the tokens on standard input, beside WebCrypto's bare RSA.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(new URL("../tests/node/package.json", import.meta.url));
const { verifyToken } = require("@clerk/backend");
const { jwtKey, tokens, party } = JSON.parse(readFileSync(0, "utf8"));
const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };

async function perCall(work) {
  const began = process.hrtime.bigint();
  for (const token of tokens) await work(token);
  return Number(process.hrtime.bigint() - began) / tokens.length / 1000;
}

const der = Buffer.from(jwtKey.replace(/-----[A-Z ]+-----|\s/g, ""), "base64");
const key = await crypto.subtle.importKey("spki", der, algorithm, false, ["verify"]);
const rounds = [];
for (let round = 0; round < 22; round++) {
  const raw = await perCall(async (token) => {
    const end = token.lastIndexOf(".");
    const signature = Buffer.from(token.slice(end + 1), "base64url");
    if (!(await crypto.subtle.verify(algorithm, key, signature, Buffer.from(token.slice(0, end)))))
      throw new Error("not verified");
  });
  const verify = await perCall((token) =>
    verifyToken(token, { jwtKey, authorizedParties: [party] }),
  );
  if (round > 0) rounds.push({ raw, verify }); // the first round warms up
}
console.log(JSON.stringify(rounds));
