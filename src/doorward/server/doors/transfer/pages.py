"""What a person sees who opens a link in a browser and gets no file: one sentence, or a form."""

from html import escape

from doorward.server.doors.asgi import Scope, Send, header, respond
from doorward.server.problems import LinkPasswordNeeded, LinkPasswordTries, Problem

_HEADERS = (
    ("Content-Type", "text/html; charset=utf-8"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("Cache-Control", "no-store"),
)
_STYLE = "body{font:16px system-ui;margin:4rem auto;max-width:28rem}input,button{font:inherit}"
_FORM = (
    "<form method='post'><label>Password <input type='password' name='password' autofocus "
    "autocomplete='off' required maxlength='256'></label> <button>Open</button></form>"
)


def wants_page(scope: Scope) -> bool:
    """Say whether whoever asks is a browser that shows a page."""
    return "text/html" in (header(scope, b"accept") or "")


async def send_page(scope: Scope, send: Send, problem: Problem) -> None:
    """Answer with a page that says the problem, and takes a password where that would help."""
    asks = isinstance(problem, LinkPasswordNeeded)
    text = "This link has a password." if asks else problem.advice
    if asks and scope["method"] == "POST":
        text = "That is not the password."
    page = (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<meta name='viewport' content='width=device-width'><title>{escape(problem.title)}</title>"
        f"<style>{_STYLE}</style><h1>{escape(problem.title)}</h1><p>{escape(text)}</p>"
        f"{_FORM if asks else ''}</html>"
    )
    headers = list(_HEADERS)
    if isinstance(problem, LinkPasswordTries):
        headers += problem.headers.items()
    await respond(send, problem.status, headers, page.encode())
