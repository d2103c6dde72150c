"""What the stand-in answers other than success, in Clerk's form and with Clerk's codes."""

from typing import Any


class Refused(Exception):
    """An answer other than success; ``code`` is Clerk's word for it."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    @property
    def body(self) -> dict[str, Any]:
        """The error as Clerk's SDKs read it."""
        message = str(self)
        error: dict[str, Any] = {"message": message, "long_message": message, "code": self.code}
        if self.param is not None:
            error["meta"] = {"param_name": self.param}
        return {"errors": [error]}


def not_found(what: str) -> Refused:
    """There is none of that id."""
    return Refused(404, "resource_not_found", f"{what} not found")


def missing(param: str) -> Refused:
    """A parameter must be there."""
    return Refused(422, "form_param_missing", f"{param} is missing.", param)


def invalid(param: str, what: str) -> Refused:
    """A parameter is of another form; ``what`` says which it should have."""
    return Refused(422, "form_param_invalid", f"{param} is not {what}.", param)


def unknown(param: str) -> Refused:
    """The stand-in has no such parameter: better said than passed over."""
    return Refused(422, "form_param_unknown", f"{param} is not a parameter here.", param)


def taken(param: str) -> Refused:
    """Somebody else has that value."""
    return Refused(422, "form_identifier_exists", f"That {param} is taken.", param)


def key_invalid() -> Refused:
    """The caller has not shown the secret key."""
    return Refused(401, "clerk_key_invalid", "The provided Clerk Secret Key is invalid.")
