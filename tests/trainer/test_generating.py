"""New responses: from a version of ours and from a provider, within a budget, and what becomes of them."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.urls import reverse

from feedback.actions.jobs import cancel_job, claim_job, perform_job, resume_job
from feedback.errors import Refused
from feedback.models import JobState, QueueItem
from judges.actions.pricing import Prices
from judges.core.prices import Price
from judges.core.providers import Reply, failures
from judges.core.request import Request
from judges.core.usage import Usage
from tests.fake_api.running import FakeApi, running_api
from trainer.actions.generating import carry_out_generation, prompts_for, start_generation
from trainer.folders import generation_folder, model_folder
from trainer.models import Generation
from trainer.sampling import SampleLedger, plain_call
from trainer.spec import RunSpec


@pytest.fixture(scope="module")
def _running() -> Iterator[FakeApi]:
    with running_api() as api:
        yield api


@pytest.fixture
def api(_running, settings) -> FakeApi:
    settings.JUDGE_HOSTS = [_running.url.removeprefix("http://")]
    _running.reset()
    return _running


def leave_samples(generation: Generation, texts: list[str | None]) -> None:
    """What a runner that has finished leaves, prompt by prompt and sample by sample."""
    folder = generation_folder(generation) / "samples"
    folder.mkdir(parents=True)
    version, samples = generation.model_version, generation.parameters["samples"]
    spec = RunSpec(
        "generate",
        str(model_folder(version)),
        "../prompts.parquet",
        generation.seed,
        parameters=generation.parameters,
    )
    lines = [
        json.dumps({"prompt_index": place // samples, "sample": place % samples, "text": text})
        for place, text in enumerate(texts)
    ]
    (folder / "responses.jsonl").write_text("\n".join(lines))
    (folder / "result.json").write_text(
        json.dumps({"spec_sha256": spec.sha256(), "output": "responses.jsonl"})
    )


def done(generation: Generation) -> Generation:
    perform_job(generation.job_id, carry_out_generation)
    generation.refresh_from_db()
    assert generation.job.state == JobState.SUCCEEDED, generation.job.message
    return generation


def test_two_samples_become_a_comparison_with_the_prompts_tags(project, policy_model, make_comparisons):
    make_comparisons(project, 4)
    generation = start_generation(project=project, model_version=policy_model, by=None, samples=2)
    leave_samples(generation, ["one", "two", "same", "same", "x", " ", None, None])
    done(generation)
    assert generation.made == {
        "prompts": 4,
        "responses": 5,
        "comparisons": 2,
        "left_out": {"same": 1, "silent": 3},
        "rejected": 0,
        "budget_reached": False,
    }
    new = generation.comparisons.get(slots__response__text="one")
    assert set(new.slots.values_list("response__text", flat=True)) == {"one", "two"}
    assert new.prompt == prompts_for(generation)[0]
    assert new.tags.get().name in ("even", "odd")
    alone = generation.comparisons.get(slots__response__text="x")
    assert set(alone.slots.values_list("response__source", flat=True)) == {"tiny", "model-y"}
    assert QueueItem.objects.get(pk=new.pk).slots_free == 2


def test_prompts_are_drawn_by_the_seed(project, policy_model, make_comparisons):
    make_comparisons(project, 10)
    asked = {"project": project, "model_version": policy_model, "by": None, "most_prompts": 4}
    first, again, other = (prompts_for(start_generation(**asked, seed=seed)) for seed in (1, 1, 2))
    assert len(first) == 4
    assert first == again != other


def test_what_can_not_be_asked_is_refused(project, policy_model, make_comparisons):
    def field_of(**asked) -> str | None:
        with pytest.raises(Refused) as refused:
            start_generation(project=project, by=None, **asked)
        return refused.value.field

    assert field_of(model_version=policy_model) == "tag"
    make_comparisons(project, 1)
    assert field_of(model_version=policy_model, samples=0) == "samples"
    assert field_of() == "provider"
    assert field_of(provider="openai") == "model"
    assert field_of(provider="openai", model="nobody-knows", budget=Decimal(1)) == "budget"
    assert field_of(model_version=policy_model, parameters={"temperature": -1}) == "parameters.temperature"


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_provider_answers_plainly_and_is_paid_once(project, make_comparisons, api, provider):
    make_comparisons(project, 3)
    base_url = f"{api.url}/v1" if provider == "openai" else api.url
    model = "gpt-5.6-luna" if provider == "openai" else "claude-haiku-5-5"
    generation = start_generation(
        project=project,
        provider=provider,
        model=model,
        provider_settings={"base_url": base_url, "max_tokens": 50},
        samples=1,
        by=None,
    )
    done(generation)
    assert generation.made["responses"] == 3
    asked = len(api.hashes())
    resume_again(generation)
    assert len(api.hashes()) == asked == 3


def resume_again(generation: Generation) -> None:
    generation.job.__class__.objects.filter(pk=generation.job_id).update(state=JobState.QUEUED)
    done(generation)


def test_what_came_within_the_budget_is_stored(project, make_comparisons, api):
    make_comparisons(project, 12)
    generation = start_generation(
        project=project,
        provider="openai",
        model="gpt-5.6-luna",
        provider_settings={"base_url": f"{api.url}/v1", "max_tokens": 1000},
        samples=1,
        budget=Decimal("0.00126"),
        by=None,
    )
    done(generation)
    assert generation.made["budget_reached"]
    assert 0 < generation.made["responses"] < 12
    assert generation.spent <= generation.budget


def call(sample: int = 0):
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    return plain_call("openai", "m", {"max_tokens": 10}, prompt, sample)


def test_what_breaks_while_asking_is_no_success(project, make_comparisons, api):
    """The file of replies can not be written: nothing that comes back could be kept."""
    make_comparisons(project, 2)
    settings = {"base_url": f"{api.url}/v1", "max_tokens": 50}
    generation = start_generation(
        project=project,
        by=None,
        provider="openai",
        model="gpt-5.6-luna",
        provider_settings=settings,
        samples=2,
    )
    (generation_folder(generation) / "replies.jsonl").mkdir(parents=True)
    perform_job(generation.job_id, carry_out_generation)
    generation.refresh_from_db()
    assert (generation.job.state, "IsADirectoryError" in generation.job.message) == (JobState.FAILED, True)
    assert not generation.comparisons.exists()


def test_a_request_for_a_plain_answer_has_no_form():
    request: Request = call().request
    assert (request.system, request.schema) == ("Be brief.", {})
    assert [turn["role"] for turn in request.messages] == ["user"]
    assert call(0).sha256 != call(1).sha256


@pytest.fixture
def prices() -> Prices:
    from datetime import date

    price = Price("m", date(2026, 1, 1), {"input": Decimal(1000), "output": Decimal(1000)})
    return Prices(free=False, price=price, max_tokens=10, own=True)


def test_the_ledger_keeps_the_budget_and_survives_a_kill(tmp_path, prices):
    from judges.actions.asking import Answer, NoAnswer, Send

    worst = prices.worst(call().request)
    path = tmp_path / "replies.jsonl"
    ledger = SampleLedger.read(path, prices, budget=worst * 2)
    one, two, three = (call(sample) for sample in range(3))
    sent_one, _, none = ledger.store([Send(one), Send(two), Send(three)])
    assert (sent_one.worst, none) == (worst, None)

    ledger.store([Answer(one, Reply("Because.", "stop", "m", "r", Usage(5, 5)), sent_one)])
    assert ledger.spent == Decimal("0.01")

    # Killed while the second was under way, in the middle of a line.
    with path.open("a") as file:
        file.write('{"sent": "cut')
    again = SampleLedger.read(path, prices, budget=worst * 2)
    assert (again.texts, again.spent, again.held) == ({one.sha256: "Because."}, Decimal("0.01"), worst)
    assert again.store([Send(one)])[0].text == "Because."
    assert again.store([Send(two)]) == [None]

    again.budget = None
    (sent,) = again.store([Send(two)])
    again.store([NoAnswer(two, failures.Rejected("no"), sent, final=True)])
    last = SampleLedger.read(path, prices, budget=None)
    assert last.texts[two.sha256] is None


def test_a_cancelled_one_is_resumed(project, policy_model, make_comparisons, client, make_user):
    make_comparisons(project, 1)
    generation = start_generation(project=project, model_version=policy_model, by=None)
    leave_samples(generation, ["one", "two"])
    cancel_job(job=generation.job, by=None)
    assert claim_job(generation.job_id) is None
    generation.refresh_from_db()
    resume_job(job=generation.job, by=None)
    done(generation)
    client.force_login(make_user("rita", project=project, role="reviewer"))
    page = client.get(reverse("trainer:generation", args=[project.slug, generation.pk]))
    assert page.status_code == 200


def test_the_page_starts_one(project, policy_model, make_comparisons, client, make_user):
    make_comparisons(project, 1)
    client.force_login(make_user("erin", project=project, role="engineer"))
    given = {"model_version": policy_model.pk, "max_tokens": 8, "temperature": 1, "samples": 2}
    answer = client.post(reverse("trainer:generation-new", args=[project.slug]), given)
    assert answer.status_code == 302
    assert Generation.objects.get().parameters["max_new_tokens"] == 8
