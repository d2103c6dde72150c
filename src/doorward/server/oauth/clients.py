"""A client as the protocol's library asks about it."""

from authlib.oauth2.rfc6749 import ClientMixin

from doorward.server.keys.sealing import Sealer
from doorward.server.oauth.model import BASELINE, Client
from doorward.server.oauth.redirects import redirect_matches


class ProtocolClient(ClientMixin):  # type: ignore[misc]  # the library is not typed
    """Answers for one row; a secret is known by its keyed digest alone."""

    def __init__(self, client: Client, sealer: Sealer) -> None:
        self.client = client
        self._sealer = sealer

    def get_client_id(self) -> str:
        """Give the id."""
        return self.client.id

    def get_default_redirect_uri(self) -> None:
        """Give none: each request names where the person is sent back to."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """Give the scopes that are asked for, and what is of use where none is named."""
        return scope or " ".join(sorted(BASELINE))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Say whether the client named this address beforehand."""
        return any(redirect_matches(one, redirect_uri) for one in self.client.redirect_uris)

    def check_client_secret(self, client_secret: str) -> bool:
        """Say whether this is the client's secret."""
        return self.client.knows(self._sealer.digest(client_secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Say whether the client proves itself so: in the one way that it registered."""
        del endpoint
        return self.client.auth_method == method

    def check_response_type(self, response_type: str) -> bool:
        """Say whether the client takes such an answer: only a code is given."""
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        """Say whether the client registered for this."""
        return grant_type in self.client.grant_types
