"""A grader as a rater of a project: its verdicts on comparisons, a run's, and what is refused."""

import asyncio
import json

import pytest

from feedback.actions.imports import store_records
from feedback.errors import Refused
from feedback.models import Comparison, Outcome, Project, RaterKind
from feedback.records import ComparisonRecord, ResponseRecord
from judges.actions.graders import create_grader, try_grader
from judges.actions.runs import start_judge_run
from judges.core.providers import BadSettings, provider_for
from judges.core.rendering import JudgeText, render
from judges.models import JudgeCall

OUTPUT = "{{sample.output_text}}"
EXACT = {
    "type": "string_check",
    "name": "exact",
    "input": OUTPUT,
    "reference": "{{item.reference}}",
    "operation": "eq",
}
NUMBER = {
    "type": "python",
    "name": "n",
    "source": "def grade(sample, item):\n    return float(sample['output_text'])",
}


@pytest.fixture
def capitals(project: Project) -> list[Comparison]:
    """Right and wrong answers beside a reference; the last prompt has none."""
    records = [
        ComparisonRecord(
            key=country,
            prompt=[{"role": "user", "content": f"The capital of {country}?"}],
            responses=[ResponseRecord("a", "x", first), ResponseRecord("b", "y", second)],
            reference=reference,
            metadata={"country": country},
            line=line,
        )
        for line, (country, first, second, reference) in enumerate(
            [
                ("France", "Paris", "Lyon", "Paris"),
                ("Italy", "Milan", "Rome", "Rome"),
                ("Peru", "Cusco", "Arequipa", "Lima"),
                ("Atlantis", "Paris", "Rome", None),
            ],
            1,
        )
    ]
    assert not store_records(project=project, records=records, by=None).rejections
    return list(
        project.comparisons.select_related("prompt").prefetch_related("slots__response").order_by("pk")
    )


def ask(settings, *responses: str, shown=None, item=None):
    request = render(
        JudgeText("grader", "m", settings, "Graded."),
        [{"role": "user", "content": "?"}],
        responses,
        shown=shown or tuple(range(len(responses))),
        item=item or {},
    )

    async def asked():
        async with provider_for("grader", settings) as provider:
            return await provider.ask(request)

    return by_letter(request, asyncio.run(asked()))


def by_letter(request, reply):
    """What was said, each response called A, B, … by its canonical place instead of its code."""
    text = reply.text
    for code, position in zip(request.ids, request.shown, strict=True):
        text = text.replace(code, "ABC"[position])
    return json.loads(text)


def test_the_higher_reward_is_preferred_whatever_the_order():
    settings = {"grader": EXACT}
    assert ask(settings, "Rome", "Paris", item={"reference": "Paris"})["verdict"] == "B"
    assert ask(settings, "Rome", "Paris", shown=(1, 0), item={"reference": "Paris"})["verdict"] == "B"


def test_rewards_within_the_margin_are_a_tie():
    assert ask({"grader": NUMBER, "margin": 0.5}, "1.0", "1.4")["verdict"] == "tie"
    assert ask({"grader": NUMBER, "margin": 0.5}, "1.0", "1.6")["verdict"] == "B"
    assert ask({"grader": NUMBER}, "1", "3", "2")["verdict"] == "B"


def test_without_a_grade_there_is_no_verdict_and_the_reply_says_why():
    said = ask({"grader": NUMBER}, "1", "many")
    assert "verdict" not in said
    assert said["rationale"].startswith(
        "A: 1. B: no grade. ValueError: could not convert string to float: 'many'"
    )


def test_requests_that_are_asked_together_share_a_process(monkeypatch):
    from judges.core.sandbox import Sandbox

    started = []
    run = Sandbox.run

    def counted(self, program, job, limits, *, cases=1):
        started.append(cases)
        return run(self, program, job, limits, cases=cases)

    settings = {"grader": NUMBER}
    requests = [
        render(JudgeText("grader", "m", settings, ""), [], [str(n), "1.5"], shown=(0, 1)) for n in range(3)
    ]

    async def asked():
        async with provider_for("grader", settings) as provider:
            return await asyncio.gather(*(provider.ask(request) for request in requests))

    asyncio.run(asked())  # the sandbox has been tried by now
    monkeypatch.setattr(Sandbox, "run", counted)
    replies = asyncio.run(asked())
    said = [by_letter(request, reply) for request, reply in zip(requests, replies, strict=True)]
    assert [each["verdict"] for each in said] == ["B", "B", "A"]
    assert started == [6]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "grader must be an object"),
        ({"grader": EXACT | {"operation": "in"}}, "grader.operation must be one of"),
        ({"grader": EXACT, "margin": -1}, "margin must be a number"),
        ({"grader": EXACT, "other": 1}, "other is not known"),
        (
            {"grader": {"type": "score_model", "model": "m", "input": [{"role": "user", "content": "x"}]}},
            "models must be named",
        ),
        ({"grader": EXACT, "models": {"provider": "rules"}}, "models must be"),
    ],
)
def test_settings_that_can_not_be_used_name_the_field(given, problem: str):
    with pytest.raises(BadSettings, match=problem):
        provider_for("grader", given)


def test_a_run_stores_verdicts_of_a_rater_that_is_a_grader(project, capitals, carry_out):
    grader = create_grader(project=project, name="exact", settings={"grader": EXACT}, by=None)
    assert (grader.rater.kind, grader.both_orders, grader.provider) == (RaterKind.GRADER, False, "grader")
    run = carry_out(start_judge_run(judge=grader, by=None))
    assert run.job.state == "succeeded", run.job.message
    said = {each.comparison.external_id: each for each in grader.rater.judgments.select_related("comparison")}
    assert {name: (each.outcome, each.ranking) for name, each in said.items()} == {
        "France": (Outcome.RANKED, (1, 2)),
        "Italy": (Outcome.RANKED, (2, 1)),
        "Peru": (Outcome.RANKED, (1, 1)),
        "Atlantis": (Outcome.UNPARSEABLE, ()),
    }
    replies = JudgeCall.objects.filter(judge=grader)
    assert {call.cost for call in replies} == {0}
    (without,) = replies.filter(comparison__external_id="Atlantis")
    assert "There is no item.reference in this row." in without.reply


def test_metadata_and_prompt_are_the_item_too(project, capitals):
    document = EXACT | {
        "reference": "{{item.country}}: {{item.prompt[0].content}}",
        "input": "France: {{item.prompt[0].content}}",
    }
    tried = try_grader(settings={"grader": document}, comparisons=capitals[:2])
    assert [[grade.reward for grade in each.grades] for each in tried] == [[1.0, 1.0], [0.0, 0.0]]


def test_a_changed_grader_is_a_new_version(project):
    first = create_grader(project=project, name="exact", settings={"grader": EXACT}, by=None)
    again = create_grader(project=project, name="exact", settings={"grader": EXACT}, by=None)
    other = create_grader(project=project, name="exact", settings={"grader": EXACT, "margin": 1}, by=None)
    assert (again, other.version) == (first, 2)


def test_what_is_no_grader_is_refused(project):
    with pytest.raises(Refused, match=r"grader\.operation must be one of"):
        create_grader(project=project, name="x", settings={"grader": EXACT | {"operation": "in"}}, by=None)


def test_only_a_few_are_tried_at_once(project, make_comparisons):
    comparisons = make_comparisons(project, 21)
    with pytest.raises(Refused, match="At most 20"):
        try_grader(settings={"grader": EXACT}, comparisons=comparisons)
