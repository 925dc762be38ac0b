"""Tokens: asked for once in their life, and what a token server may answer."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from funnel_stream.connection.login import MskIam, OAuth
from funnel_stream.connection.tokens import TokenSource
from funnel_stream.errors import BrokerError

START = 1_800_000_000.0


class TokenServer:
    """Gives what it is told to; ``asked``: form and Authorization of every request."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: Any = None
        self.asked: list[tuple[dict[str, list[str]], str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                server.asked.append((parse_qs(form), self.headers["Authorization"]))
                answer = server.answer
                if answer is None:
                    answer = {"access_token": f"t{len(server.asked)}", "expires_in": 100}
                self.send_response(server.status)
                self.end_headers()
                self.wfile.write(
                    answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                )

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/token"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[TokenServer]:
    running = TokenServer()
    yield running
    running.stop()


def login(server: TokenServer, *, encodes_header: bool = False) -> OAuth:
    secret = SecretStr("s/ä+")
    return OAuth(server.url, "app", secret, scope="kafka read", encodes_header=encodes_header)


class Clock:
    now: ClassVar[float] = START

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("encodes_header", "credentials"), [(False, "app:s/ä+"), (True, "app:s%2F%C3%A4%2B")]
)
def test_a_token_is_asked_for_as_the_standard_says(
    server: TokenServer, encodes_header: bool, credentials: str
) -> None:
    token = TokenSource(login(server, encodes_header=encodes_header), Clock()).token()
    assert token == ("t1", START + 100)
    [(form, authorization)] = server.asked
    assert form == {"grant_type": ["client_credentials"], "scope": ["kafka read"]}
    assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == credentials


def test_it_is_kept_until_it_nears_its_end(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = TokenSource(login(server), Clock())
    seen = []
    for seconds in (0, 79, 81, 160, 162):
        monkeypatch.setattr(Clock, "now", START + seconds)
        seen.append(source.token().value)
    assert seen == ["t1", "t1", "t2", "t2", "t3"]


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (401, {"error": "invalid_client"}, r"HTTP 401 \(invalid_client\)"),
        (400, {"error": "x", "error_description": "no such scope"}, r"HTTP 400 \(no such scope\)"),
        (500, b"<html>", "HTTP 500$"),
        (200, b"<html>", "gives no token"),
        (200, {}, "without an access_token"),
        (200, [], "without an access_token"),
        (200, {"access_token": "t", "expires_in": "soon"}, "expires_in is 'soon'"),
    ],
)
def test_what_gives_no_token_is_told(
    server: TokenServer, status: int, answer: Any, message: str
) -> None:
    server.status, server.answer = status, answer
    with pytest.raises(BrokerError, match=message) as error:
        TokenSource(login(server)).token()
    assert "s/ä+" not in str(error.value)


def test_a_server_that_is_not_there_is_told(server: TokenServer) -> None:
    gone = login(server)
    server.stop()
    with pytest.raises(BrokerError, match=r"gives no token: .*refused"):
        TokenSource(gone).token()


def test_a_token_without_an_end_is_not_kept_for_ever(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = {"access_token": "t"}
    source = TokenSource(login(server), Clock())
    source.token()
    monkeypatch.setattr(Clock, "now", START + 3600)
    source.token()
    assert len(server.asked) == 2


def test_a_token_for_msk_is_made_without_asking_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    token = TokenSource(MskIam("eu-west-1")).token()
    url = urlsplit(base64.urlsafe_b64decode(token.value + "==").decode())
    assert url.netloc == "kafka.eu-west-1.amazonaws.com"
    query = parse_qs(url.query)
    assert query["Action"] == ["kafka-cluster:Connect"]
    assert query["X-Amz-Credential"][0].startswith("AKIDEXAMPLE/")


def test_missing_aws_credentials_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(BrokerError, match="AWS credentials make no token for MSK"):
        TokenSource(MskIam("eu-west-1")).token()
