"""Graders that ask somebody: models of both providers, and embeddings, over HTTP."""

import asyncio

import pytest
from openai.types import CreateEmbeddingResponse

from judges.core.graders import Case, Grade, grade
from judges.core.providers import BadSettings
from judges.core.providers.keys import Key
from tests.fake_api.embeddings import embedded
from tests.fake_api.world import World

OUTPUT = "{{sample.output_text}}"
SCORE = {
    "type": "score_model",
    "name": "score",
    "model": "gpt-5.6-luna",
    "range": [0, 10],
    "input": [
        {"role": "developer", "content": "Grade the answer to {{item.question}}."},
        {"role": "user", "content": [{"type": "input_text", "text": f"Response A:\n{OUTPUT}"}]},
    ],
    "sampling_params": {"temperature": 0.5, "seed": 3, "top_p": 1, "max_completions_tokens": 500},
}
LABEL = {
    "type": "label_model",
    "name": "label",
    "model": "claude-opus-5-5",
    "labels": ["pass", "fail"],
    "passing_labels": ["pass"],
    "input": [{"role": "user", "content": f"Response A:\n{OUTPUT}"}],
}
SIMILAR = {
    "type": "text_similarity",
    "name": "near",
    "evaluation_metric": "cosine",
    "input": OUTPUT,
    "reference": "{{item.reference}}",
}


@pytest.fixture
def models(fake_api, monkeypatch) -> dict[str, dict[str, object]]:
    """The settings that reach each provider's models on the server of ours."""
    return {
        "openai": {"provider": "openai", "settings": {"base_url": fake_api.openai_url}},
        "anthropic": {"provider": "anthropic", "settings": {"base_url": fake_api.url}},
    }


def graded(document, *texts: str, item=None, **settings) -> list[Grade]:
    cases = [Case(text, {"question": "Why?"} if item is None else item) for text in texts]
    return asyncio.run(grade(document, cases, settings))


def test_score_model_reads_a_number_and_cuts_it_to_its_range(models):
    seven, beyond = graded(SCORE, "[[quality 7.0]]", "[[quality 15]]", models=models["openai"])
    assert (seven.reward, beyond.reward) == (7.0, 10.0)
    answer = seven.as_json()
    assert answer["metadata"]["sampled_model_name"] == "gpt-5.6-luna"
    assert answer["metadata"]["token_usage"] == sum(answer["model_grader_token_usage_per_model"].values()) > 0


def test_label_model_passes_by_its_labels(models):
    good, bad = graded(LABEL, "[[quality 0.9]]", "[[quality 0.1]]", models=models["anthropic"])
    assert [(good.reward, good.note), (bad.reward, bad.note)] == [
        (1.0, "The label is pass."),
        (0.0, "The label is fail."),
    ]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("refusal", "model_grader_refusal_error"),
        ("wrong_schema", "model_grader_parse_error"),
        ("truncated_reply", "model_grader_parse_error"),
        ("server_error", "model_grader_server_error"),
    ],
)
def test_what_goes_wrong_is_no_grade_of_its_kind(models, fake_api, fault: str, kind: str):
    fake_api.script(fault)
    (found,) = graded(SCORE, "[[quality 7.0]]", models=models["openai"])
    assert (found.reward, list(found.errors)) == (None, [kind])
    assert (found.failure is not None) == (kind == "model_grader_server_error")


def test_a_missing_variable_asks_nobody(models, fake_api):
    (found,) = graded(SCORE, "x", item={}, models=models["openai"])
    assert (found.reward, list(found.errors)) == (None, ["invalid_variable_error"])
    assert fake_api.bill()["requests"] == 0


def test_sampling_that_a_provider_does_not_take_is_said(models):
    (found,) = graded(SCORE, "x", models=models["anthropic"])
    assert found.reward is None
    assert "The provider's" in found.reason


def test_without_models_nobody_is_asked():
    (found,) = graded(SCORE, "x")
    assert (found.reward, list(found.errors)) == (None, ["other_error"])


def test_cosine_compares_embeddings(fake_api):
    server = {"base_url": fake_api.openai_url, "model": "tiny"}
    same, half, none, empty = graded(
        SIMILAR, "red green", "red blue", "white", "", item={"reference": "green red"}, embeddings=server
    )
    assert same.reward == pytest.approx(1.0)
    assert half.reward == pytest.approx(0.5)
    assert (none.reward, empty.reward) == (0.0, 0.0)
    assert same.as_json()["metadata"]["sampled_model_name"] == "tiny"


def test_cosine_without_a_server_is_no_grade(fake_api):
    (found,) = graded(SIMILAR, "x", item={"reference": "x"})
    assert found.reason.startswith("Cosine compares embeddings")
    fake_api.script({"name": "server_error", "endpoint": "embeddings"})
    (found,) = graded(SIMILAR, "x", item={"reference": "x"}, embeddings={"base_url": fake_api.openai_url})
    assert list(found.errors) == ["model_grader_server_error"]


def test_the_embeddings_of_our_server_are_those_of_the_sdk():
    world = World()
    world.reset(None)
    CreateEmbeddingResponse.model_validate(embedded(world, {"model": "m", "input": ["a b", ""]}, None).body)


@pytest.mark.parametrize(
    ("services", "problem"),
    [
        ({"models": {"provider": "rules"}}, "models must be"),
        ({"models": {"provider": "openai", "key": "x"}}, "models takes a provider"),
        ({"embeddings": {"base_url": "file:///etc"}}, "base_url must begin with http"),
    ],
)
def test_services_that_can_not_be_are_refused(services, problem: str):
    with pytest.raises(BadSettings, match=problem):
        graded(SCORE, "x", **services)


def test_a_key_goes_to_no_server_but_its_own(fake_api, monkeypatch):
    from judges.core.graders.embeddings import Embeddings

    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert Embeddings({"base_url": fake_api.openai_url})._secret == ""
    assert Embeddings({}, Key("sk-own", "https://api.openai.com/v1"))._secret == "sk-own"
