"""A file's records are read a batch ahead, in their order, and fail where the file does."""

import threading
from dataclasses import replace

import pytest

from feedback.actions import import_reading
from feedback.actions.import_reading import read_ahead
from feedback.actions.imports import store_records
from feedback.models import Comparison, Judgment, Prompt
from feedback.records import ComparisonRecord, JudgmentRecord, Rejection, ResponseRecord

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    for name in ("BATCH", "LARGE_BATCH"):
        monkeypatch.setattr(import_reading, name, 10)


def record(number, **fields):
    values = {
        "key": f"q{number}",
        "prompt": [{"role": "user", "content": f"Why {number}?"}],
        "responses": [ResponseRecord("a", "x", "Because."), ResponseRecord("b", "y", "No.")],
        "judgments": [JudgmentRecord("ana", ranking={"a": 1, "b": 2})],
        "line": number,
    }
    return ComparisonRecord(**values | fields)


def test_records_and_rejections_come_in_order_and_are_read_on_another_thread(project):
    threads = set()

    def file():
        for number in range(1, 35):
            threads.add(threading.get_ident())
            yield Rejection(number, "broken") if number % 7 == 0 else record(number)

    read = list(read_ahead(project=project, records=file()))
    assert [each.line for each in read] == list(range(1, 35))
    assert [each.line for each in read if isinstance(each, Rejection)] == [7, 14, 21, 28]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_what_is_rejected_is_told_before_the_line_that_an_import_goes_on_from(project):
    told, seen = [], []

    def file():
        for number in range(1, 25):
            yield record(number, key="x" * 201) if number in (10, 11, 20) else record(number)

    store_records(
        project=project,
        records=read_ahead(project=project, records=file()),
        by=None,
        reject=lambda rejection: told.append(rejection.line),
        progress=lambda line, _summary: seen.append((line, list(told))),
    )
    assert seen == [(10, [10]), (20, [10, 11, 20]), (24, [10, 11, 20])]


def test_a_file_that_breaks_off_keeps_the_batches_before(project):
    def file():
        yield from (record(number) for number in range(1, 26))
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        store_records(project=project, records=read_ahead(project=project, records=file()), by=None)
    assert Comparison.objects.count() == 20


def test_a_known_comparison_listed_the_other_way_round_keeps_its_order(project):
    def store(*records):
        return store_records(project=project, records=read_ahead(project=project, records=records), by=None)

    one = record(1)
    first, second = one.responses
    exchanged = replace(one, responses=[second, first])
    said = replace(exchanged, judgments=[JudgmentRecord("ben", ranking={"a": 2, "b": 1}, shown=["b", "a"])])
    assert store(one).judgments_new == 1
    assert store(exchanged).judgments_unchanged == 1
    assert store(said).judgments_new == 1
    assert set(Judgment.objects.values_list("rater__name", "ranking", "shown")) == {
        ("ana", (1, 2), ()),
        ("ben", (2, 1), (1, 0)),
    }


def test_a_lookup_among_many_finds_texts_numbers_and_what_points_at_them(project):
    store_records(project=project, records=[record(number) for number in range(1, 4)], by=None)
    keys = list(Comparison.objects.filter(external_id__among={"q1", "q3", "q9"}).values_list("pk", flat=True))
    assert len(keys) == 2
    assert Judgment.objects.filter(comparison__among=keys, current=True).count() == 2
    assert Prompt.objects.filter(pk__among=[]).count() == 0
    assert Prompt.objects.exclude(pk__among=[]).count() == 3
