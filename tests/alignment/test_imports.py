"""A file enters the store: summaries, rejects, and one sentence for whatever can not be used."""

import gzip
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from alignment.actions.imports import import_file
from alignment.formats.mapping import parse_mapping
from feedback.errors import Refused
from feedback.models import AuditEntry, Comparison, Criterion, Judgment, Project, Prompt, Rater, Score
from judges.actions.rubrics import create_rubric

DATA = Path(__file__).parents[1] / "data"
PANDALM = DATA / "pandalm.mapping.json"


def row(key="q1", **fields):
    responses = [{"id": "a", "source": "x", "text": f"Yes {key}."}, {"id": "b", "source": "y", "text": "No."}]
    return {"id": key, "prompt": [{"role": "user", "content": "Why?"}], "responses": responses, **fields}


@pytest.fixture
def file(tmp_path):
    def write(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_bytes(
            b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in rows)
        )
        return path

    return write


@pytest.fixture
def command(capsys):
    def run(path, *options, project="Help desk"):
        call_command("import_feedback", str(path), "--project", project, *options)
        return capsys.readouterr().out

    return run


def test_bad_rows_are_written_with_line_field_and_reason_and_the_others_stored(project, file, tmp_path):
    judged = [{"rater": "ana", "ranking": {"a": 1, "b": 2}}, {"rater": "ben", "ranking": {"a": 1}}]
    path = file(row(judgments=judged), b"{", {"\ud800": 1}, row("q2") | {"responses": []}, row("q3"))
    rejects = tmp_path / "rejects" / "here.jsonl"
    report = import_file(project=project, path=path, by=None, rejects_path=rejects)
    assert (report.format, report.stored.comparisons_new, report.stored.judgments_new) == ("concord", 2, 1)
    written = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert report.rejected == len(written) == 4
    assert {(each["line"], each["field"]) for each in written} == {
        (1, "judgments[1].ranking"),
        (2, None),
        (3, "\ud800"),
        (4, "responses"),
    }
    assert all(each["reason"] for each in written)


def test_without_rejections_no_file_of_them_is_made(project, file, tmp_path):
    report = import_file(project=project, path=file(row()), by=None, rejects_path=tmp_path / "rejects")
    assert (report.rejected, report.rejects, (tmp_path / "rejects").exists()) == (0, None, False)


@pytest.mark.django_db(transaction=True)
def test_strictly_the_first_broken_row_stops_everything_and_nothing_is_stored(project, file):
    rows = [
        row(f"q{number}", judgments=[{"rater": "ana", "ranking": {"a": 1, "b": 2}}]) for number in range(250)
    ]
    with pytest.raises(Refused, match="Nothing was imported: line 251: it is not JSON"):
        import_file(project=project, path=file(*rows, b"{"), by=None, strict=True)
    assert not Comparison.objects.exists()
    assert not Rater.objects.exists()
    assert not Prompt.objects.exists()
    assert not AuditEntry.objects.filter(verb="import").exists()
    assert import_file(project=project, path=file(*rows), by=None, strict=True).stored.judgments_new == 250


def test_contradicting_votes_of_one_rater_keep_the_first(project, file):
    judged = [{"rater": "ana", "ranking": {"a": 1, "b": 2}}, {"rater": "ana", "ranking": {"a": 2, "b": 1}}]
    report = import_file(project=project, path=file(row(judgments=judged)), by=None)
    assert (report.rejected, Judgment.objects.get().ranking) == (1, (1, 2))


