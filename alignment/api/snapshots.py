"""Snapshots: frozen, listed, and downloaded in a format that a trainer reads."""

import tempfile
from pathlib import Path

from django.conf import settings
from django.http import FileResponse, Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alignment.actions.exports import export
from alignment.actions.snapshots import freeze_snapshot
from alignment.api.decisions import PolicySerializer, policy_meant
from alignment.formats.dataset_folder import SPLITS
from alignment.formats.registry import WRITERS
from alignment.formats.target import ENDINGS
from alignment.models import Snapshot
from feedback.api.endpoint import Endpoint, PageQuery, RequestFields, checked, keyset_page, page_of
from feedback.models import Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for

FORMATS = tuple(name for name, writer in WRITERS.items() if writer.source == "snapshot")


class SnapshotSerializer(serializers.ModelSerializer[Snapshot]):
    policy = PolicySerializer()
    report = serializers.CharField(source="report.sha256", default=None, allow_null=True)

    class Meta:
        model = Snapshot
        fields = ("sha256", "policy", "report", "train_rows", "test_rows", "created_at")


class FrozenSnapshotSerializer(SnapshotSerializer):
    manifest = serializers.DictField(help_text="What it holds and what made it.")

    class Meta(SnapshotSerializer.Meta):
        fields = (*SnapshotSerializer.Meta.fields, "manifest")  # type: ignore[assignment]  # a longer tuple


class FreezeFields(RequestFields):
    policy = serializers.CharField(
        max_length=100, required=False, help_text="A policy's name; left out, the one applied last."
    )
    test_share = serializers.FloatField(
        default=0.2, help_text="The share of prompts held out, between 0 and 1."
    )
    seed = serializers.IntegerField(min_value=0, max_value=2**32 - 1, default=0)


class ExportQuery(RequestFields):
    format = serializers.ChoiceField(choices=FORMATS, default="preference")
    split = serializers.ChoiceField(choices=SPLITS, default="train")
    ending = serializers.ChoiceField(choices=ENDINGS, default=".jsonl", help_text="How the file is written.")


class Snapshots(Endpoint):
    @extend_schema(
        operation_id="list_snapshots", parameters=[PageQuery], responses=page_of(SnapshotSerializer)
    )
    def get(self, request: Request, slug: str) -> Response:
        """The project's snapshots, newest first."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(PageQuery, request.query_params)
        rows = project.snapshots.select_related("policy", "report").defer("manifest", "report__body")
        return keyset_page(rows, query, SnapshotSerializer, newest_first=True)

    @extend_schema(operation_id="freeze_snapshot", request=FreezeFields, responses=FrozenSnapshotSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Freeze the labels that a policy uses now; the same labels again are the same snapshot."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        fields = checked(FreezeFields, request.data)
        policy = policy_meant(project, fields.pop("policy", None))
        snapshot = freeze_snapshot(project=project, policy=policy, by=logged_in(request.user), **fields)
        return Response(FrozenSnapshotSerializer(snapshot).data)


class OneSnapshot(Endpoint):
    @extend_schema(operation_id="get_snapshot", responses=FrozenSnapshotSerializer)
    def get(self, request: Request, slug: str, sha256: str) -> Response:
        """One snapshot with its manifest: rows, splits, raters, agreement, certificates."""
        project = project_for(request.user, slug, Permission.REVIEW)
        return Response(FrozenSnapshotSerializer(_snapshot(project, sha256)).data)


class ExportSnapshot(Endpoint):
    @extend_schema(
        operation_id="export_snapshot",
        parameters=[ExportQuery],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, slug: str, sha256: str) -> FileResponse:
        """Download one split of a snapshot as a file.

        What the format has no place for is named in the header `Left-Out`.
        """
        project = project_for(request.user, slug, Permission.ENGINEER)
        query = checked(ExportQuery, request.query_params)
        snapshot = _snapshot(project, sha256)
        name = f"{slug}-{sha256[:12]}-{query['format']}-{query['split']}{query.pop('ending')}"
        with tempfile.TemporaryDirectory(dir=settings.VAR, prefix="export-") as folder:
            path = Path(folder) / name
            summary = export(
                project=project, snapshot=snapshot, path=path, by=logged_in(request.user), **query
            )
            # The open file outlives its folder, and goes when the last byte has been sent.
            response = FileResponse(path.open("rb"), as_attachment=True, filename=name)
        response["Left-Out"] = "; ".join(summary.left_out)
        return response


def _snapshot(project: Project, sha256: str) -> Snapshot:
    snapshot = project.snapshots.select_related("policy", "report").filter(sha256=sha256).first()
    if snapshot is None:
        raise Http404(f"There is no snapshot {sha256} in this project.")
    return snapshot
