"""Broker and web server killed with -9 while a run trains: the processes of `manage.py serve`, seen over HTTP."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from deploy.processes import ADDRESS, Processes, web_command, worker_commands
from feedback.actions.tokens import create_token
from feedback.models import JobState, Project, TokenScope
from trainer.events import read_events
from trainer.folders import run_folder
from trainer.models import Run

from .conftest import database_url

pytestmark = [
    pytest.mark.training,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not shutil.which("redis-server"), reason="there is no redis-server to kill"),
]
STEPS = 600
PARAMETERS = {"max_steps": STEPS, "save_steps": 200, "logging_steps": 1, "max_length": 128, "batch_size": 4}
WAITS = "It waits for a worker."
PLACE = "It waits for a free place: other runs hold every card."
BEFORE = (WAITS, PLACE, "It is loading the model and the rows.")
AFTER = "All steps are done; it measures the held-out rows and saves the model."


class Broker:
    """A Redis of the test's own, which keeps nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", ADDRESS, "--save", ""]
        self.process = subprocess.Popen([*command, "--dir", self.folder], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Site:
    """Broker, web server and workers, and a person at the pages of a project."""

    def __init__(
        self, processes: Processes, broker: Broker, port: int, person: User, project: Project
    ) -> None:
        self.processes, self.broker, self.slug = processes, broker, project.slug
        browser = Client()
        browser.force_login(person)
        _token, self.secret = create_token(user=person, name="program", scope=TokenScope.WRITE)
        session = {"sessionid": browser.cookies["sessionid"].value}
        self.http = httpx2.Client(base_url=f"http://{ADDRESS}:{port}", cookies=session, timeout=20)

    def page(self, run: Run) -> str:
        """The run's page; empty while the web server is away."""
        try:
            answer = self.http.get(f"/p/{self.slug}/runs/{run.pk}/")
        except httpx2.TransportError:
            return ""
        assert answer.status_code == 200, answer.text
        return answer.text

    def start(self, base: str, snapshot: str, seed: int) -> Run:
        """Start a run as a person's program would."""
        body = {
            "method": "reward",
            "base": base,
            "snapshot": snapshot,
            "parameters": PARAMETERS,
            "seed": seed,
        }
        bearer = {"Authorization": f"Bearer {self.secret}"}
        answer = self.http.post(f"/api/v1/projects/{self.slug}/runs", json=body, headers=bearer)
        assert answer.status_code == 201, answer.text
        return Run.objects.get(pk=answer.json()["id"])

    def wait(self, until: Callable[[], object], seconds: float = 90) -> None:
        """Until something is so, with processes that ended started again as `serve` does."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, self.logs()
            self.processes.revive(lambda _: None)
            time.sleep(0.3)

    def logs(self) -> str:
        """The end of what each process wrote."""
        files = sorted((Path(settings.VAR) / "log").glob("*.log"))
        return "\n".join(f"{file.name}: {file.read_text()[-3000:]}" for file in files)


@pytest.fixture
def site(project, make_user, tmp_path, monkeypatch) -> Iterator[Site]:
    person = make_user("olga", project=project, role="owner")
    broker, port = Broker(tmp_path), free_port()
    for name, value in {
        "DATABASE_URL": database_url(),
        "CONCORD_VAR": str(settings.VAR),
        "SECRET_KEY": settings.SECRET_KEY,
        "CELERY_BROKER_URL": f"redis://{ADDRESS}:{broker.port}/0",
        "JOB_LEASE_SECONDS": "10",
        "SWEEP_SECONDS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with Processes({**worker_commands(), "web": web_command(ADDRESS, port)}) as processes:
            site = Site(processes, broker, port, person, project)
            site.wait(lambda: reachable(port))
            yield site
            site.http.close()  # or the web server waits for it
    finally:
        signal.signal(signal.SIGTERM, before)
        broker.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port: int = probe.getsockname()[1]
        return port


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((ADDRESS, port)) == 0


def steps(run: Run) -> int:
    """How many steps the runner has logged: the truth that a page may lag behind, and never run ahead of."""
    events, _ = read_events(run_folder(run) / "events.jsonl")
    return max((event["step"] for event in events if event["kind"] == "metric"), default=0)


def said(site: Site, run: Run) -> str:
    """The first sentence of the run's page; empty while the web server is away."""
    page = site.page(run)
    return re.search(r'role="status".*?</div>\s*<p>(.*?)</p>', page, re.S)[1] if page else ""


def shown(site: Site, run: Run) -> int:
    """The step that the page names, which is one that the runner has done; 0 where it names none."""
    sentence = said(site, run)
    named = re.match(rf"It is training: step (\d+) of {STEPS}\.$|It finished: ({STEPS}) steps in ", sentence)
    assert named or sentence in ("", *BEFORE, AFTER), sentence
    step = int(named[1] or named[2]) if named else 0
    assert step <= steps(run)
    return step


def finish(site: Site, run: Run) -> Run:
    """It comes to its end, every step done once; and its page says so."""
    site.wait(lambda: said(site, run).startswith(f"It finished: {STEPS} steps in "))
    run = Run.objects.get(pk=run.pk)
    assert run.job.state == JobState.SUCCEEDED
    events, _ = read_events(run_folder(run) / "events.jsonl")
    assert [event["step"] for event in events if event["kind"] == "metric"] == list(range(1, STEPS + 1))
    return run


def is_as_if_undisturbed(run: Run, folder: Path) -> bool:
    """Whether its weights are, to the last bit, what the same spec comes to where nobody is killed."""
    folder.mkdir()
    shutil.copy(run_folder(run) / "spec.json", folder)
    command = [sys.executable, "-m", "trainer.runner", str(folder / "spec.json")]
    subprocess.run(command, cwd=settings.BASE_DIR, check=True)
    mine, other = (each / "final" / "model.safetensors" for each in (run_folder(run), folder))
    return mine.read_bytes() == other.read_bytes()


def test_a_killed_broker_stops_no_run_and_loses_none_that_was_started_meanwhile(
    site, snapshot, policy_model, tmp_path
):
    first = site.start(policy_model.name, snapshot.sha256, seed=1)
    site.wait(lambda: shown(site, first) >= 5)

    site.broker.kill()
    second = site.start(policy_model.name, snapshot.sha256, seed=2)
    assert said(site, second) == WAITS
    away_at = steps(first)
    site.wait(lambda: shown(site, first) >= away_at + 20)
    assert said(site, second) == WAITS

    # Beat sends the sweeps: nobody else brings the second run to a worker.
    site.processes.running["beat"].kill()
    site.broker.start()
    first, second = (finish(site, run) for run in (first, second))
    assert first.job.attempts == 1
    assert is_as_if_undisturbed(first, tmp_path / "alone")


def test_a_killed_web_server_stops_no_run_and_its_page_is_back_with_the_truth(
    site, snapshot, policy_model, tmp_path
):
    run = site.start(policy_model.name, snapshot.sha256, seed=1)
    site.wait(lambda: shown(site, run) >= 5)

    web = site.processes.running["web"]
    psutil.Process(web.pid).children()[0].kill()  # one of its two processes: the other answers meanwhile
    site.wait(lambda: site.page(run), seconds=5)
    web.kill()
    web.wait()
    away_at = steps(run)
    site.wait(lambda: serves(site) and site.page(run), seconds=20)
    site.wait(lambda: shown(site, run) > away_at)
    assert finish(site, run).job.attempts == 1
    assert is_as_if_undisturbed(run, tmp_path / "alone")


def serves(site: Site) -> bool:
    """Whether a web server is there that has the port: one without has no processes of its own."""
    web = site.processes.running["web"]
    return web.poll() is None and bool(psutil.Process(web.pid).children())