def test_traps_in_text_are_rejected_or_kept_but_never_changed(project, file):
    kept = "\u202eשלום 👩🏽‍🚀\r\n\u2028" + "é" * 1_000_000
    texts = [{"id": "a", "source": "x", "text": kept}, {"id": "b", "source": "y", "text": kept}]
    nul = row("nul") | {"prompt": [{"role": "user", "content": "a\x00b"}]}
    lone = row("lone") | {"prompt": [{"role": "user", "content": "\ud83d"}]}
    report = import_file(project=project, path=file(row("ok") | {"responses": texts}, nul, lone), by=None)
    assert [each.line for each in report.examples] == [2, 3]
    assert [slot.response.text for slot in Comparison.objects.get().slots.all()] == [kept, kept]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (gzip.compress(json.dumps(row()).encode())[:-9], "is damaged"),
        ('{"id": "é"}'.encode("utf-16"), "UTF-16"),
        ("caf\u00e9\n".encode("latin-1"), "line 1: it is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "can not be told"),
        (b'{"question": "x"}\n', "its columns question are those of no known format"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_in_one_sentence(project, tmp_path, content, sentence):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(Refused) as caught:
        import_file(project=project, path=path, by=None)
    assert sentence in caught.value.sentence
    assert "\n" not in caught.value.sentence


def test_a_file_whose_rows_are_all_broken_is_refused_and_the_reasons_are_kept(project, file, tmp_path):
    path = file(row() | {"responses": []}, row() | {"tags": 3})
    with pytest.raises(
        Refused, match=r"None of the 2 rows of .* the first: line 1, responses: a comparison needs"
    ):
        import_file(project=project, path=path, by=None, rejects_path=tmp_path / "why.jsonl")
    assert len((tmp_path / "why.jsonl").read_text().splitlines()) == 2


def test_a_file_of_rejects_that_can_not_be_written_is_told(project, file, tmp_path):
    (tmp_path / "no-folder").write_text("")
    with pytest.raises(Refused, match="stopped"):
        import_file(
            project=project, path=file(b"{", row()), by=None, rejects_path=tmp_path / "no-folder" / "x"
        )


def test_the_command_tells_what_it_did_and_the_second_time_that_nothing_is_new(project, file, command):
    path = file(row(judgments=[{"rater": "ana", "ranking": {"a": 1, "b": 2}}]))
    assert f"Imported 1 comparisons and 1 judgments from {path} (concord) into Help desk." in command(path)
    assert f"Nothing new: the 1 comparisons and 1 judgments of {path} are already" in command(path)
    again = command(file(row(judgments=[{"rater": "ben", "ranking": {"a": 1, "b": 2}}]), row("q2")))
    assert "Imported 1 comparisons and 1 judgments" in again
    assert "1 comparisons and 0 judgments were there already" in again


def test_the_command_lists_rejections_and_where_they_are(project, file, command, var_folder):
    out = command(file(row(), b"{"))
    assert "Rejected 1, each with its reason in " in out
    assert "line 2: it is not JSON" in out
    assert len(list((var_folder / "rejects").iterdir())) == 1


def test_the_command_makes_a_project_only_with_something_in_it(db, file, command):
    path = file(row())
    with pytest.raises(CommandError, match="There is no file"):
        command(path.with_name("none"), project="New")
    with pytest.raises(CommandError, match="None of the 1 rows"):
        command(file(row() | {"tags": 3}, name="broken.jsonl"), project="New")
    assert not Project.objects.exists()
    assert "Made the project New." in command(path, project="New")
    assert Project.objects.get().comparisons.count() == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--format", "xml"),
            "'xml' is no format that can be read; use one of auto, concord, hh-rlhf, ultrafeedback,",
        ),
        (("--format", "pairs"), "needs a mapping"),
        (("--mapping", "none.json"), "The mapping none.json can not be read"),
        (("--mapping", '{"prompt": 1}'), "The mapping can not be used: responses: it is missing"),
    ],
)
def test_wrong_options_are_refused(project, file, command, options, sentence):
    with pytest.raises(CommandError) as caught:
        command(file(row()), *options)
    assert sentence in str(caught.value)


RATED = {
    "prompt": "Why is the sky blue?",
    "correctness": 4,
    "coherence": 4,
    "complexity": 1,
    "verbosity": 0,
}


def test_a_format_with_scores_brings_its_rubric_to_a_project_that_has_none(project, file):
    path = file(
        RATED | {"response": "Scattering.", "helpfulness": 4}, RATED | {"response": "Eh.", "helpfulness": 0}
    )

    report = import_file(project=project, path=path, by=None)

    assert (report.format, report.stored.judgments_new, report.rejected) == ("helpsteer2", 1, 0)
    assert Score.objects.get(criterion__name="helpfulness", position=0).value in (0, 4)
    assert set(Criterion.objects.values_list("rubric__name", "scale_min", "scale_max")) == {
        ("helpsteer2", 0, 4)
    }
    assert not import_file(project=project, path=path, by=None).stored.changed


def test_a_file_of_which_nothing_can_be_stored_brings_no_rubric(project, file):
    with pytest.raises(Refused, match="None of the 2 rows"):
        import_file(project=project, path=file(RATED, {"prompt": 1}), by=None, format="helpsteer2")
    assert not Criterion.objects.exists()


def test_a_rubric_that_is_there_is_left_alone(project, file):
    create_rubric(project=project, name="Ours", instructions="Be kind.", by=None)
    path = file(
        RATED | {"response": "Scattering.", "helpfulness": 4}, RATED | {"response": "Eh.", "helpfulness": 0}
    )

    report = import_file(project=project, path=path, by=None)

    assert (report.stored.comparisons_new, report.stored.judgments_new) == (1, 0)
    assert "no criterion 'helpfulness'; add it first" in report.examples[0].reason
    assert not Criterion.objects.exists()


def test_pandalm_comes_in_by_its_mapping_and_only_once(db, shared_data, command):
    path = shared_data / "pandalm" / "comparisons.jsonl"
    out = command(path, "--mapping", str(PANDALM), project="PandaLM")
    assert "Imported 999 comparisons and 4995 judgments" in out
    assert "Nothing new" in command(path, "--mapping", str(PANDALM), project="PandaLM")
    assert Judgment.objects.filter(outcome="unparseable").count() == 25
    assert set(Rater.objects.values_list("kind", "name")) == {
        ("human", "annotator1"),
        ("human", "annotator2"),
        ("human", "annotator3"),
        ("judge", "gpt-3.5-turbo"),
        ("judge", "pandalm-7b"),
    }


def test_llmbar_comes_in_by_its_mapping(project, shared_data):
    mapping = parse_mapping((DATA / "llmbar.mapping.json").read_text())
    report = import_file(
        project=project, path=shared_data / "llmbar" / "comparisons.jsonl", by=None, mapping=mapping
    )
    assert (report.stored.comparisons_new, report.stored.judgments_new, report.rejected) == (419, 22_207, 0)


def test_hh_rlhf_is_recognised_and_comes_in_whole(project, shared_data):
    path = shared_data / "hh_rlhf" / "harmless_base_test_600.jsonl"
    report = import_file(project=project, path=path, by=None)
    assert (report.format, report.stored.comparisons_new, report.rejected) == ("hh-rlhf", 600, 0)
    assert not import_file(project=project, path=path, by=None).stored.changed
