"""Comparisons, judgments, agreement, labels and snapshots through the API."""

import gzip
import json

import pytest

from alignment.actions.freezing import carry_out_freezing
from alignment.actions.health import carry_out_health
from alignment.actions.reports import compute_report
from alignment.api.rows import ComparisonRowSerializer, JudgmentRowSerializer
from alignment.formats.concord import SCHEMA
from alignment.health.examination import KINDS
from alignment.models import Freezing, HealthCheck
from feedback.actions.jobs import perform_job
from feedback.actions.projects import create_project, rater_of
from feedback.models import Comparison, Judgment, Project, Rater, Role
from feedback.records import JudgmentRecord

PAGE_QUERIES = 14  # of a page of any length: who asks, may they, the rows, and one for each related table


@pytest.fixture
def client(make_user, make_client, project):
    return make_client(make_user("eva", project=project, role=Role.ENGINEER))


@pytest.fixture
def get(client, project):
    return lambda address, **query: client.get(f"/api/v1/projects/{project.slug}/{address}", query)


@pytest.fixture
def post(client, project):
    def post(address, body):
        return client.post(
            f"/api/v1/projects/{project.slug}/{address}", body, content_type="application/json"
        )

    return post


def row(key, **more):
    return {
        "id": key,
        "prompt": [{"role": "user", "content": f"Question {key}?"}],
        "responses": [{"id": "a", "source": "x", "text": "Yes."}, {"id": "b", "source": "y", "text": "No."}],
        **more,
    }


def judgment(**more):
    return {"rater": "claude", "kind": "judge", "ranking": {"a": 1, "b": 2}, **more}


def test_the_schema_describes_the_columns_of_our_own_format():
    assert set(ComparisonRowSerializer().fields) == set(SCHEMA.names)
    columns = SCHEMA.field("judgments").type.value_type
    assert set(JudgmentRowSerializer().fields) == {column.name for column in columns}


def test_comparisons_are_stored_with_their_judgments_and_only_once(post):
    rows = [row("q1", tags=["math"], judgments=[judgment(), judgment(rater="bob", kind="human")]), row("q2")]
    first = post("comparisons", {"comparisons": rows})
    assert first.status_code == 200
    assert first.json() == {
        "comparisons": {"new": 2, "unchanged": 0},
        "judgments": {"new": 2, "unchanged": 0},
        "rejected": [],
    }
    again = post("comparisons", {"comparisons": rows}).json()
    assert again["comparisons"] == {"new": 0, "unchanged": 2}
    assert again["judgments"] == {"new": 0, "unchanged": 2}


def test_comparisons_are_read_back_as_they_were_sent(post, get):
    sent = [row("q1", tags=["math"], metadata={"level": 3}, reference="Yes."), row("q2", purpose="evaluate")]
    post("comparisons", {"comparisons": sent})
    first, second = get("comparisons").json()["results"]
    for name, value in sent[0].items():
        assert first[name] == value
    assert second["purpose"] == "evaluate"
    assert [each["id"] for each in get("comparisons", tag="math").json()["results"]] == ["q1"]
    assert [each["id"] for each in get("comparisons", id="q2").json()["results"]] == ["q2"]
    assert [each["id"] for each in get("comparisons", purpose="train").json()["results"]] == ["q1"]


def test_bad_comparisons_are_named_by_index_and_field_and_stop_no_other(post):
    rows = [
        row("q0"),
        row("q1", responses=[]),
        row("q2", prompt="text"),
        row("q3", metadata={"a": "\x00"}),
        row("q4", metadata={"a": 1e300 * 1e10}),
        row("q5", purpose="play"),
        row("q6", flavour="salty"),
        row("q7", prompt=[{"role": "user", "content": "\ud800"}]),
        row("q8", judgments=[judgment(ranking={"a": 1})]),
        row("q9", responses=[{"id": str(n), "source": "x", "text": str(n)} for n in range(40)]),
        {**row("q10"), "id": "\x00"},
        row("q11", tags="math"),
        "row",
        row("q0", prompt=[{"role": "user", "content": "Another question?"}]),
    ]
    body = json.dumps({"comparisons": rows}).replace("Infinity", "1e999")
    answer = post("comparisons", body).json()
    fields = {each["index"]: each["field"] for each in answer["rejected"]}
    assert fields == {
        1: "responses",
        2: "prompt",
        3: "metadata",
        4: "metadata",
        5: "purpose",
        6: "flavour",
        7: "prompt[0].content",
        8: "judgments[0].ranking",
        9: "responses",
        10: "id",
        11: "tags",
        12: None,
        13: "id",
    }
    assert answer["comparisons"]["new"] == 2
    assert set(Comparison.objects.values_list("external_id", flat=True)) == {"q0", "q8"}


