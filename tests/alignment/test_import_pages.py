"""Importing in the browser: a file is looked at, its columns chosen, stored once, and nothing hostile gets far."""

import gzip
import io
import json
import stat
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from alignment.actions import uploads
from alignment.actions.uploads import (
    carry_out_import,
    data_file,
    discard_upload,
    folder_of,
    rejects_file,
    store_upload,
)
from alignment.formats import source
from alignment.formats.mapping import parse_mapping
from alignment.models import FileImport
from alignment.views.receive import shown_name, stored_name
from feedback.actions import import_reading as storing
from feedback.actions.jobs import Lease, cancel_job, claim_job, perform_job, resume_job
from feedback.actions.projects import create_project
from feedback.errors import Refused
from feedback.models import AuditEntry, Comparison, JobState, Judgment, Role


def row(key="q1", **fields):
    responses = [{"id": "a", "source": "x", "text": f"Yes {key}."}, {"id": "b", "source": "y", "text": "No."}]
    return {"id": key, "prompt": [{"role": "user", "content": "Why?"}], "responses": responses, **fields}


def lines(*rows) -> bytes:
    return b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in rows)


VOTES = """qid;question;system_1;system_2;answer_1;answer_2;winner;annotator;lang
1;"Où est
la clé?";gpt;llama;Sous le tapis.;Je ne sais pas.;model_a;ana;fr
2;Why?;gpt;llama;Because.;No.;model_b;ben;en
3;Who?;gpt;llama;Me.;You.;tie;ana;en
4;;gpt;llama;Me.;You.;tie;ana;en
5;When?;gpt
""".encode()


@pytest.fixture
def client(project, make_user):
    client = Client()
    client.force_login(make_user("eva", project=project, role="engineer"))
    return client


@pytest.fixture
def send(client, project):
    """Send a file; the import that was made of it, or None."""

    def post(content: bytes, name="rows.jsonl", **more):
        before = set(FileImport.objects.values_list("pk", flat=True))
        client.post(
            reverse("alignment:imports", args=[project.slug]),
            {"file": SimpleUploadedFile(name, content), **more},
        )
        return FileImport.objects.exclude(pk__in=before).first()

    return post


def page(client, found):
    return client.get(reverse("alignment:import", args=[found.project.slug, found.pk])).content.decode()


def confirm(client, found, choice=""):
    """Press "Import the file"; what became of it."""
    url = reverse("alignment:import", args=[found.project.slug, found.pk])
    client.post(url, {"choice": choice})
    found.refresh_from_db()
    return found


def perform(found):
    perform_job(found.job_id, carry_out_import)
    found.refresh_from_db()
    found.job.refresh_from_db()
    return found.job


@pytest.mark.django_db(transaction=True)
def test_a_small_file_is_seen_first_then_stored_at_once_and_its_copy_is_gone(client, send, project):
    found = send(lines(row(), row("q2"), b"{"))
    html = page(client, found)
    assert "Yes q1." in html
    assert "it is not JSON" in html
    assert not project.comparisons.exists()
    confirm(client, found)
    assert (found.comparisons_new, found.rejected, found.job, found.format) == (2, 1, None, "concord")
    assert found.finished_at
    assert not list(folder_of(project, found.key).glob("data*"))
    assert "The file is imported." in page(client, found)


@pytest.mark.django_db(transaction=True)
def test_the_same_file_again_changes_nothing_and_says_so(client, send, project):
    judged = row(judgments=[{"rater": "ana", "ranking": {"a": 1, "b": 2}}])
    confirm(client, send(lines(judged)))
    before = list(Comparison.objects.values()), list(Judgment.objects.values())
    again = confirm(client, send(lines(judged), name="copy.json"))
    assert (again.comparisons_new, again.comparisons_known) == (0, 1)
    assert (again.judgments_new, again.judgments_known) == (0, 1)
    assert (list(Comparison.objects.values()), list(Judgment.objects.values())) == before
    assert "Nothing new" in page(client, again)


