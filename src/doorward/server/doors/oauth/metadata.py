"""What a client reads first: who issues tokens for this server, and how (RFC 8414, RFC 9728)."""

from typing import Any

from doorward.server.oauth.model import AUTH_METHODS, GRANT_TYPES, NO_SECRET, OFFERED
from doorward.server.oauth.resources import Resource

AUTHORIZE, CONSENT, DECISION = "/oauth/authorize", "/oauth/consent", "/oauth/decision"
TOKEN, REGISTER = "/oauth/token", "/oauth/register"
REVOKE, INTROSPECT = "/oauth/revoke", "/oauth/introspect"
OF_SERVER = "/.well-known/oauth-authorization-server"
OF_RESOURCE = "/.well-known/oauth-protected-resource"


def server_metadata(issuer: str, *, registration: bool) -> dict[str, Any]:
    """Describe the authorization server (RFC 8414, section 2)."""
    proving = [method for method in AUTH_METHODS if method != NO_SECRET]
    said: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": issuer + AUTHORIZE,
        "token_endpoint": issuer + TOKEN,
        "revocation_endpoint": issuer + REVOKE,
        "introspection_endpoint": issuer + INTROSPECT,
        "scopes_supported": sorted(OFFERED),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "introspection_endpoint_auth_methods_supported": proving,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": True,
        "service_documentation": f"{issuer}/docs",
    }
    return said | ({"registration_endpoint": issuer + REGISTER} if registration else {})


def resource_metadata(issuer: str, resource: Resource) -> dict[str, Any]:
    """Describe one resource of this server (RFC 9728, section 2)."""
    return {
        "resource": issuer + resource.path,
        "authorization_servers": [issuer],
        "scopes_supported": sorted(resource.scopes),
        "bearer_methods_supported": ["header"],
        "resource_name": resource.name,
        "resource_documentation": f"{issuer}/docs",
    }
