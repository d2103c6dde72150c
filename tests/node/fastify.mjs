// A small application guarded by @clerk/fastify, unmodified and set up by documented options.
import { clerkClient, clerkPlugin, getAuth } from '@clerk/fastify';
import Fastify from 'fastify';

const app = Fastify();
// The plugin takes its keys from the environment, and the API's address from this option alone.
app.register(clerkPlugin, {
  apiUrl: process.env.CLERK_API_URL,
  proxyUrl: process.env.CLERK_PROXY_URL,
  telemetry: { disabled: true },
});

async function signedIn(request, reply) {
  if (!getAuth(request).userId) {
    return reply.code(401).send({ error: 'nobody' });
  }
}

app.get('/public', async request => ({ userId: getAuth(request).userId }));

app.get('/me', { preHandler: signedIn }, async request => {
  const { userId, sessionId, orgId, orgRole, sessionClaims } = getAuth(request);
  return { userId, sessionId, orgId, orgRole, azp: sessionClaims.azp };
});

app.get('/admin', { preHandler: signedIn }, async (request, reply) => {
  const { has, userId } = getAuth(request);
  return has({ role: 'org:admin' }) ? { userId } : reply.code(403).send({ error: 'admins only' });
});

app.get('/profile', { preHandler: signedIn }, async request => {
  const user = await clerkClient.users.getUser(getAuth(request).userId);
  return { name: user.firstName, email: user.primaryEmailAddress?.emailAddress };
});

app.get('/machine', async (request, reply) => {
  const { isAuthenticated, tokenType, subject } = getAuth(request, {
    acceptsToken: ['api_key', 'm2m_token', 'oauth_token'],
  });
  return isAuthenticated ? { tokenType, subject } : reply.code(401).send({ error: 'machines only' });
});

// Asks Clerk whether the session goes on: what a token alone can't tell.
app.get('/careful', { preHandler: signedIn }, async (request, reply) => {
  const { status } = await clerkClient.sessions.getSession(getAuth(request).sessionId);
  return status === 'active' ? { status } : reply.code(401).send({ error: status });
});

app.post('/sign-out-everywhere', { preHandler: signedIn }, async request => {
  const { status } = await clerkClient.sessions.revokeSession(getAuth(request).sessionId);
  return { status };
});

await app.listen({ port: 0, host: '127.0.0.1' });
process.stdout.write(`${JSON.stringify({ port: app.server.address().port })}\n`);