@pytest.mark.django_db(transaction=True)
def test_a_table_is_read_by_its_columns_which_are_guessed_and_can_be_chosen(client, send, project):
    found = send(VOTES, name="votes.csv")
    html = page(client, found)
    assert "fr" in html
    assert "ana: 1 &gt; 2" in html
    assert "the prompt is empty" in html
    confirm(client, found)
    assert (found.comparisons_new, found.judgments_new, found.rejected) == (3, 3, 2)
    first = Comparison.objects.get(external_id="1")
    assert first.prompt.messages == [{"role": "user", "content": "Où est\nla clé?"}]
    assert [tag.name for tag in first.tags.all()] == ["fr"]
    assert {(each.rater.name, each.ranking) for each in Judgment.objects.all()} == {
        ("ana", (1, 2)),
        ("ben", (2, 1)),
        ("ana", (1, 1)),
    }
    rejects = [json.loads(line) for line in rejects_file(found).read_text().splitlines()]
    assert [(each["line"], each["field"]) for each in rejects] == [(6, "question"), (7, None)]


@pytest.mark.django_db(transaction=True)
def test_another_choice_of_columns_shows_other_rows_and_is_the_document_of_the_command(
    client, send, project, tmp_path
):
    found = send(VOTES, name="votes.csv")
    url = reverse("alignment:import", args=[project.slug, found.pk])
    choice = {
        "count": "2",
        "prompt": "question",
        "text_1": "answer_2",
        "text_2": "answer_1",
        "tags": ["lang"],
    }
    html = client.get(url, choice).content.decode()
    assert "No judgment" in html
    saved = client.get(reverse("alignment:import-mapping", args=[project.slug, found.pk]), choice)
    mapping = parse_mapping(saved.content.decode())
    assert [each.text for each in mapping.responses] == ["answer_2", "answer_1"]
    assert mapping.tags == ("lang",)
    confirm(client, found, "count=2&prompt=question&text_1=answer_2&text_2=answer_1&tags=lang")
    assert (found.judgments_new, found.mapping) == (0, json.loads(saved.content))


def test_ranks_of_three_responses_are_read_as_a_ranking(client, send, project):
    table = "ask,r1,r2,r3,k1,k2,k3,who\nWhy?,A,B,C,1,2,2,ana\nHow?,A,B,C,1,2,7,ana\nWho?,A,B,C,,,,ana\n"
    found = send(table.encode(), name="ranks.csv")
    fields = {f"text_{n}": f"r{n}" for n in (1, 2, 3)} | {f"rank_{n}": f"k{n}" for n in (1, 2, 3)}
    query = "&".join(f"{k}={v}" for k, v in {"count": 3, "prompt": "ask", "rater": "who", **fields}.items())
    confirm(client, found, query)
    assert (found.comparisons_new, found.judgments_new, found.rejected) == (2, 1, 1)
    assert Judgment.objects.get().ranking == (1, 2, 2)


def test_a_choice_that_makes_no_comparison_stores_nothing(client, send, project):
    found = send(VOTES, name="votes.csv")
    confirm(client, found, "count=2&prompt=nothing&text_1=answer_1&text_2=answer_2")
    assert not project.comparisons.exists()
    assert found.finished_at is None


