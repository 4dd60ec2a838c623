"""Pushing to a hub: the real client against a hub of one process, its token, and what it says when it refuses."""

import json

import pytest

from feedback.actions.jobs import perform_job
from feedback.errors import Refused
from feedback.models import JobState
from trainer.actions.pushing import carry_out_push, start_push
from trainer.folders import model_folder

from .hub_server import Hub, running_hub


@pytest.fixture
def hub(monkeypatch):
    with running_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_TOKEN", Hub.token)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        yield running


def test_weights_card_and_lineage_arrive(hub, tuned_model):
    push = start_push(model_version=tuned_model, repository="ours/tuned", by=None)
    with pytest.raises(Refused, match="is being pushed"):
        start_push(model_version=tuned_model, repository="ours/tuned", by=None)

    perform_job(push.job_id, carry_out_push)

    push.refresh_from_db()
    assert push.job.state == JobState.SUCCEEDED, push.job.message
    assert push.url.startswith(f"{hub.url}/ours/tuned/commit/")
    assert hub.repositories == {"ours/tuned": True}
    assert hub.unknown == []
    assert hub.files["model.safetensors"] == (model_folder(tuned_model) / "model.safetensors").read_bytes()
    assert json.loads(hub.files["lineage.json"])["model"] == "tuned"
    assert b"# tuned" in hub.files["README.md"]


def test_a_hub_that_refuses_is_quoted(hub, tuned_model, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    push = start_push(model_version=tuned_model, repository="ours/tuned", by=None)
    perform_job(push.job_id, carry_out_push)
    push.refresh_from_db()
    assert push.job.state == JobState.FAILED
    assert "The hub did not take it" in push.job.message
    assert "hf_wrong" not in push.job.message


@pytest.mark.parametrize("name", ["tuned", "a/b/c", "../x/y", "-a/b", ""])
def test_a_name_that_is_no_repository_is_refused(hub, tuned_model, name):
    with pytest.raises(Refused) as refused:
        start_push(model_version=tuned_model, repository=name, by=None)
    assert refused.value.field == "repository"


def test_without_a_token_nothing_starts(tuned_model, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(Refused, match="set HF_TOKEN"):
        start_push(model_version=tuned_model, repository="ours/tuned", by=None)
