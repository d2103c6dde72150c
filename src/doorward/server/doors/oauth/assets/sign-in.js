// Finds out who is there, and sends on what they were asked with a session token of this moment.
"use strict";

const form = document.getElementById("sign-in");
const says = document.getElementById("says");

async function asked(path, method) {
  const answer = await fetch(path, { method, credentials: "same-origin" });
  if (!answer.ok) throw new Error("The sign-in can't be reached.");
  return answer.json();
}

async function byStandin(base) {
  const { response } = await asked(`${base}/v1/client`, "GET");
  if (!response) {
    location.assign(`${base}/sign-in?redirect_url=${encodeURIComponent(location.href)}`);
    return null;
  }
  const session = encodeURIComponent(response.last_active_session_id);
  return (await asked(`${base}/v1/client/sessions/${session}/tokens`, "POST")).jwt;
}

async function byClerk() {
  await window.Clerk.load();
  if (!window.Clerk.session) {
    await window.Clerk.redirectToSignIn({
      signInForceRedirectUrl: location.href,
      signUpForceRedirectUrl: location.href,
    });
    return null;
  }
  return window.Clerk.session.getToken();
}

async function signIn() {
  const token = await (form.dataset.standin ? byStandin(form.dataset.standin) : byClerk());
  if (!token) return;
  form.elements.namedItem("token").value = token;
  form.submit();
}

signIn().catch(() => {
  says.textContent = "The sign-in can't be reached. Try again.";
});
