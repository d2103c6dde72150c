// A small application guarded by @clerk/express, unmodified and set up by its environment alone.
import { clerkClient, clerkMiddleware, getAuth } from '@clerk/express';
import express from 'express';

const app = express();
app.use(clerkMiddleware());

function signedIn(request, response, next) {
  return getAuth(request).userId ? next() : response.status(401).json({ error: 'nobody' });
}

app.get('/public', (request, response) => {
  response.json({ userId: getAuth(request).userId });
});

app.get('/me', signedIn, (request, response) => {
  const { userId, sessionId, orgId, orgRole, sessionClaims } = getAuth(request);
  response.json({ userId, sessionId, orgId, orgRole, azp: sessionClaims.azp });
});

app.get('/admin', signedIn, (request, response) => {
  const { has, userId } = getAuth(request);
  return has({ role: 'org:admin' })
    ? response.json({ userId })
    : response.status(403).json({ error: 'admins only' });
});

app.get('/profile', signedIn, async (request, response) => {
  const user = await clerkClient.users.getUser(getAuth(request).userId);
  response.json({ name: user.firstName, email: user.primaryEmailAddress?.emailAddress });
});

app.get('/machine', (request, response) => {
  const { isAuthenticated, tokenType, subject } = getAuth(request, {
    acceptsToken: ['api_key', 'm2m_token', 'oauth_token'],
  });
  return isAuthenticated
    ? response.json({ tokenType, subject })
    : response.status(401).json({ error: 'machines only' });
});

// Asks Clerk whether the session goes on: what a token alone can't tell.
app.get('/careful', signedIn, async (request, response) => {
  const session = await clerkClient.sessions.getSession(getAuth(request).sessionId);
  return session.status === 'active'
    ? response.json({ status: session.status })
    : response.status(401).json({ error: session.status });
});

app.post('/sign-out-everywhere', signedIn, async (request, response) => {
  const session = await clerkClient.sessions.revokeSession(getAuth(request).sessionId);
  response.json({ status: session.status });
});

const server = app.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`);
});