def test_comparisons_of_which_none_can_be_stored_are_an_error(post):
    response = post("comparisons", {"comparisons": [row("q1", responses=[]), row("q2", prompt=[])]})
    assert response.status_code == 400
    assert [each["index"] for each in response.json()["error"]["rows"]] == [0, 1]


@pytest.mark.parametrize(
    "hostile",
    [
        {"at": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]},
        {"at": "0001-01-01T00:00:00+23:59"},
        {"at": 10**30},
        {"kind": "pope"},
        {"kind": ["human"]},
        {"rater": "x" * 201},
        {"rater": ""},
        {"rater": "a\x00"},
        {"rationale": "\ud800"},
        {"strength": 10**30},
        {"strength": True},
        {"seconds": -1},
        {"ranking": {"a": 10**30, "b": 1}},
        {"ranking": {"a": "1", "b": 1}},
        {"ranking": {"\ud800": 1, "b": 1}},
        {"shown": ["a"]},
        {"scores": {"a": {"polite": 3}}},
        {"scores": {"z": {}}},
        {"outcome": "refused"},
        {"outcome": "confused", "ranking": {}},
        {"unknown": 1},
    ],
)
def test_a_hostile_judgment_is_refused_with_a_reason(post, project, make_comparisons, hostile):
    make_comparisons(project, 1)
    given = judgment(comparison="q0", **hostile) if "ranking" not in hostile else {**judgment(), **hostile}
    response = post("judgments", {"judgments": [{"comparison": "q0", **given}]})
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["rows"][0]["reason"]
    assert error["field"]
    assert Judgment.objects.count() == 0


def test_judgments_given_elsewhere_are_stored_on_the_comparisons_that_are_here(
    post, get, project, make_comparisons
):
    make_comparisons(project, 2)
    sent = {
        "judgments": [
            judgment(comparison="q0", rationale="Kinder.", seconds=1.5, shown=["b", "a"]),
            {"comparison": "q1", "rater": "claude", "kind": "judge", "outcome": "refused"},
            {"comparison": "q1", "rater": "bob", "ranking": {"a": 1, "b": 1}},
        ]
    }
    assert post("judgments", sent).json() == {"new": 3, "unchanged": 0, "rejected": []}
    assert post("judgments", sent).json() == {"new": 0, "unchanged": 3, "rejected": []}
    first, refused, tie = get("judgments").json()["results"]
    assert (first["comparison"], first["ranking"], first["shown"]) == ("q0", {"a": 1, "b": 2}, ["b", "a"])
    assert (refused["outcome"], refused["ranking"]) == ("refused", {})
    assert (tie["rater"], tie["kind"]) == ("bob", "human")
    assert [each["number"] for each in get("judgments", kind="human").json()["results"]] == [tie["number"]]
    assert [each["number"] for each in get("judgments", outcome="refused").json()["results"]] == [
        refused["number"]
    ]
    by_claude = get("judgments", rater="claude", comparison="q1").json()["results"]
    assert [each["number"] for each in by_claude] == [refused["number"]]


