"""People at the annotator's page: each has a session and a connection of their own, answers, thinks, answers."""

import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[2]
PAGE = "/p/bench/annotate/"
THINKING = 2.0  # seconds on average
WARM_UP = 10.0  # seconds, in which the server reads its templates and prepares its statements


class Person:
    """One browser: it keeps its cookies, holds the item at hand and the one after it, as the page does."""

    def __init__(self, session: str, port: int) -> None:
        self.port = port
        self.cookies = {"sessionid": session}
        self.items: list[dict[str, str]] = []
        self.times: list[float] = []
        self.refused: list[str] = []
        self.connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def work(self, warm: float, until: float) -> None:
        """Answers from now on; measured from ``warm``."""
        page = self.ask("GET", PAGE)[1]
        self.items = [fields_of(page)]
        self.prefetch()
        time.sleep(random.random() * THINKING)
        while (now := time.perf_counter()) < until:
            self.answer()
            if now < warm:
                self.times.clear()
            time.sleep(random.uniform(0.5, 1.5) * THINKING)

    def prefetch(self) -> None:
        held = ",".join(item["comparison"] for item in self.items)
        self.meet(json.loads(self.ask("GET", f"{PAGE}next/?held={held}")[1]))

    def answer(self) -> None:
        if not self.items:
            raise RuntimeError(f"nothing is left to answer: {self.refused[-3:]}")
        item = self.items.pop(0)
        held = ",".join(each["comparison"] for each in self.items)
        form = item | {"choice": random.choice(("a", "b")), "held": held}
        begun = time.perf_counter()
        status, text = self.ask("POST", PAGE, form)
        self.times.append((time.perf_counter() - begun) * 1000)
        reply = json.loads(text)
        if status != 200 or not reply["stored"]:
            self.refused.append(str(reply.get("refused")))
        self.meet(reply)

    def meet(self, reply: Mapping[str, str | None]) -> None:
        if reply["next"]:
            self.items.append(fields_of(reply["next"]))

    def ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> tuple[int, str]:
        headers = {"Accept": "application/json" if path != PAGE or form else "text/html"}
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if form is not None:
            headers |= {
                "Content-Type": "application/x-www-form-urlencoded",
                "X-CSRFToken": self.cookies.get("csrftoken", ""),
            }
        self.connection.request(method, path, urlencode(form) if form else None, headers)
        response = self.connection.getresponse()
        self.keep(response)
        return response.status, response.read().decode()

    def keep(self, response: HTTPResponse) -> None:
        for header in response.headers.get_all("Set-Cookie") or []:
            name, _, value = header.split(";")[0].partition("=")
            self.cookies[name] = value


def fields_of(html: str) -> dict[str, str]:
    """The hidden fields of the item's form."""
    found = {}
    for tag in re.findall(r"<input\b[^>]*>", html):
        name, value = re.search(r'name="(\w+)"', tag), re.search(r'value="([^"]*)"', tag)
        if 'type="hidden"' in tag and name and value:
            found[name[1]] = value[1]
    return {
        name: found[name] for name in ("comparison", "shown", "submission_id", "seconds") if name in found
    }


class Server:
    """The web server on this database, while it is measured."""

    def __init__(self, environment: Mapping[str, str], port: int) -> None:
        from deploy.processes import web_command

        self.command = web_command("127.0.0.1", port)
        self.environment = {**environment, "DATABASE_POOL": "1"}
        self.port = port

    def __enter__(self) -> None:
        self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.environment)
        wait_for(self.port)

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()


def measure(sessions: Sequence[str], port: int, *, seconds: float) -> list[float]:
    """The times, in milliseconds, of every submit with next by these people in so many seconds."""
    everybody = [Person(session, port) for session in sessions]
    warm = time.perf_counter() + WARM_UP
    with ThreadPoolExecutor(len(everybody)) as threads:
        told = []
        for person in everybody:
            told.append(threads.submit(person.work, warm, warm + seconds))
            time.sleep(THINKING / len(sessions))
        for each in told:
            each.result()
    refused = [why for person in everybody for why in person.refused]
    if refused:
        print(f"  refused: {len(refused)}, such as {refused[0]}", file=sys.stderr)
    return [each for person in everybody for each in person.times]


def wait_for(port: int) -> None:
    for _ in range(300):
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/login/")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the web server did not start")