def test_a_value_of_the_winner_means_what_was_chosen(client, send, project):
    found = send(VOTES, name="votes.csv")
    html = page(client, found)
    name = html.split("“model_a” means")[0].rpartition('for="map_')[2].split('"')[0]
    assert name.startswith("means_")
    query = f"count=2&prompt=question&text_1=answer_1&text_2=answer_2&winner=winner&rater=annotator&{name}=2"
    confirm(client, found, query)
    assert Judgment.objects.get(comparison__prompt__messages__0__content="Où est\nla clé?").ranking == (2, 1)


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("rows.json", lambda rows: json.dumps(rows, indent=1).encode()),
        ("rows.jsonl.gz", lambda rows: gzip.compress(lines(*rows))),
        ("rows.jsonl.zst", lambda rows: zstandard.compress(lines(*rows))),
        ("rows.parquet", lambda rows: _parquet(rows)),
    ],
)
def test_every_packing_of_the_same_rows_is_recognised(name, pack, client, send, project):
    found = send(pack([row(), row("q2")]), name=name)
    assert "Yes q1." in page(client, found)
    confirm(client, found)
    if found.job:
        assert perform(found).state == JobState.SUCCEEDED
    assert (found.format, found.comparisons_new) == ("concord", 2)


def _parquet(rows) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


@pytest.fixture
def large(send, monkeypatch, client):
    """A file of 500 rows, the 300th of them broken, and everything over a few bytes is a worker's."""
    monkeypatch.setattr(uploads, "AT_ONCE", 1000)
    monkeypatch.setattr(storing, "LARGE_BATCH", storing.BATCH)
    rows = [row(f"q{number}") for number in range(500)]
    rows[299] = b"{"
    return confirm(client, send(lines(*rows)))


@pytest.mark.django_db(transaction=True)
def test_a_large_file_is_a_workers_who_reports_how_far_it_is(large, client):
    assert large.job.state == JobState.QUEUED
    assert large.finished_at is None
    assert "It waits for a worker." in page(client, large)
    job = perform(large)
    assert (job.state, job.done, job.total) == (JobState.SUCCEEDED, 500, 500)
    assert (large.comparisons_new, large.rejected) == (499, 1)
    assert not list(folder_of(large.project, large.key).glob("data*"))


def test_work_that_was_cancelled_goes_on_where_it_was_and_counts_every_row_once(large, project):
    lease = claim_job(large.job_id)
    cancelled = Cancelled(lease, after=2)
    with pytest.raises(Cancelled.Stop):
        carry_out_import(cancelled)
    large.refresh_from_db()
    assert large.comparisons_new == project.comparisons.count() > 0
    assert large.finished_at is None
    uploads_job = large.job
    type(uploads_job).objects.filter(pk=uploads_job.pk).update(state=JobState.CANCELLED)
    resume_job(job=uploads_job, by=None)
    assert perform(large).state == JobState.SUCCEEDED
    assert (large.comparisons_new, large.comparisons_known, large.rejected) == (499, 0, 1)
    assert len(rejects_file(large).read_text().splitlines()) == 1
    assert project.comparisons.count() == 499


class Cancelled(Lease):
    """A lease that is taken away after so many reports of a line."""

    class Stop(Exception):
        pass

    def __init__(self, lease: Lease, after: int) -> None:
        super().__init__(lease.job_id, lease.attempt)
        object.__setattr__(self, "left", after)

    def report(self, done=None, total=None, message=None) -> None:
        super().report(done, total, message)
        if done and total is None:
            object.__setattr__(self, "left", self.left - 1)
            if not self.left:
                raise self.Stop


def test_an_import_that_a_worker_holds_can_be_cancelled_but_not_thrown_away(large, client, project):
    urls = {
        name: reverse(f"alignment:import-{name}", args=[project.slug, large.pk])
        for name in ("cancel", "resume", "discard")
    }
    client.post(urls["discard"])
    assert FileImport.objects.filter(pk=large.pk).exists()
    client.post(urls["cancel"])
    large.job.refresh_from_db()
    assert large.job.state == JobState.CANCELLED
    client.post(urls["resume"])
    large.job.refresh_from_db()
    assert large.job.state == JobState.QUEUED
    cancel_job(job=large.job, by=None)
    client.post(urls["discard"])
    assert not FileImport.objects.filter(pk=large.pk).exists()
    assert not folder_of(project, large.key).exists()


