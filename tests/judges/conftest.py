"""Rubrics, judges and a provider that fails on command."""

import json
from collections.abc import Callable, Iterator

import pytest
from asgiref.sync import sync_to_async

from feedback.models import Project, Rubric
from judges.actions.judges import create_judge
from judges.actions.rubrics import create_rubric
from judges.core.providers import PROVIDERS, Reply, TokenCount
from judges.core.request import Request
from judges.core.rubric import CriterionText
from judges.core.usage import Usage
from judges.models import Judge, JudgeRun
from judges.tasks import perform_judge_run
from tests.fake_api.running import FakeApi, running_api

RULES = {"rules": [{"pattern": "of x", "weight": 1.0}]}


class ScriptedProvider:
    """A provider that is paid for: it counts what it was asked and answers from a script.

    ``answer`` maps a request to the reply's text, or raises; what it raises was asked but never answered.
    """

    free = False

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.stop_reason = "end_turn"
        self.served_model = "claude-opus-5-5"
        self.answer: Callable[[Request], str] = prefer_the_first

    async def __aenter__(self):
        return self

    async def __aexit__(self, *raised) -> None:
        pass

    async def ask(self, request: Request) -> Reply:
        # In the test's own thread, since answers may look into the database.
        return await sync_to_async(self._reply)(request)

    async def count_tokens(self, request: Request) -> TokenCount:
        return TokenCount(1000, exact=False)

    def _reply(self, request: Request) -> Reply:
        self.asked.append(request.sha256())
        text = self.answer(request)
        self.answered.append(request.sha256())
        return Reply(text, self.stop_reason, self.served_model, f"req_{len(self.asked)}", Usage(1000, 100))


def prefer_the_first(request: Request) -> str:
    """The canonically first response, whichever order it is shown in."""
    best = request.ids[request.shown.index(0)]
    return json.dumps({"rationale": f"{best} is better.", "verdict": best})


@pytest.fixture(scope="session")
def _api_server() -> Iterator[FakeApi]:
    with running_api() as api:
        yield api


@pytest.fixture
def fake_api(_api_server: FakeApi, settings) -> FakeApi:
    """The APIs of the providers, played by a server of ours that judges may be sent to; as new for each test."""
    settings.JUDGE_HOSTS = [_api_server.url.removeprefix("http://")]
    _api_server.reset()
    return _api_server


@pytest.fixture
def scripted(monkeypatch) -> ScriptedProvider:
    provider = ScriptedProvider()
    monkeypatch.setitem(PROVIDERS, "scripted", lambda settings, key: provider)
    return provider


@pytest.fixture
def rubric(project) -> Rubric:
    return create_rubric(project=project, name="Helpful", instructions="Prefer the helpful answer.", by=None)


@pytest.fixture
def toned(project) -> Rubric:
    """A rubric with one criterion, from 1 to 3."""
    tone = CriterionText("tone", "How it sounds.", 1, 3, {1: "rude", 3: "warm"}, weight=2)
    return create_rubric(project=project, name="Toned", instructions="Be kind.", criteria=[tone], by=None)


@pytest.fixture
def make_judge(project: Project, rubric: Rubric) -> Callable[..., Judge]:
    def make(name: str = "careful", **changes) -> Judge:
        configuration = {"provider": "rules", "model": "rules", "settings": RULES} | changes
        return create_judge(project=project, name=name, **({"rubric": rubric} | configuration), by=None)

    return make


@pytest.fixture
def carry_out(db) -> Callable[[JudgeRun], JudgeRun]:
    def perform(run: JudgeRun) -> JudgeRun:
        perform_judge_run(run.job_id)
        return JudgeRun.objects.select_related("job", "judge").get(pk=run.pk)

    return perform
