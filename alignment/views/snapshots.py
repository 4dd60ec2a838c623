"""Snapshots: what was frozen, what it holds and was made by, its first rows and its files; freezing a new one."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
from django import forms
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from alignment.actions.exports import export_to_send, hand_out_split
from alignment.actions.freezing import request_freezing
from alignment.actions.health import request_health
from alignment.actions.snapshots import snapshot_folder
from alignment.formats.dataset_folder import SPLITS, canonical_lines, read_batches, read_split
from alignment.formats.registry import FOLDER, SNAPSHOT_FORMATS, WRITERS
from alignment.formats.target import ENDINGS
from alignment.health.balance import AS_IT_IS, RESAMPLE, WEIGHTS
from alignment.models import Freezing, HealthCheck, Policy, Snapshot
from alignment.views import difference, health
from feedback.actions.jobs import cancel_job, resume_job
from feedback.errors import Refused
from feedback.models import JobState, Project
from feedback.people import logged_in
from feedback.permissions import Permission, grants, project_for

FIRST_ROWS = 5


class SnapshotForm(forms.Form):
    policy = forms.ModelChoiceField(
        Policy.objects.none(),
        empty_label=None,
        label=gettext_lazy("Policy"),
        help_text=gettext_lazy("Whose labels to freeze."),
    )
    test_share = forms.FloatField(
        label=gettext_lazy("Held out for testing"),
        initial=0.2,
        min_value=0.001,
        max_value=0.999,
        help_text=gettext_lazy("The share of the prompts; no prompt is in both splits."),
        widget=forms.NumberInput(attrs={"step": "any"}),
    )
    balance = forms.ChoiceField(
        label=gettext_lazy("Tags of unequal size"),
        initial=AS_IT_IS,
        choices=(
            (AS_IT_IS, gettext_lazy("leave them as they are")),
            (WEIGHTS, gettext_lazy("weight the rows, so that every combination of tags counts the same")),
            (RESAMPLE, gettext_lazy("take rare ones several times and frequent ones less often")),
        ),
        help_text=gettext_lazy("In training only; the rows to test on stay as they are."),
    )
    seed = forms.IntegerField(
        label=gettext_lazy("Seed"),
        initial=0,
        min_value=0,
        max_value=2**32 - 1,
        help_text=gettext_lazy("Another seed holds out other prompts."),
    )

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        applied = Policy.objects.filter(project=project, labellings__job__state=JobState.SUCCEEDED).distinct()
        policies = self.fields["policy"]
        assert isinstance(policies, forms.ModelChoiceField)  # noqa: S101  tells the type checker what the field is
        policies.queryset = applied.order_by("-pk")


class ExportForm(forms.Form):
    format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        choices=[(name, name) for name in (*SNAPSHOT_FORMATS, FOLDER)],
        help_text=gettext_lazy("What each has no place for is in the table below."),
    )
    split = forms.ChoiceField(
        label=gettext_lazy("Split"),
        choices=(("train", gettext_lazy("train")), ("test", gettext_lazy("test"))),
    )
    ending = forms.ChoiceField(
        label=gettext_lazy("File"),
        choices=[(ending, ending) for ending in ENDINGS],
        help_text=gettext_lazy(
            "A .zip has what belongs beside the rows, such as a grader, and a report of what was left out."
        ),
    )


@require_http_methods(["GET", "POST"])
def snapshots(request: HttpRequest, slug: str) -> HttpResponse:
    """Freeze, or with ``check`` have the health examined first."""
    posted = request.method == "POST"
    project = project_for(request.user, slug, Permission.ENGINEER if posted else Permission.REVIEW)
    form = SnapshotForm(project, request.POST if posted else None, initial=_wanted(request))
    if form.is_valid():
        try:
            return _ask(request, project, form.cleaned_data)
        except Refused as refusal:
            form.add_error(refusal.field, refusal.sentence)
    freezing = Freezing.objects.filter(policy__project=project).select_related("job", "snapshot").first()
    context = {
        "project": project,
        "form": form,
        "freezing": freezing,
        "job": freezing.job if freezing else None,
        "health": HealthCheck.objects.filter(policy__project=project).select_related("policy").first(),
        "may_freeze": Permission.ENGINEER in grants(request.user, project),
        "has_labels": form.fields["policy"].queryset.exists(),  # type: ignore[attr-defined]  # it chooses a model
        "rows": project.snapshots.select_related("policy", "created_by"),
    }
    return render(request, "alignment/snapshots.html", context)


def _wanted(request: HttpRequest) -> dict[str, Any]:
    """What a health report suggests for the form, by the address."""
    names = ("policy", "test_share", "seed", "balance")
    return {name: request.GET[name] for name in names if name in request.GET}


def _ask(request: HttpRequest, project: Project, values: dict[str, Any]) -> HttpResponse:
    user = logged_in(request.user)
    if "check" in request.POST:
        values.pop("balance")
        health = request_health(project=project, by=user, **values)
        return redirect("alignment:health", project.slug, health.pk)
    request_freezing(project=project, by=user, **values)
    return redirect("alignment:snapshots", project.slug)


@require_POST
def freezing_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _freezing_job(request, slug, pk, cancel_job)


@require_POST
def freezing_resume(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    return _freezing_job(request, slug, pk, resume_job)


def _freezing_job(request: HttpRequest, slug: str, pk: int, action: Callable[..., None]) -> HttpResponse:
    project = project_for(request.user, slug, Permission.ENGINEER)
    freezing = get_object_or_404(Freezing.objects.select_related("job"), policy__project=project, pk=pk)
    try:
        action(job=freezing.job, by=logged_in(request.user))
    except Refused as refusal:
        messages.error(request, refusal.sentence)
    return redirect("alignment:snapshots", project.slug)


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
        "others": project.snapshots.exclude(pk=found.pk).select_related("policy"),
        "formats": [(name, ", ".join(WRITERS[name].not_held)) for name in SNAPSHOT_FORMATS],
        "export_form": ExportForm(),
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
    lines: Iterator[bytes] = map(canonical_lines, read_batches(file.parent, split))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type="application/x-ndjson", headers=headers)


@require_GET
def snapshot_export(request: HttpRequest, slug: str, sha256: str) -> HttpResponseBase:
    """One split in one of the formats."""
    project = project_for(request.user, slug, Permission.ENGINEER)
    found = get_object_or_404(Snapshot, project=project, sha256=sha256)
    form = ExportForm(request.GET)
    try:
        if not form.is_valid():
            raise Refused(gettext("Choose a format, a split and a kind of file that there are."))
        file, summary = export_to_send(snapshot=found, by=logged_in(request.user), **form.cleaned_data)
    except Refused as refusal:
        messages.error(request, refusal.sentence)
        return redirect("alignment:snapshot", project.slug, sha256)
    response = FileResponse(file, as_attachment=True, filename=summary.path.name)
    response["Left-Out"] = "; ".join(summary.left_out)
    return response


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
    path("p/<slug:slug>/snapshots/freezings/<int:pk>/cancel/", freezing_cancel, name="freezing-cancel"),
    path("p/<slug:slug>/snapshots/freezings/<int:pk>/resume/", freezing_resume, name="freezing-resume"),
    path("p/<slug:slug>/snapshots/health/<int:pk>/", health.health, name="health"),
    path("p/<slug:slug>/snapshots/health/<int:pk>/cancel/", health.health_cancel, name="health-cancel"),
    path("p/<slug:slug>/snapshots/health/<int:pk>/<slug:kind>/", health.finding, name="health-rows"),
    path("p/<slug:slug>/snapshots/health/<int:pk>/<slug:kind>.csv", health.finding_csv, name="health-csv"),
    path(f"{_FILE}/export/", snapshot_export, name="snapshot-export"),
    path(f"{_FILE}/difference/<slug:other>/", difference.snapshot_difference, name="snapshot-difference"),
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