def test_what_is_sent_lies_where_only_the_server_reads_it(send, project, var_folder):
    found = send(lines(row()), name="../../../etc/passwd\x00.jsonl")
    path = data_file(found)
    assert path.is_relative_to(var_folder / "imports")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, path.parent.parent, var_folder / "imports"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "/" not in found.name


def test_the_file_of_rejects_is_the_servers_alone_too(client, send):
    found = confirm(client, send(lines(row(), b"{")))
    assert stat.S_IMODE(rejects_file(found).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("..\\..\\boot.ini", "boot.ini"),
        ("/etc/passwd", "passwd"),
        ("", "file"),
        ("\u202egpj.exe\n", "gpj.exe"),
        ("<script>alert(1)</script>.csv", "script>.csv"),
        ("x" * 300 + ".csv", "x" * 196 + ".csv"),
    ],
)
def test_a_senders_name_is_shown_without_folders_and_what_can_not_be_seen(name, shown):
    assert shown_name(name) == shown


def test_only_the_ending_of_a_table_says_how_a_file_is_stored():
    assert {stored_name(name) for name in ("a.CSV", "b.tsv.gz", "c.txt.zst")} == {"data.csv"}
    assert {stored_name(name) for name in ("a.jsonl", "b.csv.exe", "data.csv/x", "c")} == {"data"}


HOSTILE = {
    "nothing at all": b"",
    "only blanks": b" \n\n",
    "binary": bytes(range(256)) * 50,
    "a gzip cut short": gzip.compress(lines(row()) * 50)[:-20],
    "a zstd cut short": zstandard.compress(lines(row()) * 50)[:-5],
    "a Parquet file that is none": b"PAR1" + b"\x00" * 100 + b"PAR1",
    "deep nesting": b"[" * 100_000,
    "deep nesting in a line": b'{"a":' * 100_000,
    "UTF-16": json.dumps(row()).encode("utf-16"),
    "a NUL in every text": json.dumps(row("\x00")).encode(),
    "half a surrogate pair": json.dumps(row("\ud800")).encode(),
    "numbers without end": b'{"prompt": ' + b"9" * 100_000 + b', "responses": []}',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_told_about_and_stores_nothing(content, client, send, project):
    found = send(content)
    if found is None:
        return
    assert client.get(reverse("alignment:import", args=[project.slug, found.pk])).status_code == 200
    confirm(client, found)
    if found.job:
        perform(found)
    assert not project.comparisons.exists()
    assert client.get(reverse("alignment:import", args=[project.slug, found.pk])).status_code == 200


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_file_made_to_fill_the_disk_is_refused_before_it_is_unpacked(
    pack, client, send, project, monkeypatch
):
    monkeypatch.setattr(source, "ALWAYS_ALLOWED", 100_000)
    bomb = pack(lines(row()) + b" " * 50_000_000)
    found = send(bomb, name="bomb.jsonl.gz")
    confirm(client, found)
    if found.job:
        assert "100 times its size" in perform(found).message
    assert not project.comparisons.exists()


def test_text_in_a_file_is_shown_and_never_run(client, send):
    hostile = row(prompt=[{"role": "user", "content": "<script>alert(1)</script>"}], tags=["<img src=x>"])
    html = page(client, send(lines(hostile), name="<b>.jsonl"))
    assert "<script>alert" not in html
    assert "<img src=x>" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_a_file_over_the_limit_is_not_read(client, project, settings, var_folder):
    settings.UPLOAD_BYTES = 1000
    url = reverse("alignment:imports", args=[project.slug])
    answer = client.post(url, {"file": SimpleUploadedFile("x.jsonl", b"x" * 200_000)}, follow=True)
    assert "larger than" in answer.content.decode()
    answer = client.post(url, {"file": SimpleUploadedFile("x.jsonl", b"x" * 5000)}, follow=True)
    assert "larger than" in answer.content.decode()
    assert not FileImport.objects.exists()
    assert not list((var_folder / "imports").rglob("data*"))


def test_a_form_without_a_file_and_one_with_others_leaves_nothing(client, project, var_folder):
    url = reverse("alignment:imports", args=[project.slug])
    for sent in ({}, {"other": SimpleUploadedFile("x.jsonl", lines(row()))}, {"file": "text"}):
        answer = client.post(url, sent, follow=True)
        assert "Choose a file first." in answer.content.decode()
    assert not FileImport.objects.exists()
    assert not (var_folder / "imports").exists()


def test_a_file_from_another_site_is_not_kept(project, make_user, var_folder):
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("eva", project=project, role="engineer"))
    url = reverse("alignment:imports", args=[project.slug])
    assert client.post(url, {"file": SimpleUploadedFile("x.jsonl", lines(row()))}).status_code == 403
    assert not FileImport.objects.exists()
    assert not list((var_folder / "imports").rglob("data*"))
    token = client.get(url).context["csrf_token"]
    sent = {"csrfmiddlewaretoken": str(token), "file": SimpleUploadedFile("x.jsonl", lines(row()))}
    assert client.post(url, sent).status_code == 302
    assert FileImport.objects.count() == 1


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.REVIEWER, None])
def test_only_an_engineer_imports(role, project, make_user, send, var_folder):
    found = send(lines(row(), b"{"))
    client = Client()
    client.force_login(make_user("other", project=project, role=role))
    for name in ("import", "import-mapping", "import-rejects"):
        assert client.get(reverse(f"alignment:{name}", args=[project.slug, found.pk])).status_code == 404
    for name in ("import", "import-discard", "import-cancel", "import-resume"):
        assert client.post(reverse(f"alignment:{name}", args=[project.slug, found.pk])).status_code == 404
    url = reverse("alignment:imports", args=[project.slug])
    assert client.get(url).status_code == 404
    assert client.post(url, {"file": SimpleUploadedFile("x.jsonl", lines(row()))}).status_code == 404
    assert FileImport.objects.count() == 1
    assert len(list((var_folder / "imports").rglob("data*"))) == 1


