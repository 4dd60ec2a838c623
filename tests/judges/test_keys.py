"""Keys are stored encrypted, shown never, and go to the one server they were stored for, if it is allowed at all."""

import pytest
from django.forms.models import model_to_dict

from feedback.errors import Refused
from feedback.models import AuditEntry
from judges.actions.calls import ask
from judges.actions.keys import checked_provider, delete_key, provider_of, store_key
from judges.actions.questions import Questions
from judges.models import ProviderKey

SECRET = "sk-ant-very-secret-4321"


@pytest.fixture
def stored(project, fake_api):
    return store_key(project=project, provider="anthropic", base_url=fake_api.url, secret=SECRET, by=None)


@pytest.fixture
def requests(project, make_comparisons, make_judge, stored, fake_api):
    judge = make_judge(
        "paid", provider="anthropic", model="claude-opus-5-5", settings={"base_url": fake_api.url}
    )
    comparison = make_comparisons(project, 1)[0]
    return judge, [call.request for call in Questions.of(judge).calls(comparison)]


def test_a_stored_key_is_used_and_is_readable_nowhere(project, stored, requests, fake_api):
    fake_api.reset(keys=[SECRET])
    judge, asked = requests
    assert all(call.reply for call in ask(judge=judge, requests=asked, by=None))
    shown = [
        repr(model_to_dict(stored)),
        str(stored),
        repr(stored),
        repr(provider_of(judge).__dict__["base_url"]),
    ]
    shown += [repr(entry.detail) for entry in AuditEntry.objects.all()]
    assert SECRET not in " ".join(shown)
    assert stored.last4 == "4321"


def test_the_same_server_has_one_key_the_newest(project, stored, fake_api):
    again = store_key(
        project=project, provider="anthropic", base_url=fake_api.url, secret="sk-ant-newer-9999", by=None
    )
    assert (ProviderKey.objects.count(), again.pk, again.last4) == (1, stored.pk, "9999")
    assert again.salt != stored.salt
    delete_key(key=again, by=None)
    assert not ProviderKey.objects.exists()


def test_a_new_secret_key_reads_what_the_earlier_one_wrote(stored, requests, settings):
    judge, _ = requests
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert provider_of(judge)._secret == SECRET
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Refused, match="can not be read, since this server's SECRET_KEY has changed"):
        provider_of(judge)


def test_another_projects_key_is_not_used(make_judge, requests, stored, monkeypatch):
    from feedback.actions.projects import create_project

    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    ProviderKey.objects.update(project=create_project(name="Other", by=None))
    judge, _ = requests
    assert provider_of(judge)._secret == ""


@pytest.mark.parametrize("secret", ["", "short", "with a space in it", "sk-ünïcode-key", "x" * 501])
def test_what_is_no_key_is_refused(project, secret):
    with pytest.raises(Refused, match="A key is 8 to 500 letters"):
        store_key(project=project, provider="anthropic", secret=secret, by=None)


def test_a_provider_without_keys_takes_none(project):
    with pytest.raises(Refused, match="takes no key"):
        store_key(project=project, provider="rules", secret=SECRET, by=None)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://169.254.169.254/latest",
        "http://[::1]:80",
        "https://api.anthropic.com.evil.example",
        "https://api.anthropic.com:8443",
        "http://2130706433/",
    ],
)
def test_a_server_that_is_not_listed_is_refused(project, make_judge, url):
    with pytest.raises(Refused, match="add it to JUDGE_HOSTS"):
        make_judge("x", provider="anthropic", model="m", settings={"base_url": url})
    with pytest.raises(Refused, match="add it to JUDGE_HOSTS"):
        store_key(project=project, provider="anthropic", base_url=url, secret=SECRET, by=None)


@pytest.mark.parametrize("entry", ["models.example", "models.example:8000", "MODELS.example"])
def test_a_server_that_is_listed_is_allowed(make_judge, settings, entry):
    settings.JUDGE_HOSTS = [entry]
    make_judge("x", provider="openai", model="m", settings={"base_url": "http://models.example:8000/v1"})


def test_the_providers_own_servers_are_allowed(make_judge):
    make_judge("a", provider="anthropic", model="m", settings={})
    make_judge("o", provider="openai", model="m", settings={})


@pytest.mark.parametrize(
    "named",
    [
        {"models": {"provider": "openai", "settings": {"base_url": "http://10.0.0.7/v1"}}},
        {"embeddings": {"base_url": "http://10.0.0.7/v1"}},
    ],
)
def test_a_grader_asks_no_server_that_is_not_allowed(named):
    score = {
        "type": "score_model",
        "name": "s",
        "model": "m",
        "input": [{"role": "user", "content": "Rate."}],
    }
    similar = {
        "type": "text_similarity",
        "name": "s",
        "input": "{{sample.output_text}}",
        "reference": "x",
        "evaluation_metric": "cosine",
    }
    grader = score if "models" in named else similar
    with pytest.raises(Refused, match="add it to JUDGE_HOSTS"):
        checked_provider("grader", {"grader": grader, **named})
