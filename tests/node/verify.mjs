// Judges tokens with @clerk/backend, unmodified: JSON lines in, JSON lines out, time standing still.
import { createInterface } from 'node:readline';

const RealDate = Date;
let now = 0;
globalThis.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length ? given : [now]));
  }
  static now() {
    return now;
  }
};

const { createClerkClient, verifyToken } = await import('@clerk/backend');
const { decodeJwt } = await import('@clerk/backend/jwt');
const IN_A_HEADER = /^[\x21-\x7e]+$/;

// What lies deep is left out, which may be too deep to be written; JSON has no infinite numbers.
function shallow(value, depth = 0) {
  if (value === null || typeof value !== 'object') {
    return typeof value === 'number' && !Number.isFinite(value) ? { number: `${value}` } : value;
  }
  if (depth > 2) {
    return '…';
  }
  if (Array.isArray(value)) {
    return value.map(item => shallow(item, depth + 1));
  }
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shallow(v, depth + 1)]));
}

function decoded(token) {
  try {
    const { header, payload } = decodeJwt(token);
    return { header: shallow(header), payload: shallow(payload) };
  } catch {
    return {};
  }
}

async function verified(token, options) {
  try {
    await verifyToken(token, options);
    return { ok: true };
  } catch (error) {
    return { ok: false, reason: error.reason ?? `threw ${error.name}` };
  }
}

function auth(state) {
  try {
    const { userId, sessionId, orgId, orgSlug, orgRole, orgPermissions } = state.toAuth({
      treatPendingAsSignedOut: false,
    });
    return shallow({ userId, sessionId, orgId, orgSlug, orgRole, orgPermissions });
  } catch (error) {
    return { threw: error.name };
  }
}

async function session(client, token, options) {
  if (!IN_A_HEADER.test(token)) {
    return null;
  }
  const headers = { Authorization: `Bearer ${token}` };
  try {
    const request = new Request('https://api.example.com/', { headers });
    const state = await client.authenticateRequest(request, options);
    return state.isAuthenticated
      ? { ok: true, auth: auth(state) }
      : { ok: false, reason: state.reason };
  } catch (error) {
    return { ok: false, reason: `threw ${error.name}` };
  }
}

let keys;
let client;
for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  if (asked.keys) {
    keys = asked.keys;
    client = createClerkClient({ ...keys, telemetry: { disabled: true } });
    continue;
  }
  now = asked.now;
  const options = { jwtKey: keys.jwtKey, ...asked.options };
  const answer = {
    ...(await verified(asked.token, options)),
    ...decoded(asked.token),
    session: await session(client, asked.token, options),
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
