"""A small provider of OpenID Connect on a port of this machine: it checks PKCE, codes and secrets, and signs tokens."""

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from monitor.serving import listen, serving

CLIENT_ID = "agent-monitor"
CLIENT_SECRET = "a secret of tests"


class Provider:
    """Says of everybody who comes what `claims` are. `faults`: what is put in the place of what would be right."""

    def __init__(self) -> None:
        self.issuer = ""
        self.claims: dict[str, Any] = {"sub": "sub-1", "email": "ann@example.com", "email_verified": True}
        self.faults: dict[str, Any] = {}
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.signs = "RS256"
        self.asked: dict[str, str] = {}
        self._codes: dict[str, dict[str, str]] = {}
        self.app = FastAPI()
        self.app.get("/.well-known/openid-configuration")(self._discovery)
        self.app.get("/jwks")(self._jwks)
        self.app.get("/authorize")(self._authorize)
        self.app.post("/token")(self._token)

    async def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.faults.get("discovered", self.issuer),
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }

    async def _jwks(self) -> dict[str, Any]:
        return dict(KeySet([self.key]).as_dict(private=False))

    async def _authorize(self, request: Request) -> Response:
        """Everybody agrees at once."""
        self.asked = dict(request.query_params)
        code = secrets.token_urlsafe(16)
        self._codes[code] = self.asked
        said = urlencode({"code": code, "state": self.asked["state"], "iss": self.issuer})
        return RedirectResponse(f"{self.asked['redirect_uri']}?{said}", status_code=302)

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        right = (
            request.headers.get("authorization") == f"Basic {basic}"
            and asked is not None
            and asked["code_challenge"] == challenge.decode().rstrip("=")
            and asked["code_challenge_method"] == "S256"
            and asked["redirect_uri"] == form.get("redirect_uri")
        )
        if not right or asked is None:
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        return JSONResponse(
            {"access_token": "opaque", "token_type": "Bearer", "id_token": self._signed(asked), "expires_in": 60}
        )

    def _signed(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims |= self.claims | {name: value for name, value in self.faults.items() if name != "discovered"}
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.signs in ("none", "HS256"):
            # Unsigned, or with the public key as a shared secret: what a careless library takes.
            signed = b".".join(_part(json.dumps(one).encode()) for one in ({"alg": self.signs, "kid": "one"}, claims))
            secret = self.key.as_pem(private=False)
            made = b"" if self.signs == "none" else hmac.new(secret, signed, hashlib.sha256).digest()
            return (signed + b"." + _part(made)).decode()
        return jwt.encode({"alg": self.signs, "kid": self.key.kid}, claims, self.key)


def _part(said: bytes) -> bytes:
    return base64.urlsafe_b64encode(said).rstrip(b"=")


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Provider]:
    """A provider that answers."""
    made = Provider()
    with contextlib.closing(listen("127.0.0.1", 0)) as listening:
        made.issuer = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with serving(made.app, listening):
            yield made


def query_of(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return {name: values[0] for name, values in parse_qs(url.partition("?")[2]).items()}
