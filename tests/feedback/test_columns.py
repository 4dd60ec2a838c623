"""Tables of numbers as columns: the same rows on every database, whichever way they come."""

import pytest
from django.db.models import F

from feedback.models import Response
from feedback.queries.columns import columns


@pytest.fixture
def responses(project, make_comparisons):
    make_comparisons(project, 3)
    Response.objects.filter(pk__in=Response.objects.values("pk")[:2]).update(source="é, \\ and\ttab")
    return Response.objects.filter(prompt__project=project)


def test_every_row_stands_under_its_key(responses):
    found = columns(responses.annotate(again=F("pk")), keys=("source", "prompt_id"), numbers=("pk", "again"))
    rows = {(*found.keys[key], pk) for key, pk in zip(found.key, found.numbers[0], strict=True)}
    expected = responses.values_list("source", "prompt_id", "pk")
    assert rows == {(source, str(prompt), pk) for source, prompt, pk in expected}
    assert len(set(found.keys)) == len(found.keys)
    assert found.numbers[0].tolist() == found.numbers[1].tolist()


def test_no_rows_are_empty_columns(responses):
    found = columns(responses.filter(text="nobody wrote this"), keys=("source",), numbers=("pk", "prompt_id"))
    assert (found.keys, found.key.tolist(), [column.tolist() for column in found.numbers]) == (
        [],
        [],
        [[], []],
    )