def test_judgments_that_do_not_fit_are_named(post, project, make_comparisons, make_user):
    make_comparisons(project, 1, [JudgmentRecord(rater="claude", kind="judge", ranking={"a": 1, "b": 2})])
    rater_of(project=project, user=make_user("ana", project=project, role=Role.ANNOTATOR))
    other = create_project(name="Other", by=None)
    make_comparisons(other, 2)
    answer = post(
        "judgments",
        {
            "judgments": [
                judgment(comparison="q0", rater="grader", kind="grader"),
                judgment(comparison="q0", ranking={"a": 2, "b": 1}),
                judgment(comparison="q0", rater="ana", kind="human"),
                judgment(comparison="q1"),
                judgment(comparison=7),
                judgment(comparison="\ud800"),
                judgment(comparison="q0", ranking={"a": 1, "c": 2}, rater="other"),
            ]
        },
    ).json()
    assert answer["new"] == 1
    assert [(each["index"], each["field"]) for each in answer["rejected"]] == [
        (1, None),
        (2, "rater"),
        (3, "comparison"),
        (4, "comparison"),
        (5, "comparison"),
        (6, "ranking"),
    ]
    assert Rater.objects.filter(project=other).count() == 0


def test_agreement_is_the_newest_report(get, judged):
    missing = get("agreement")
    assert missing.status_code == 404
    assert "measured" in missing.json()["error"]["message"]
    report = compute_report(project=judged, by=None)
    answer = get("agreement").json()
    assert answer["sha256"] == report.sha256
    assert answer["body"] == report.body


def test_labels_are_read_by_comparison_and_filtered(get, policy, label):
    assert get("labels").status_code == 404
    label(policy)
    answer = get("labels", limit=1000).json()
    assert answer["policy"]["name"] == policy.name
    assert [each["comparison"] for each in answer["results"]] == [f"q{index:03d}" for index in range(120)]
    used = get("labels", decision="used", limit=1000).json()["results"]
    assert {each["decision"] for each in used} == {"used"}
    assert all(set(each["ranking"]) == {"a", "b"} and each["sources"] for each in used)
    assert len(used) == policy.labels.filter(decision="used").count()
    pages, after = [], None
    while True:
        page = get("labels", limit=50, tag="even", **({"after": after} if after else {})).json()
        pages += [each["comparison"] for each in page["results"]]
        after = page["next"]
        if after is None:
            break
    assert pages == [f"q{index:03d}" for index in range(0, 120, 2)]
    assert get("labels", policy="unknown").json()["error"]["field"] == "policy"


@pytest.fixture
def freeze(get, post, settings):
    """Freeze through the API, with the worker's part done here; the snapshot as the API shows it."""
    settings.SNAPSHOTS_ROOT.mkdir(parents=True, exist_ok=True)

    def run(**body):
        asked = post("snapshots", body)
        assert asked.status_code == 202
        perform_job(Freezing.objects.get(pk=asked.json()["id"]).job_id, carry_out_freezing)
        freezing = get(f"freezings/{asked.json()['id']}").json()
        assert freezing["job"]["state"] == "succeeded", freezing["job"]["message"]
        return get(f"snapshots/{freezing['snapshot']}").json()

    return run


def test_a_snapshot_is_frozen_once_listed_and_downloaded(get, post, freeze, policy, label):
    assert post("snapshots", {}).status_code == 404
    label(policy)
    frozen = freeze(test_share=0.3, seed=1)
    assert freeze(policy=policy.name, test_share=0.3, seed=1) == frozen
    (listed,) = get("snapshots").json()["results"]
    assert listed["sha256"] == frozen["sha256"]
    download = get(f"snapshots/{frozen['sha256']}/export", format="preference", split="test")
    rows = [json.loads(line) for line in b"".join(download.streaming_content).splitlines()]
    assert len(rows) == frozen["test_rows"] == listed["test_rows"]
    assert set(rows[0]) >= {"prompt", "chosen", "rejected"}
    assert download.headers["Content-Disposition"].startswith("attachment")


def test_a_freezing_can_be_cancelled(get, post, policy, label):
    label(policy)
    asked = post("snapshots", {}).json()
    assert (asked["job"]["state"], asked["snapshot"], asked["balance"]) == ("queued", None, "none")
    assert post("snapshots", {}).json()["id"] == asked["id"]
    assert post(f"freezings/{asked['id']}/cancel", {}).json()["job"]["state"] == "cancelled"
    assert "already ended" in post(f"freezings/{asked['id']}/cancel", {}).json()["error"]["message"]
    assert get("snapshots").json()["results"] == []


