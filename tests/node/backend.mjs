// Drives @clerk/backend, unmodified, against the API that CLERK_API_URL names: JSON lines in and out.
import { createInterface } from 'node:readline';

import { createClerkClient, verifyToken } from '@clerk/backend';
import { verifyWebhook } from '@clerk/backend/webhooks';

const { CLERK_API_URL, CLERK_SECRET_KEY, CLERK_PUBLISHABLE_KEY, CLERK_JWT_KEY } = process.env;
const keys = {
  apiUrl: CLERK_API_URL,
  secretKey: CLERK_SECRET_KEY,
  publishableKey: CLERK_PUBLISHABLE_KEY,
};
const client = createClerkClient({ ...keys, telemetry: { disabled: true } });

function asked(state, questions) {
  const auth = state.toAuth();
  if (auth === null) {
    return null;
  }
  const { getToken, has, debug, ...facts } = auth;
  return { ...facts, has: questions.map(question => has(question)) };
}

const operations = {
  // A method of the client by its name, such as users.getUser.
  async call({ method, args }) {
    const [group, name] = method.split('.');
    return client[group][name](...args);
  },

  async verifyToken({ token, options }) {
    return verifyToken(token, { apiUrl: CLERK_API_URL, ...options });
  },

  async authenticateRequest({ url, headers, method = 'GET', options = {}, questions = [] }) {
    const request = new Request(url ?? 'http://127.0.0.1:3000/', { method, headers });
    const state = await client.authenticateRequest(request, options);
    return {
      status: state.status,
      reason: state.reason,
      message: state.message,
      isAuthenticated: state.isAuthenticated,
      tokenType: state.tokenType,
      headers: [...state.headers],
      auth: asked(state, questions),
    };
  },

  // Each token by itself, with its verdicts side by side.
  async judge({ tokens }) {
    const options = { jwtKey: CLERK_JWT_KEY, acceptsToken: 'any' };
    return Promise.all(
      tokens.map(async token => {
        const headers = { Authorization: `Bearer ${token}` };
        const state = await client.authenticateRequest(
          new Request('http://127.0.0.1:3000/', { headers }),
          options,
        );
        const verified = await verifyToken(token, options).then(
          () => ({ ok: true }),
          error => ({ ok: false, reason: error.reason ?? `threw ${error.name}` }),
        );
        const auth = state.toAuth({ treatPendingAsSignedOut: false });
        return {
          verified,
          request: { ok: state.isAuthenticated, reason: state.reason, type: state.tokenType },
          auth,
        };
      }),
    );
  },

  // Where a browser goes for each address, by the parser that browsers share.
  async hosts({ addresses }) {
    return addresses.map(address => (URL.canParse(address) ? new URL(address).host : null));
  },

  async verifyWebhook({ body, headers, secret }) {
    const request = new Request('http://127.0.0.1:3000/', { method: 'POST', body, headers });
    return verifyWebhook(request, { signingSecret: secret });
  },
};

function told(error) {
  return {
    name: error.name,
    message: error.message,
    reason: error.reason,
    status: error.status,
    codes: error.errors?.map(({ code }) => code),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { operation, ...given } = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await operations[operation](given)) ?? null };
  } catch (error) {
    answer = { error: told(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
