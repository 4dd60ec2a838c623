"""The script for a machine of one's own, against a server that answers as proxies do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.remote import run_remote
from deploy.remote.run_remote import Server, follow

from .serving import serving

Answer = tuple[int, dict[str, str], bytes]


class Proxy(ThreadingHTTPServer):
    """Gives its answers in turn, the last one for ever; keeps what each request was."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [(200, {}, b"{}")]
        self.asked: list[tuple[str, str | None, bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append((self.path, self.headers.get("Authorization"), body))
        code, headers, said = self.server.answers[0]
        if len(self.server.answers) > 1:
            self.server.answers.pop(0)
        self.send_response(code)
        for name, value in {"Content-Length": str(len(said)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_PUT = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with serving(Proxy()) as server:
        yield server


@pytest.fixture
def server(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(run_remote, "WAIT", 0.01)
    return Server(proxy.url, "help-desk", 12, "secret")


def test_a_no_for_now_is_asked_again_and_said(server, proxy, capsys):
    busy, down = (429, {"Retry-After": "0"}, b"too many"), (503, {}, b"the database is away")
    proxy.answers = [busy, (408, {}, b""), down, down, (200, {}, b'{"stop": false}')]

    assert server.get(server.run) == {"stop": False}

    said = capsys.readouterr().err
    assert "429 too many; it is tried again." in said
    assert said.count("503 the database is away") == 1  # once for as long as it lasts


def test_a_file_is_sent_again_from_its_beginning(server, proxy, tmp_path):
    proxy.answers = [(503, {}, b""), (200, {}, b"{}")]
    (tmp_path / "model.safetensors").write_bytes(b"weights")

    server.send_file(tmp_path / "model.safetensors")

    assert [body for _path, _token, body in proxy.asked] == [b"weights", b"weights"]


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_the_token_is_not_carried_to_where_a_redirect_leads(server, proxy, code):
    with serving(Proxy()) as other:
        proxy.answers = [(code, {"Location": f"{other.url}/elsewhere"}, b"")]
        with pytest.raises(SystemExit, match=f"it sends us to {other.url}"):
            server.get(server.run)

    assert other.asked == []


def test_a_wish_to_stop_that_comes_after_the_end_stops_no_later_start(server, proxy, tmp_path):
    proxy.answers = [(200, {}, b'{"seq": 1, "stop": true}')]
    runner = subprocess.Popen([sys.executable, "-c", "raise SystemExit(143)"])
    runner.wait()

    assert follow(server, tmp_path, runner) == 143

    assert not (tmp_path / "CANCEL").exists()


def test_the_runner_is_not_told_the_token(proxy, tmp_path, monkeypatch):
    """It loads models and reports to trackers, and needs none."""
    run = json.dumps({"spec": {}, "snapshot": 1, "stop": False}).encode()
    proxy.answers = [(200, {}, run)]
    started: list[dict[str, str]] = []

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, command: list[str], env: dict[str, str]) -> None:
            started.append(env)
            super().__init__([sys.executable, "-c", ""])

    monkeypatch.setattr(run_remote.subprocess, "Popen", Popen)
    monkeypatch.setenv("CONCORD_TOKEN", "secret")
    arguments = [
        "--server",
        proxy.url,
        "--project",
        "p",
        "--run",
        "1",
        "--model",
        "m",
        "--folder",
        str(tmp_path),
    ]
    monkeypatch.setattr(sys, "argv", ["run_remote.py", *arguments])
    (tmp_path / "CANCEL").touch()  # of a start before

    assert run_remote.main() == 0

    assert "secret" not in started[0].values()
    assert not Path(tmp_path / "CANCEL").exists()
