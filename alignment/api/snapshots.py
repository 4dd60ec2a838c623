"""Snapshots: frozen, listed, and downloaded in a format that a trainer reads."""

from typing import Any

import pyarrow as pa
from django.http import FileResponse, Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alignment.actions.differences import compare_snapshots
from alignment.actions.exports import export_to_send
from alignment.actions.freezing import request_freezing
from alignment.api.decisions import PolicySerializer, policy_meant
from alignment.api.freezings import FreezeFields, FreezingSerializer
from alignment.formats.dataset_folder import SPLITS
from alignment.formats.registry import FOLDER, SNAPSHOT_FORMATS
from alignment.formats.target import ENDINGS
from alignment.models import Snapshot
from feedback.api.endpoint import Endpoint, PageQuery, RequestFields, checked, keyset_page, page_of
from feedback.errors import Refused
from feedback.models import Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for


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


class ExportQuery(RequestFields):
    format = serializers.ChoiceField(choices=(*SNAPSHOT_FORMATS, FOLDER), default="preference")
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

    @extend_schema(operation_id="freeze_snapshot", request=FreezeFields, responses={202: FreezingSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Have a worker freeze the labels that a policy uses now; the same labels again are the same snapshot.

        Ask for the freezing again until its `job` has ended; `snapshot` is then the sha256 of what came of it.
        """
        project = project_for(request.user, slug, Permission.ENGINEER)
        fields = checked(FreezeFields, request.data)
        policy = policy_meant(project, fields.pop("policy", None))
        freezing = request_freezing(project=project, policy=policy, by=logged_in(request.user), **fields)
        return Response(FreezingSerializer(freezing).data, status=202)


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

        What the format has no place for is named in the header `Left-Out`. A `.zip` holds the rows as JSON lines, what
        belongs beside them (a grader, `dataset_info.json`) and a report; `dataset-folder` is always one.
        """
        project = project_for(request.user, slug, Permission.ENGINEER)
        query = checked(ExportQuery, request.query_params)
        file, summary = export_to_send(
            snapshot=_snapshot(project, sha256), by=logged_in(request.user), **query
        )
        response = FileResponse(file, as_attachment=True, filename=summary.path.name)
        response["Left-Out"] = "; ".join(summary.left_out)
        return response


class DifferenceSerializer(serializers.Serializer[Any]):
    counts = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Comparisons added, removed, relabelled, moved, reweighted, same.",
    )
    rows = serializers.DictField(help_text="The first 200 comparisons of each, by their ids.")
    policy = serializers.ListField(
        help_text="[field, before, after] of each field of the policies that differs."
    )
    splits = serializers.DictField(help_text="The rows of each split, [before, after].")


class SnapshotDifference(Endpoint):
    @extend_schema(operation_id="compare_snapshots", responses=DifferenceSerializer)
    def get(self, request: Request, slug: str, sha256: str, other: str) -> Response:
        """What the snapshot `other` has otherwise than this one."""
        project = project_for(request.user, slug, Permission.REVIEW)
        try:
            found = compare_snapshots(_snapshot(project, sha256), _snapshot(project, other))
        except (OSError, pa.ArrowException):
            raise Refused("The files of one of them can not be read; freeze its labels again.") from None
        return Response(DifferenceSerializer(found).data)


def _snapshot(project: Project, sha256: str) -> Snapshot:
    snapshot = project.snapshots.select_related("policy", "report").filter(sha256=sha256).first()
    if snapshot is None:
        raise Http404(f"There is no snapshot {sha256} in this project.")
    return snapshot
