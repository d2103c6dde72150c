"""Decorators for Flask's views, over the guard for WSGI."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Flask, Response, g, request

from doorward.wsgi import ClerkAuth, Refusal, answer_to

P = ParamSpec("P")
R = TypeVar("R")
View = Callable[P, R]


class Guard:
    """Lets views be called only by whom they are for, who then is in ``g.who``."""

    def __init__(self, app: Flask, auth: ClerkAuth) -> None:
        self._auth = auth
        app.register_error_handler(Refusal, self._refused)

    def signed_in(self, view: View[P, R]) -> View[P, R]:
        """Let in whoever is signed in."""
        return self._guarded(view, self._auth.authenticate)

    def requires(self, **asked: Any) -> Callable[[View[P, R]], View[P, R]]:
        """Let in who has all that is asked for: a role, a permission, metadata and so on."""
        judge = self._auth.requires(**asked)
        return lambda view: self._guarded(view, judge)

    @staticmethod
    def _guarded(view: View[P, R], judge: Callable[..., object]) -> View[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            g.who = judge(request.environ)
            return view(*args, **kwargs)

        return guarded

    @staticmethod
    def _refused(refusal: Refusal) -> Response:
        status, headers, body = answer_to(refusal)
        return Response(body, status, headers)
