"""What surrounds judgments: weeks, orders, lengths, sources, levels, served models; and what reports make of them."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alignment.actions.measures import report_body
from alignment.actions.reports import compute_report
from alignment.queries import load_judgments
from alignment.statistics.verdicts import FIRST, MISSING, SECOND, TIE
from alignment.surroundings import load_surroundings
from feedback.actions.imports import store_records
from feedback.models import Criterion, Judgment, Rubric, Score
from feedback.records import ComparisonRecord, JudgmentRecord, ResponseRecord
from judges.actions.judges import create_judge
from judges.actions.rubrics import create_rubric
from judges.actions.runs import start_judge_run
from judges.models import JudgeCall
from judges.tasks import perform_judge_run

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
FIRST_WINS, SECOND_WINS, EQUAL = {"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 1, "b": 1}


def about(key, judgments, texts=("long long answer", "short"), sources=("gpt-4", "claude-3")):
    responses = [
        ResponseRecord(name, source, text) for name, source, text in zip("ab", sources, texts, strict=True)
    ]
    return ComparisonRecord([{"role": "user", "content": key}], responses, key=key, judgments=judgments)


def machine(ranking, name="gpt-judge", **more):
    return JudgmentRecord(name, kind="judge", ranking=ranking, **more)


def person(ranking, name="ana"):
    return JudgmentRecord(name, kind="human", ranking=ranking)


def loaded(project):
    judgments = load_judgments(project)
    return judgments, load_surroundings(project, judgments)


def test_everything_stands_at_the_number_of_its_judgment_or_comparison(project):
    records = [
        about("1", [person(FIRST_WINS), machine(SECOND_WINS, shown=("b", "a"), at=MONDAY)]),
        about("2", [machine(FIRST_WINS, at=MONDAY - timedelta(seconds=1))], ("abc", "de"), ("opt", "x")),
    ]
    store_records(project=project, records=records, by=None)
    judgments, around = loaded(project)
    assert judgments.external_ids == ["1", "2"]
    assert around.sources == ["claude-3", "gpt-4", "opt", "x"]
    assert around.source.tolist() == [[1, 0], [2, 3]]
    assert around.lengths.tolist() == [[16, 5], [3, 2]]
    by_rater = {judgments.names[rater]: index for index, rater in enumerate(judgments.rater.tolist())}
    assert around.week[by_rater["ana"]] == MISSING
    weeks = around.week[judgments.rater == judgments.names.index("gpt-judge")]
    assert weeks[0] == weeks[1] + 1 == (MONDAY.date() - datetime(1970, 1, 5).date()).days // 7
    shown = around.shown[judgments.rater == judgments.names.index("gpt-judge")]
    assert shown.tolist() == [1, MISSING]
    assert around.families == ["", "openai"]


def test_a_slice_is_surrounded_by_its_own(judged):
    judgments, around = loaded(judged)
    part, within = judgments.within("odd"), around.within(judgments, "odd")
    assert len(within.week) == len(part.judgment_ids)
    assert within.lengths.shape == (part.count, 2)
    texts = {"q001": ["A to q001.", "B to q001."]}
    assert within.lengths[part.external_ids.index("q001")].tolist() == [len(text) for text in texts["q001"]]


def test_what_surrounds_the_same_judgments_makes_another_report(project):
    store_records(project=project, records=[about("1", [person(FIRST_WINS), machine(FIRST_WINS)])], by=None)
    first = compute_report(project=project, by=None)
    Judgment.objects.filter(rater__name="gpt-judge").update(at=MONDAY)
    assert compute_report(project=project, by=None).inputs_sha256 != first.inputs_sha256


@pytest.fixture
def biased(project):
    """A judge of openai's that always takes the longer response, gpt-4's; of people two in three take the other."""
    records = []
    for index in range(60):
        turned = index % 2 == 1
        texts = ("short", "a much longer answer " * (1 + index % 3))
        sources = ("claude-3", "gpt-4")
        long_wins, short_wins = (SECOND_WINS, FIRST_WINS) if not turned else (FIRST_WINS, SECOND_WINS)
        people = [person(long_wins if index % 3 == 0 else short_wins, name) for name in ("ana", "ben")]
        judge = machine(
            long_wins,
            shown=("b", "a") if index % 4 < 2 else ("a", "b"),
            at=MONDAY + timedelta(weeks=index // 20),
        )
        records.append(
            about(
                f"{index:02d}",
                [*people, judge],
                texts[::-1] if turned else texts,
                sources[::-1] if turned else sources,
            )
        )
    store_records(project=project, records=records, by=None)
    return compute_report(project=project, by=None).body


def test_length_family_and_order_of_a_biased_judge(biased):
    (entry,) = biased["bias"]
    assert entry["length"]["longer"]["value"] == 1
    assert entry["length"]["same_rows"]["people"]["value"] == pytest.approx(1 / 3)
    assert entry["length"]["same_rows"]["difference"]["low"] > 0.5
    assert {step["share"]["value"] for step in entry["length"]["curve"]} == {1}
    assert sum(step["share"]["n"] for step in entry["length"]["curve"]) == 60
    assert entry["family"]["family"] == "openai"
    assert entry["family"]["same_rows"]["difference"]["value"] == pytest.approx(2 / 3)
    assert entry["position"]["first_shown"]["value"] == 0.5
    assert (entry["position"]["primacy"], entry["position"]["recency"], entry["position"]["p"]) == (
        30,
        30,
        1.0,
    )
    assert entry["position"]["consistency"]["reason"] == "each comparison was asked in one order"


def test_models_are_ranked_and_win_rates_keep_to_the_people(biased):
    by_people, by_judge = biased["rankings"]
    assert [source["source"] for source in by_people["sources"]] == ["claude-3", "gpt-4"]
    assert by_people["sources"][0]["plain"]["value"] > 0 > by_judge["sources"][0]["plain"]["value"]
    rate = next(entry for entry in biased["win_rates"] if entry["source"] == "claude-3")
    assert rate["estimate"]["value"] == rate["people_only"]["value"] == pytest.approx(2 / 3)
    assert (rate["people"], rate["machines_alone"]) == (60, 0)


def test_agreement_is_followed_week_by_week(biased):
    (entry,) = biased["drift"]
    assert [week["week"] for week in entry["weeks"]] == ["2026-03-02", "2026-03-09", "2026-03-16"]
    assert [week["agreement"]["n"] for week in entry["weeks"]] == [20, 20, 20]
    assert entry["weeks"][0]["agreement"]["value"] == pytest.approx(7 / 20)


def test_confidence_is_held_against_people_who_had_no_say_in_it(project):
    records = []
    for index in range(200):
        right = index % 10 != 0  # two machines of three are right nine times in ten, the third half the time
        said = [FIRST_WINS if right else SECOND_WINS] * 2 + [FIRST_WINS if index % 4 < 2 else SECOND_WINS]
        judges = [machine(ranking, f"judge {number}") for number, ranking in enumerate(said)]
        records.append(about(f"{index:03d}", [person(FIRST_WINS), *judges]))
    store_records(project=project, records=records, by=None)
    (entry,) = compute_report(project=project, by=None).body["reliability"]
    assert sum(bin_["right"]["n"] for bin_ in entry["raw"]["bins"]) == 200
    assert entry["calibrated"]["ece"]["value"] <= entry["raw"]["ece"]["value"] + 0.02
    turned = [about(f"{index:03d}", [person(SECOND_WINS, "ben")]) for index in range(200)]
    store_records(project=project, records=turned, by=None)
    Judgment.objects.filter(rater__name="ana").delete()
    (other,) = compute_report(project=project, by=None).body["reliability"]
    assert [b["confidence"] for b in other["raw"]["bins"]] == [b["confidence"] for b in entry["raw"]["bins"]]


def test_levels_of_judges_are_held_against_peoples(project):
    store_records(
        project=project,
        records=[about(str(index), [person(FIRST_WINS), machine(FIRST_WINS)]) for index in range(3)],
        by=None,
    )
    made = Rubric.objects.create(project=project, name="Help", sha256="0" * 64)
    helpful = Criterion.objects.create(
        rubric=made, name="Helpful", anchors={"1": "no", "5": "yes"}, position=0
    )
    for judgment in Judgment.objects.select_related("rater", "comparison"):
        level = 3 if judgment.rater.kind == "human" else 3 + int(judgment.comparison.external_id) % 2
        Score.objects.create(judgment=judgment, criterion=helpful, position=0, value=level)
    (entry,) = compute_report(project=project, by=None).body["bias"]
    (found,) = entry["leniency"]
    assert found["criterion"] == "Helpful"
    assert (found["difference"]["value"], found["difference"]["n"]) == (pytest.approx(1 / 3), 3)


def test_calls_in_both_orders_tell_which_side_a_judge_prefers(project, make_user):
    owner = make_user("olga", project=project, role="owner")
    texts = [("good good", "bad"), ("bad", "good"), ("same", "equal"), ("good", "bad bad")]
    records = [about(str(index), [person(FIRST_WINS)], pair) for index, pair in enumerate(texts)]
    store_records(project=project, records=records, by=None)
    rubric = create_rubric(project=project, name="Good", instructions="Prefer what is good.", by=owner)
    judge = create_judge(
        project=project,
        name="rules",
        provider="rules",
        model="rules",
        rubric=rubric,
        settings={"rules": [{"pattern": "good", "weight": 1.0}]},
        by=owner,
    )
    perform_judge_run(start_judge_run(judge=judge, by=owner).job_id)
    JudgeCall.objects.update(served_model="rules-1", answered_at=MONDAY)
    JudgeCall.objects.filter(comparison__external_id="3").update(
        served_model="rules-2", answered_at=MONDAY + timedelta(weeks=1)
    )
    judgments, around = loaded(project)
    number = [rater.kind for rater in judgments.raters].index("judge")
    drawn = around.orders[number]
    assert judgments.comparison_ids[drawn.comparison].tolist() == judgments.comparison_ids.tolist()
    assert drawn.as_given.tolist() == drawn.turned.tolist() == [FIRST, SECOND, TIE, FIRST]
    assert [(each.model, each.calls) for each in around.served[number]] == [("rules-1", 6), ("rules-2", 2)]
    body = report_body(judgments, around, lambda: None)
    position = body["bias"][0]["position"]
    assert (position["basis"], position["first_shown"]["value"], position["drawn"]) == ("both orders", 0.5, 4)
    assert position["consistency"]["value"] == 1
    assert [change["model"] for change in body["drift"][0]["served"]] == ["rules-1", "rules-2"]


def test_no_figure_is_a_bare_nan(judged):
    judgments, around = loaded(judged)
    body = report_body(judgments, around, lambda: None)

    def numbers(node):
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                yield from numbers(child)
            elif isinstance(child, float):
                yield child

    assert np.isfinite(list(numbers(body))).all()