def test_a_file_of_another_project_is_not_there(client, send, make_user):
    found = send(lines(row()))
    elsewhere = create_project(name="Elsewhere", by=None)
    FileImport.objects.filter(pk=found.pk).update(project=elsewhere)
    url = reverse("alignment:import", args=["help-desk", found.pk])
    assert client.get(url).status_code == 404
    assert client.post(url).status_code == 404


def test_the_rejects_are_handed_out_as_a_file(client, send, project):
    found = confirm(client, send(lines(row(), b"{", b"[]")))
    answer = client.get(reverse("alignment:import-rejects", args=[project.slug, found.pk]))
    assert "attachment" in answer["Content-Disposition"]
    rejected = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [each["line"] for each in rejected] == [2, 3]


def test_a_file_is_imported_once_and_what_is_imported_is_not_thrown_away(client, send, project):
    found = confirm(client, send(lines(row())))
    with pytest.raises(Refused):
        store_upload(file_import=found, mapping={}, by=None)
    with pytest.raises(Refused, match="imported already"):
        discard_upload(file_import=found, by=None)


def test_a_file_that_was_left_alone_for_a_day_goes_with_the_next_one(send, project):
    old = send(lines(row()))
    FileImport.objects.filter(pk=old.pk).update(created_at="2020-01-01T00:00:00Z")
    new = send(lines(row("q2")))
    assert list(FileImport.objects.all()) == [new]
    assert not folder_of(project, old.key).exists()


def test_who_sent_and_who_imported_is_in_the_audit_trail(client, send):
    confirm(client, send(lines(row())))
    verbs = AuditEntry.objects.filter(actor__username="eva").values_list("verb", flat=True)
    assert {"upload", "import"} <= set(verbs)


def test_an_import_whose_file_is_gone_says_so(client, send, project):
    found = send(lines(row()))
    data_file(found).unlink()
    assert "no longer here" in page(client, found)
    assert uuid.UUID(str(found.key))
