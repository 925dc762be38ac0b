"""Who logs users in by OAuth 2: tokens for those who know their secret, and the key by which
brokers tell them from others."""

import base64
import json
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.kafka.certificates import openssl
from tests.ops.alertmanager import Served

AUDIENCE: Final = "kafka"
ISSUER: Final = "https://tokens.example"
"""For whom the tokens are, and by whom."""
_KEY_ID: Final = "tests"


class Grant(NamedTuple):
    """A token was given: to whom, and for what."""

    client: str
    scope: str


class Signer:
    """Makes tokens (JWT, RS256); ``jwks`` is the file with its public key."""

    def __init__(self, folder: Path) -> None:
        self._key = folder / "token.key"
        self.jwks = folder / "jwks.json"
        openssl("genrsa", "-out", str(self._key), "2048")
        said = openssl("rsa", "-in", str(self._key), "-noout", "-modulus").decode()
        modulus = bytes.fromhex(said.strip().removeprefix("Modulus="))
        key = {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": _KEY_ID, "e": "AQAB"}
        self.jwks.write_text(json.dumps({"keys": [key | {"n": _base64url(modulus)}]}))

    def token(self, subject: str, scope: str, lifetime: int) -> str:
        """``lifetime``: seconds from now; expired if negative."""
        now = int(time.time())
        header = {"alg": "RS256", "kid": _KEY_ID, "typ": "JWT"}
        expires = now + lifetime
        about = {"sub": subject, "aud": AUDIENCE, "iss": ISSUER, "scope": scope}
        claims = {**about, "iat": min(now, expires) - 1, "exp": expires}
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = openssl("dgst", "-sha256", "-sign", str(self._key), stdin=signed.encode())
        return f"{signed}.{_base64url(signature)}"


class TokenServer(Served[Grant]):
    """A token endpoint for client credentials, in the head of a request or in its form; keeps what
    it has granted.

    ``clients``: secrets by id. ``lifetime``: seconds that a token is good for; may be changed.
    """

    def __init__(self, signer: Signer, clients: dict[str, str], lifetime: int = 300) -> None:
        self.lifetime = lifetime
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(text))
                client, secret = _credentials(self.headers["Authorization"], form)
                if form.get("grant_type") != "client_credentials":
                    return self._answer(400, {"error": "unsupported_grant_type"})
                # Some clients encode what stands in the head, others do not: who lets users in by
                # OAuth takes both.
                if clients.get(client) not in (secret, urllib.parse.unquote_plus(secret)):
                    return self._answer(401, {"error": "invalid_client"})
                grant = Grant(client, form.get("scope", ""))
                token = signer.token(client, grant.scope, server.lifetime)
                server.keep(grant)
                answer = {"access_token": token, "token_type": "Bearer"}
                return self._answer(200, answer | {"expires_in": server.lifetime})

            def _answer(self, status: int, answer: dict[str, Any]) -> None:
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(ThreadingHTTPServer, Handler)
        self.url = f"http://{self.address}/token"


def _credentials(head: str | None, form: dict[str, str]) -> tuple[str, str]:
    """Id and secret."""
    if head is None:
        return form.get("client_id", ""), form.get("client_secret", "")
    kind, _, encoded = head.partition(" ")
    assert kind == "Basic", f"asks by {kind}"
    client, _, secret = base64.b64decode(encoded).decode().partition(":")
    return client, secret


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
