"""Snapshots: what was frozen, what it holds and was made by, its first rows and its files; freezing a new one."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
from django import forms
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET, require_http_methods

from alignment.actions.exports import hand_out_split
from alignment.actions.freezing import request_freezing
from alignment.actions.snapshots import snapshot_folder
from alignment.formats.dataset_folder import SPLITS, read_split
from alignment.formats.target import json_line
from alignment.models import Freezing, Policy, Snapshot
from feedback.errors import Refused
from feedback.models import JobState, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for

FIRST_ROWS = 5


class SnapshotForm(forms.Form):
    policy = forms.ModelChoiceField(
        Policy.objects.none(), empty_label=None, help_text="Whose labels to freeze."
    )
    test_share = forms.FloatField(
        label="Held out for testing",
        initial=0.2,
        min_value=0.001,
        max_value=0.999,
        help_text="The share of the prompts; no prompt is in both splits.",
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    seed = forms.IntegerField(
        initial=0, min_value=0, max_value=2**32 - 1, help_text="Another seed holds out other prompts."
    )

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        applied = Policy.objects.filter(project=project, labellings__job__state=JobState.SUCCEEDED).distinct()
        policies = self.fields["policy"]
        assert isinstance(policies, forms.ModelChoiceField)  # noqa: S101  tells the type checker what the field is
        policies.queryset = applied.order_by("-pk")


@require_http_methods(["GET", "POST"])
def snapshots(request: HttpRequest, slug: str) -> HttpResponse:
    posted = request.method == "POST"
    project = project_for(request.user, slug, Permission.ENGINEER if posted else Permission.REVIEW)
    form = SnapshotForm(project, request.POST if posted else None)
    if form.is_valid():
        try:
            request_freezing(project=project, by=logged_in(request.user), **form.cleaned_data)
            return redirect("alignment:snapshots", project.slug)
        except Refused as refusal:
            form.add_error(refusal.field, refusal.sentence)
    freezing = Freezing.objects.filter(policy__project=project).select_related("job", "snapshot").first()
    context = {
        "project": project,
        "form": form,
        "freezing": freezing,
        "job": freezing.job if freezing else None,
        "may_freeze": Permission.ENGINEER in grants(request.user, project),
        "has_labels": form.fields["policy"].queryset.exists(),  # type: ignore[attr-defined]  # it chooses a model
        "rows": project.snapshots.select_related("policy", "created_by"),
    }
    return render(request, "alignment/snapshots.html", context)


@require_GET
def snapshot(request: HttpRequest, slug: str, sha256: str) -> HttpResponse:
    project = project_for(request.user, slug, Permission.REVIEW)
    found = get_object_or_404(
        Snapshot.objects.select_related("policy", "report"), project=project, sha256=sha256
    )
    context = {
        "project": project,
        "snapshot": found,
        "manifest": found.manifest,
        "splits": [(name, found.manifest["splits"][name]) for name in SPLITS],
        "left_out": [(what, count) for what, count in found.manifest["left_out"].items() if count],
        "rows": _first_rows(project, found),
        "may_download": Permission.ENGINEER in grants(request.user, project),
    }
    return render(request, "alignment/snapshot.html", context)


@require_GET
def snapshot_file(request: HttpRequest, slug: str, sha256: str, split: str, kind: str) -> HttpResponseBase:
    """One split as Parquet, as it lies there, or as JSON lines, made while it is sent."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = get_object_or_404(Snapshot, project=project, sha256=sha256)
    try:
        file = hand_out_split(snapshot=found, split=split, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
        return redirect("alignment:snapshot", project.slug, sha256)
    name = f"{project.slug}-{sha256[:12]}-{split}.{kind}"
    if kind == "parquet":
        return FileResponse(file.open("rb"), as_attachment=True, filename=name)
    lines: Iterator[bytes] = map(json_line, read_split(file.parent, split))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type="application/x-ndjson", headers=headers)


def _first_rows(project: Project, snapshot: Snapshot) -> list[dict[str, Any]] | None:
    """The first training rows with their comparisons, or None where the files are not there."""
    try:
        rows = list(islice(read_split(snapshot_folder(snapshot), "train"), FIRST_ROWS))
    except (OSError, pa.ArrowException):
        return None
    ids = [row["comparison"] for row in rows]
    keys = dict(project.comparisons.filter(external_id__in=ids).values_list("external_id", "pk"))
    return [
        {
            **row,
            "asked": row["prompt"][-1]["content"],
            "better": row["chosen"][0]["content"],
            "worse": row["rejected"][0]["content"],
            "comparison_pk": keys.get(row["comparison"]),
        }
        for row in rows
    ]


_FILE = "p/<slug:slug>/snapshots/<slug:sha256>"
snapshot_urls: list[URLPattern] = [
    path("p/<slug:slug>/snapshots/", snapshots, name="snapshots"),
    path(f"{_FILE}/", snapshot, name="snapshot"),
    *(
        path(
            f"{_FILE}/{split}.{kind}",
            snapshot_file,
            {"split": split, "kind": kind},
            name=f"snapshot-{split}-{kind}",
        )
        for split in SPLITS
        for kind in ("parquet", "jsonl")
    ),
]
