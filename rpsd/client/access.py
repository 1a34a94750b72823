"""Keys, tokens and tickets over HTTP."""

from collections.abc import Sequence
from typing import Any

from rpsd.client.connection import Connection


class AccessCalls(Connection):
    """Calls about who may call."""

    def keys(self) -> list[dict[str, Any]]:
        """Every API key, without secrets, oldest first."""
        return list(self.pages("/api/v1/admin/keys", "keys"))

    def create_key(self, name: str, scopes: Sequence[str], expires: str | None = None, limit: int | str | None = None) -> dict[str, Any]:
        """A new key; `key` in the answer is shown this once. `limit` is requests a minute, or text such as 1000/s."""
        body = {"name": name, "scopes": list(scopes), "expires": expires, "limit": limit}
        found: dict[str, Any] = self.ask("POST", "/api/v1/admin/keys", json={k: v for k, v in body.items() if v is not None})
        return found

    def adopt_keys(self, keys: Sequence[str], scopes: Sequence[str], name: str = "adopted", expires: str | None = None) -> dict[str, Any]:
        """Let keys of an earlier system go on working: {"keys", "known"}."""
        body = {"keys": list(keys), "scopes": list(scopes), "name": name} | ({"expires": expires} if expires else {})
        found: dict[str, Any] = self.ask("POST", "/api/v1/admin/keys/adopt", json=body)
        return found

    def rotate_key(self, identifier: str, overlap: int | str = "24h") -> dict[str, Any]:
        """A key in place of another, which goes on working for `overlap`: seconds, or text such as 24h."""
        found: dict[str, Any] = self.ask("POST", f"/api/v1/admin/keys/{identifier}/rotate", json={"overlap": overlap})
        return found

    def revoke_key(self, identifier: str) -> dict[str, Any]:
        """End a key at once."""
        found: dict[str, Any] = self.ask("DELETE", f"/api/v1/admin/keys/{identifier}")
        return found

    def signing_keys(self) -> list[dict[str, Any]]:
        """The keys that sign tokens, without secrets."""
        return list(self.ask("GET", "/api/v1/admin/signing-keys")["keys"])

    def rotate_signing_keys(self) -> list[dict[str, Any]]:
        """Sign tokens with a new key."""
        return list(self.ask("POST", "/api/v1/admin/signing-keys/rotate")["keys"])

    def token(self, scopes: Sequence[str] | None = None) -> dict[str, Any]:
        """A token made from this client's key: {"token", "type", "expires", "scopes"}."""
        found: dict[str, Any] = self.ask("POST", "/api/v1/auth/token", json={} if scopes is None else {"scopes": list(scopes)})
        return found

    def end_token(self) -> None:
        """End the token that this client was made with."""
        self.ask("DELETE", "/api/v1/auth/token")

    def ticket(self) -> dict[str, Any]:
        """A ticket that opens one WebSocket within 30 seconds: {"ticket", "expires"}."""
        found: dict[str, Any] = self.ask("POST", "/api/v1/auth/ws-ticket")
        return found
