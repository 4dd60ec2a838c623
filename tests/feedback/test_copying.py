"""New rows in bulk: the same on every database, whether they go in by COPY or by INSERT."""

import pytest
from django.db import IntegrityError, transaction

from feedback.actions.copying import store_new
from feedback.models import Prompt, Response, Tag

HARD = 'tab\t, line\n, backslash \\N \\. , quote " , é 👩🏽‍🚀, {"a": "\\u00e9"}'


@pytest.mark.django_db
def test_rows_come_back_as_they_were_with_keys_for_what_points_at_them(project):
    hard = [{"role": "user", "content": HARD}]
    prompts = [
        [project.pk, f"{number:064}", hard, reference] for number, reference in enumerate((None, "", HARD))
    ]
    keys = store_new(Prompt, ("project_id", "sha256", "messages", "reference"), prompts)
    responses = ([key, HARD, "0" * 64, HARD] for key in keys)
    store_new(Response, ("prompt_id", "source", "sha256", "text"), responses)
    stored = Prompt.objects.filter(project=project).order_by("sha256")
    assert [(row.messages[0]["content"], row.reference) for row in stored] == [
        (HARD, None),
        (HARD, ""),
        (HARD, HARD),
    ]
    assert all(row.created_at for row in stored)
    assert [row.pk for row in stored] == keys
    assert list(Response.objects.order_by("pk").values_list("prompt__sha256", "text")) == [
        (f"{number:064}", HARD) for number in range(3)
    ]
    assert Tag.objects.create(project=project, name="later").pk  # the counter of keys is right


@pytest.mark.django_db
def test_what_is_there_already_is_passed_over_or_refused(project):
    columns = ("project_id", "name")
    store_new(Tag, columns, [[project.pk, "a"]])
    assert store_new(Tag, columns, ([project.pk, name] for name in "ab"), ignore_conflicts=True) == []
    assert sorted(project.tags.values_list("name", flat=True)) == ["a", "b"]
    with pytest.raises(IntegrityError), transaction.atomic():
        store_new(Tag, columns, [[project.pk, "b"]])
    assert store_new(Tag, columns, []) == []