def test_health_is_checked_through_the_api(get, post, policy, label):
    label(policy)
    asked = post("health-checks", {"test_share": 0.3})
    assert (asked.status_code, asked.json()["findings"]) == (202, [])
    perform_job(HealthCheck.objects.get().job_id, carry_out_health)
    findings = get(f"health-checks/{asked.json()['id']}").json()["findings"]
    assert [finding["kind"] for finding in findings] == list(KINDS)
    assert findings[0]["numbers"]["methods"][1]["method"] == "dpo"
    behind = {row[0] for finding in findings for row in finding["rows"]}
    assert behind
    assert behind <= set(policy.project.comparisons.values_list("external_id", flat=True))


def test_two_snapshots_are_compared_through_the_api(get, freeze, policy, label):
    label(policy)
    one, two = freeze(seed=1)["sha256"], freeze(seed=2)["sha256"]
    found = get(f"snapshots/{one}/difference/{two}").json()
    assert found["counts"]["moved"] > 0
    assert set(found["counts"]) <= {"moved", "same"}
    assert found["policy"] == []


def test_an_export_names_what_its_format_can_not_hold_and_leaves_no_file(
    get, freeze, policy, label, settings
):
    label(policy)
    sha256 = freeze()["sha256"]
    download = get(f"snapshots/{sha256}/export", format="trl-kto", ending=".jsonl.gz")
    content = b"".join(download.streaming_content)
    assert set(json.loads(gzip.decompress(content).splitlines()[0])) == {"prompt", "completion", "label"}
    assert "confidence" in download.headers["Left-Out"]
    assert not list(settings.VAR.glob("export-*"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"test_share": 0}, "test_share"),
        ({"test_share": "nan"}, "test_share"),
        ({"test_share": []}, "test_share"),
        ({"seed": -1}, "seed"),
        ({"balance": "x"}, "balance"),
        ({"seed": 10**30}, "seed"),
        ({"policy": "unknown"}, "policy"),
        ({"policy": "\x00"}, "policy"),
        ({"polcy": "x"}, "polcy"),
        ([], None),
    ],
)
def test_a_bad_freeze_names_its_field(post, policy, label, body, field):
    label(policy)
    response = post("snapshots", body)
    assert response.status_code == 400
    assert response.json()["error"]["field"] == field


@pytest.mark.parametrize(
    "query", [{"format": "concord"}, {"format": "x"}, {"split": "dev"}, {"ending": ".exe"}]
)
def test_a_bad_export_names_its_field(get, freeze, policy, label, query):
    label(policy)
    sha256 = freeze()["sha256"]
    response = get(f"snapshots/{sha256}/export", **query)
    assert response.status_code == 400
    assert response.json()["error"]["field"] == next(iter(query))


def test_another_projects_snapshot_is_not_found(freeze, policy, label, make_user, make_client):
    label(policy)
    sha256 = freeze()["sha256"]
    other = create_project(name="Other", by=None)
    client = make_client(make_user("olga", project=other, role=Role.OWNER))
    for address in ("", "/export", f"/difference/{sha256}"):
        assert client.get(f"/api/v1/projects/{other.slug}/snapshots/{sha256}{address}").status_code == 404


@pytest.mark.parametrize(
    "address", ["comparisons", "judgments", "labels", "prompts", "responses", "snapshots"]
)
def test_a_page_costs_the_same_queries_whatever_its_length(
    get, freeze, policy, label, address, django_assert_max_num_queries
):
    label(policy)
    freeze()
    with django_assert_max_num_queries(PAGE_QUERIES):
        answer = get(address, limit=200)
    assert answer.json()["results"]


def test_a_bulk_request_costs_the_same_queries_whatever_its_length(
    post, project, django_assert_max_num_queries
):
    assert Project.objects.count() == 1
    rows = [row(f"q{index}", judgments=[judgment()]) for index in range(150)]
    with django_assert_max_num_queries(60):
        assert post("comparisons", {"comparisons": rows}).json()["judgments"]["new"] == 150
    given = [judgment(comparison=f"q{index}", rater="gpt") for index in range(150)]
    with django_assert_max_num_queries(60):
        assert post("judgments", {"judgments": given}).json()["new"] == 150
