"""A provider of OpenID Connect: where it sends people, and what it says of those who come back.

The authorization code flow with PKCE (RFC 7636). `state` ties the way back to the browser that left, `nonce` the token
to this one way. What the provider serves is found by discovery (OpenID Connect Discovery 1.0) and believed for an hour;
its tokens are taken only with a signature of a key that it publishes: never unsigned, never with a shared secret.
"""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from monitor.clock import Clock
from monitor.errors import Unauthenticated, Unavailable
from monitor.settings import Settings

SCOPE = "openid email profile"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
_BELIEVED = 3600.0
_LEEWAY = 60
_TIMEOUT = 10.0
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Way:
    """What one sign-in is tied together by. Stays in the browser that left, signed."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Claims:
    """What the provider says of somebody. `email` only where it says that it has verified it."""

    issuer: str
    subject: str
    email: str | None
    name: str | None


class Provider:
    """One issuer, and what this installation is called there."""

    def __init__(self, issuer: str, client_id: str, client_secret: str | None, *, clock: Clock) -> None:
        """`client_secret` None: a public client."""
        self.issuer = issuer
        self._client_id = client_id
        self._secret = client_secret
        self._clock = clock
        self._lock = asyncio.Lock()
        self._said: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._read_at: datetime | None = None

    @classmethod
    def of(cls, settings: Settings, clock: Clock) -> "Provider | None":
        """From the settings; None where no issuer is named."""
        if settings.oidc_issuer is None or settings.oidc_client_id is None:
            return None
        return cls(settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret, clock=clock)

    async def leave(self, back: str) -> tuple[str, Way]:
        """Where to send a browser that comes back to the address `back`. Raises Unavailable."""
        said = await self._discover()
        way = Way(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))
        async with self._client(back) as client:
            url, _ = client.create_authorization_url(
                said["authorization_endpoint"], state=way.state, nonce=way.nonce, code_verifier=way.verifier
            )
        return str(url), way

    async def come_back(self, way: Way, code: str, back: str) -> Claims:
        """Who came back with this code. Raises Unauthenticated where that is not proven, Unavailable."""
        said = await self._discover()
        try:
            async with self._client(back) as client:
                token = await client.fetch_token(
                    said["token_endpoint"], grant_type="authorization_code", code=code, code_verifier=way.verifier
                )
        except AuthlibBaseError as fault:
            raise Unauthenticated(f"the provider refused: {fault.error}") from fault
        except (httpx2.HTTPError, ValueError) as fault:
            raise Unavailable("the provider does not answer") from fault
        claims = await self._claims(token, way)
        verified = claims.get("email_verified") is True and isinstance(claims.get("email"), str)
        return Claims(
            issuer=self.issuer,
            subject=str(claims["sub"]),
            email=claims["email"] if verified else None,
            name=claims["name"] if isinstance(claims.get("name"), str) else None,
        )

    async def _claims(self, token: dict[str, Any], way: Way) -> dict[str, Any]:
        try:
            decoded = await self._decode(str(token["id_token"]))
            options = {
                "iss": {"essential": True, "value": self.issuer},
                "aud": {"essential": True, "value": self._client_id},
                "nonce": {"essential": True, "value": way.nonce},
            }
            known = {"nonce": way.nonce, "client_id": self._client_id, "access_token": token.get("access_token")}
            claims: dict[str, Any] = CodeIDToken(decoded.claims, decoded.header, options, known)
            claims.validate(now=int(self._clock().timestamp()), leeway=_LEEWAY)  # type: ignore[attr-defined]
        except (JoseError, AuthlibBaseError, KeyError, ValueError) as fault:
            raise Unauthenticated("what the provider says of you is not proven") from fault
        return claims

    async def _decode(self, text: str) -> jwt.Token:
        keys = await self._key_set()
        try:
            return jwt.decode(text, keys, algorithms=ALGORITHMS)
        except InvalidKeyIdError:
            # It may have made a new key since.
            return jwt.decode(text, await self._key_set(again=True), algorithms=ALGORITHMS)

    async def _discover(self) -> dict[str, Any]:
        async with self._lock:
            if self._read_at is None or (self._clock() - self._read_at).total_seconds() > _BELIEVED:
                said = await self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
                if said.get("issuer") != self.issuer:
                    raise Unavailable("the provider is another one than AGENT_MONITOR_OIDC_ISSUER says")
                if not {"authorization_endpoint", "token_endpoint", "jwks_uri"} <= said.keys():
                    raise Unavailable("the provider does not say where to go")
                self._said, self._keys, self._read_at = said, None, self._clock()
            return self._said

    async def _key_set(self, *, again: bool = False) -> KeySet:
        async with self._lock:
            if self._keys is None or again:
                self._keys = KeySet.import_key_set(await self._get(self._said["jwks_uri"]))  # type: ignore[arg-type]
            return self._keys

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT) as client:
                answer = await client.get(url)
                answer.raise_for_status()
                if len(answer.content) > _LARGEST:
                    raise ValueError("too large")
                said = answer.json()
        except (httpx2.HTTPError, ValueError) as fault:
            raise Unavailable("the provider does not answer") from fault
        if not isinstance(said, dict):
            raise Unavailable("the provider does not say where to go")
        return said

    def _client(self, back: str) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            self._client_id,
            self._secret,
            token_endpoint_auth_method="client_secret_basic" if self._secret else "none",
            scope=SCOPE,
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=_TIMEOUT,
        )
