"""What a person or a tool reads of the API itself: its description and its pages, no outside."""

import json
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi.openapi.docs import get_swagger_ui_html
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from doorward.server.problems import Problem

_CSP = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def create_documents(openapi: Callable[[], dict[str, Any]]) -> Starlette:
    """Serve ``/openapi.json``, ``/docs`` and ``/docs/problems``; described when first asked."""

    @cache
    def description() -> bytes:
        return json.dumps(openapi()).encode()

    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Doorward API",
        swagger_js_url="/docs/static/swagger-ui-bundle.js",
        swagger_css_url="/docs/static/swagger-ui.css",
        swagger_favicon_url="/docs/static/favicon.png",
    )

    async def describe(_: Request) -> Response:
        return Response(description(), media_type="application/json")

    async def show(_: Request) -> Response:
        return HTMLResponse(page.body, headers={"Content-Security-Policy": _CSP})

    async def problems(_: Request) -> Response:
        return HTMLResponse(_problem_page(), headers={"Content-Security-Policy": _CSP})

    assets = _assets()
    return Starlette(
        routes=[
            Route("/openapi.json", describe),
            Route("/docs", show),
            Route("/docs/problems", problems),
            Mount("/docs/static", StaticFiles(directory=assets)),
        ]
    )


def _assets() -> Path:
    """Find the pages' scripts and styles, which a package ships, without importing it."""
    spec = find_spec("fastapi_offline")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("The package fastapi-offline is missing.")
    return Path(spec.origin).parent / "static"


def _problem_page() -> str:
    rows = "".join(
        f"<tr id='{code}'><td><code>{code}</code></td><td>{kind.status}</td>"
        f"<td>{kind.title}</td><td>{kind.advice}</td></tr>"
        for code, kind in sorted(Problem.catalogue.items())
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Doorward problems</title>"
        "<style>body{font:16px system-ui;margin:2rem}td,th{padding:.3rem .8rem;text-align:left;"
        "vertical-align:top}:target{background:#ffc}</style><h1>Problems</h1><table>"
        "<tr><th>code</th><th>status</th><th>title</th><th>what to do</th></tr>"
        f"{rows}</table></html>"
    )
