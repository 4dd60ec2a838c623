"""Train one run of Concord on a machine of your own: a rented GPU, a notebook, Colab.

    pip install "concord[train] @ git+https://your.server/concord"      (or a copy of the repository)
    CONCORD_TOKEN=... python run_remote.py --server https://concord.example --project help-desk --run 12 \\
        --model Qwen/Qwen3-0.6B

It fetches the spec and the snapshot, runs the same runner as the server would, and sends events, and at the end
the weights, back. The token needs the write scope and an engineer's role. Started again, it goes on from its last
checkpoint. Only the standard library is used here; the runner needs the training libraries.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

PERIOD = 2.0
WAIT = 10.0
BATCH = 500
PASSING = (408, 425, 429)  # answers that say no for now only


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would take the token to another host."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


OPENER = urllib.request.build_opener(NoRedirects)


class Server:
    """One run of one project, as the API has it."""

    def __init__(self, url: str, project: str, run: int, token: str) -> None:
        self.base = f"{url.rstrip('/')}/api/v1/projects/{project}"
        self.run = f"{self.base}/runs/{run}"
        self.token = token
        self.said = ""

    def ask(
        self, verb: str, url: str, data: Any = None, kind: str = "application/json", size: int = 0
    ) -> bytes:
        """One request, tried again while the server is away; an answer that says no ends the program."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        if size:
            headers["Content-Length"] = str(size)
        request = urllib.request.Request(url, data=data, headers=headers, method=verb)  # noqa: S310  likewise
        while True:
            wait = WAIT
            try:
                with OPENER.open(request, timeout=600) as answer:  # the address that was given
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                if error.code < 500 and error.code not in PASSING:
                    sys.exit(f"{verb} {url}: {error.code} {_told(error)}")
                wait = max(wait, _seconds(error.headers.get("Retry-After")))
                self.complain(f"{verb} {url}: {error.code} {_told(error)}")
            except OSError as error:
                self.complain(f"{verb} {url}: {error}")
            time.sleep(wait)
            if size:  # a file that was begun is read again by the caller
                raise ConnectionError(url)

    def complain(self, sentence: str) -> None:
        """Say what is wrong, once for as long as it is the same."""
        if sentence != self.said:
            self.said = sentence
            sys.stderr.write(f"{sentence}; it is tried again.\n")

    def get(self, url: str) -> Any:
        return json.loads(self.ask("GET", url))

    def send_events(self, events: list[dict[str, Any]]) -> bool:
        """Whether the runner is to stop."""
        stop = False
        for start in range(0, max(1, len(events)), BATCH):
            body = json.dumps({"events": events[start : start + BATCH]}).encode()
            stop = json.loads(self.ask("POST", f"{self.run}/remote/events", body))["stop"]
        return bool(stop)

    def send_file(self, path: Path) -> None:
        url, kind = f"{self.run}/remote/files/{path.name}", "application/octet-stream"
        while True:
            with suppress(ConnectionError), path.open("rb") as file:
                self.ask("PUT", url, file, kind, path.stat().st_size)
                return


def _told(error: urllib.error.HTTPError) -> str:
    """What the server says of it; of a redirect, where it leads."""
    where = error.headers.get("Location")
    if where:
        return f"it sends us to {where}: give the address that answers itself as --server"
    return error.read().decode(errors="replace")[:500]


def _seconds(header: str | None) -> float:
    return float(header) if header and header.isdecimal() else 0.0


def prepare(server: Server, model: str, folder: Path) -> Path:
    """The spec with this machine's paths, and the rows beside it."""
    run = server.get(server.run)
    spec = run["spec"] | {"model": model, "dataset": "rows", "dataset_sha256": None}
    (folder / "rows").mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        url = f"{server.base}/snapshots/{run['snapshot']}/export?split={split}&ending=.parquet"
        (folder / "rows" / f"{split}.parquet").write_bytes(server.ask("GET", url))
    (folder / "spec.json").write_text(json.dumps(spec))
    return folder / "spec.json"


def new_events(path: Path, offset: int) -> tuple[list[dict[str, Any]], int]:
    """The whole lines after the offset."""
    if not path.is_file():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    end = data.rfind(b"\n") + 1
    return [json.loads(line) for line in data[:end].splitlines()], offset + end


def follow(server: Server, folder: Path, runner: "subprocess.Popen[bytes]") -> int:
    """Send what the runner says until it has ended; the event that it has finished comes after its files."""
    offset, ended = 0, False
    while not ended:
        ended = runner.poll() is not None
        events, offset = new_events(folder / "events.jsonl", offset)
        last = events.pop() if events and events[-1]["kind"] == "finished" else None
        if server.send_events(events) and not ended:  # one that comes later would stop the next start
            (folder / "CANCEL").touch()
        if last:
            for path in sorted((folder / "final").iterdir()):
                server.send_file(path)
            server.send_file(folder / "result.json")
            server.send_events([last])
            return runner.wait()
        if not ended:
            time.sleep(PERIOD)
    return runner.returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--project", required=True)
    parser.add_argument("--run", required=True, type=int)
    parser.add_argument("--model", required=True, help="The base model here: a folder, or a name on the hub.")
    parser.add_argument("--folder", type=Path, help="Where to work (by default concord-run-N).")
    given = parser.parse_args()
    token = os.environ.get("CONCORD_TOKEN")
    if not token:
        sys.exit("Set CONCORD_TOKEN to a token with the write scope.")
    folder = (given.folder or Path(f"concord-run-{given.run}")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(given.server, given.project, given.run, token)
    local = Path(given.model).is_dir()
    spec = prepare(server, str(Path(given.model).resolve()) if local else given.model, folder)
    offline = "1" if local else "0"
    kept = {name: value for name, value in os.environ.items() if name != "CONCORD_TOKEN"}
    (folder / "CANCEL").unlink(missing_ok=True)
    runner = subprocess.Popen(
        [sys.executable, "-m", "trainer.runner", str(spec)], env={**kept, "HF_HUB_OFFLINE": offline}
    )
    try:
        return follow(server, folder, runner)
    finally:
        runner.terminate()
        runner.wait()


if __name__ == "__main__":
    sys.exit(main())
