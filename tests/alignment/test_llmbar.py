"""LLMBar's judges, imported with both orders, agree with themselves as often as was published for them."""

import json
from collections import Counter
from pathlib import Path

import pytest

from alignment.actions.imports import import_file
from alignment.formats.mapping import parse_mapping
from feedback.models import Judgment, Outcome, Rater, RaterKind
from judges.queries import position_agreement

MAPPING = Path(__file__).parents[1] / "data" / "llmbar.mapping.json"


@pytest.fixture
def llmbar(project, shared_data):
    path = shared_data / "llmbar" / "comparisons.jsonl"
    import_file(project=project, path=path, by=None, mapping=parse_mapping(MAPPING.read_text()))
    return path.parent


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_published_position_agreement_is_reproduced(project, llmbar):
    """It takes seconds, since it is about all of 22,207 judgments, by 52 judges on 5 subsets.

    The published count takes two orders without a verdict for an agreement; a verdict that is missing is none here.
    So the counts differ by just those comparisons, on 20 of the 260 rows, and nowhere else.
    """
    both_missing = Counter(
        (name, row["subset"])
        for row in lines(llmbar / "comparisons.jsonl")
        for name, said in row["judge"].items()
        if said["order_12"] is None and said["order_21"] is None
    )
    raters = {rater.name: rater for rater in Rater.objects.filter(project=project, kind=RaterKind.JUDGE)}
    tags = {tag.name: tag for tag in project.tags.all()}
    published, exactly = lines(llmbar / "published.jsonl"), 0
    for row in published:
        found = position_agreement(raters[row["judge"]], tags[row["subset"]])
        agreed = round(found["value"] * found["n"])
        assert agreed + both_missing[row["judge"], row["subset"]] == row["positional_agreement"], row
        assert found["n"] + found["excluded"] == row["n"]
        assert found["low"] <= found["value"] <= found["high"]
        exactly += agreed == row["positional_agreement"]
    assert len(published) == 260
    assert exactly == 240


def test_orders_that_disagree_are_inconsistent_and_never_a_tie(project, llmbar):
    judgments = Judgment.objects.filter(rater__project=project, rater__kind=RaterKind.JUDGE)
    outcomes = Counter(judgments.values_list("outcome", flat=True))
    assert outcomes[Outcome.INCONSISTENT] > 1000
    assert set(outcomes) == {Outcome.RANKED, Outcome.INCONSISTENT, Outcome.UNPARSEABLE}
    assert not judgments.filter(ranking=(1, 1)).exists()
