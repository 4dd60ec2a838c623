"""New rows in bulk: the same on every database, whether they go in by COPY or by INSERT."""

import pytest
from django.db import IntegrityError, transaction

from feedback.actions.copying import store_new
from feedback.models import Prompt, Response, Tag

HARD = 'tab\t, line\n, backslash \\N \\. , quote " , é 👩🏽‍🚀, {"a": "\\u00e9"}'


@pytest.mark.django_db
def test_rows_come_back_as_they_were_with_keys_for_what_points_at_them(project):
    prompts = [
        Prompt(
            project=project,
            sha256=f"{number:064}",
            messages=[{"role": "user", "content": HARD}],
            reference=reference,
        )
        for number, reference in enumerate((None, "", HARD))
    ]
    responses = [Response(prompt=prompt, source=HARD, sha256="0" * 64, text=HARD) for prompt in prompts]
    store_new(Prompt, prompts)
    store_new(Response, responses)
    stored = Prompt.objects.filter(project=project).order_by("sha256")
    assert [(row.messages[0]["content"], row.reference) for row in stored] == [
        (HARD, None),
        (HARD, ""),
        (HARD, HARD),
    ]
    assert all(row.created_at for row in stored)
    assert list(Response.objects.order_by("pk").values_list("prompt__sha256", "text")) == [
        (f"{number:064}", HARD) for number in range(3)
    ]
    assert Tag.objects.create(project=project, name="later").pk  # the counter of keys is right


@pytest.mark.django_db
def test_what_is_there_already_is_passed_over_or_refused(project):
    store_new(Tag, [Tag(project=project, name="a")])
    both = [Tag(project=project, name=name) for name in "ab"]
    store_new(Tag, both, ignore_conflicts=True)
    assert sorted(project.tags.values_list("name", flat=True)) == ["a", "b"]
    with pytest.raises(IntegrityError), transaction.atomic():
        store_new(Tag, [Tag(project=project, name="b")])
    assert store_new(Tag, []) == []
