"""The commands ``agreement`` and ``label``: what they print, and one sentence for every mistake."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from alignment.models import Label, Policy


def run(*args):
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def test_agreement_prints_pandalms_published_kappas(pandalm, shared_data):
    published = json.loads((shared_data / "pandalm" / "published.json").read_text())["kappa"]
    body = json.loads(run("agreement", "--project", "PandaLM", "--json"))
    people = [
        pair for pair in body["pairs"] if pair["a"].startswith("annot") and pair["b"].startswith("annot")
    ]
    kappas = {f"{pair['a'][-1]}-{pair['b'][-1]}": round(pair["cohen_kappa"]["value"], 2) for pair in people}
    assert kappas == published == {"1-2": 0.85, "1-3": 0.88, "2-3": 0.86}


def test_agreement_prints_a_table_for_people(pandalm):
    table = run("agreement", "--project", "pandalm")
    assert "annotator1 and annotator2" in table
    assert "974 verdicts, 25 unparseable" in table
    assert "422 first, 472 second, 105 tie, 0 none" in table


def test_each_pair_is_printed_once_however_many_slices_there_are(judged):
    assert run("agreement", "--project", judged.name).count("ana and ben:") == 1


def test_label_carries_out_the_policy_in_a_file_and_prints_the_counts(judged, tmp_path):
    file = tmp_path / "policy.json"
    file.write_text('{"min_confidence": 0.9}')
    printed = run("label", "--project", judged.name, "--policy", str(file), "--name", "strict", "--now")
    policy = Policy.objects.get()
    assert (policy.name, policy.document["min_confidence"]) == ("strict", 0.9)
    used = Label.objects.filter(policy=policy, decision="used").count()
    assert f"strict v1: {used} used" in printed
    assert "partly on odd: Not trusted" in printed


def test_label_without_a_file_applies_the_newest_policy(policy):
    assert "default v1" in run("label", "--project", policy.project.name, "--now")
    assert Policy.objects.count() == 1


def test_label_without_a_worker_only_queues(judged):
    assert "is queued as job" in run("label", "--project", judged.name)
    assert not Label.objects.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"min_confidence": 7}', "min_confidence must be a number"),
        ("[1]", "must be a JSON object"),
        ("{", "is not valid JSON"),
        (None, "can not be read: No such file"),
    ],
)
def test_a_policy_file_that_can_not_be_used_is_one_sentence(judged, tmp_path, content, sentence):
    file = tmp_path / "policy.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CommandError, match=sentence):
        run("label", "--project", judged.name, "--policy", str(file), "--now")
    assert not Policy.objects.exists()


def test_an_unknown_project_is_one_sentence_that_names_those_there_are(project):
    with pytest.raises(CommandError, match=r"There is no project 'nope'. There are: Help desk."):
        run("agreement", "--project", "nope")


def test_a_project_without_judgments_is_one_sentence(project):
    with pytest.raises(CommandError, match="no judgments yet"):
        run("agreement", "--project", project.name)
    with pytest.raises(CommandError, match="no judgments yet"):
        run("label", "--project", project.name, "--now")
