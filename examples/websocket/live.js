// A WebSocket that stays: with a fresh token after 4401, and with patience when the server has none.

const ENDED = 4401; // the token expired, or its session was revoked
const FORBIDDEN = 4403; // signed in, and something is missing: a new token has no more of it
const WAIT_MS = [500, 1000, 2000, 5000, 10000];

/**
 * Connects to `url` and gives `{send, close}`.
 *
 * `getToken` is asked before every connection: Clerk's `session.getToken`. Nothing from it means
 * that nobody is signed in, and `onEnd(why)` is told so. `onText` gets what the server sends.
 */
export function connect({ url, getToken, onText, onEnd = () => {}, Socket, pause }) {
  const Opened = Socket ?? globalThis.WebSocket;
  const wait = pause ?? ((ms) => new Promise((done) => setTimeout(done, ms)));
  let socket = null;
  let failures = 0;
  let stopped = false;

  function end(why) {
    if (!stopped) onEnd(why);
    stopped = true;
  }

  async function open() {
    const token = await getToken();
    if (stopped) return;
    if (!token) return end("signed out");
    socket = new Opened(url, ["doorward.bearer", token]);
    socket.onopen = () => (failures = 0);
    socket.onmessage = (message) => onText(message.data);
    socket.onclose = (closed) => next(closed).catch((error) => end(String(error)));
  }

  async function next({ code, reason }) {
    if (stopped) return;
    if (code === FORBIDDEN) return end(reason);
    // A handshake that is refused reaches the page as 1006, whatever the reason: try a little later.
    if (code !== ENDED || failures > 0) await wait(WAIT_MS[Math.min(failures, WAIT_MS.length - 1)]);
    failures += 1;
    await open();
  }

  open().catch((error) => end(String(error)));
  return {
    send: (text) => socket?.send(text),
    close: () => {
      stopped = true;
      socket?.close();
    },
  };
}
