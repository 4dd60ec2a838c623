"""Freezing and examining as jobs: asked for, followed, and cancelled."""

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alignment.actions.health import request_health
from alignment.api.decisions import PolicySerializer, policy_meant
from alignment.health.balance import AS_IT_IS, BALANCES
from alignment.health.examination import KINDS
from alignment.health.finding import LEVELS
from alignment.models import Freezing, HealthCheck
from alignment.queries import external_ids
from feedback.actions.jobs import cancel_job
from feedback.api.endpoint import Endpoint, RequestFields, checked
from feedback.models import Job, JobState, Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for


class FreezingJobSerializer(serializers.ModelSerializer[Job]):
    state = serializers.ChoiceField(choices=JobState.choices)

    class Meta:
        model = Job
        fields = ("state", "done", "total", "message", "created_at", "ended_at")


class FreezingSerializer(serializers.ModelSerializer[Freezing]):
    policy = PolicySerializer()
    job = FreezingJobSerializer()
    snapshot = serializers.CharField(
        source="snapshot.sha256",
        default=None,
        allow_null=True,
        help_text="Its sha256; null until it is frozen.",
    )

    class Meta:
        model = Freezing
        fields = ("id", "policy", "test_share", "seed", "balance", "job", "snapshot")


class FindingSerializer(serializers.Serializer[Any]):
    kind = serializers.CharField(help_text=f"One of {', '.join(KINDS)}.")
    level = serializers.ChoiceField(choices=LEVELS)
    numbers = serializers.DictField()
    count = serializers.IntegerField(help_text="How many rows are behind it.")
    rows = serializers.ListField(help_text="At most 500 of them: [the comparison's external_id, why].")


class HealthCheckSerializer(serializers.ModelSerializer[HealthCheck]):
    policy = PolicySerializer()
    job = FreezingJobSerializer()
    findings = FindingSerializer(many=True, help_text="Empty until the job has succeeded.")

    class Meta:
        model = HealthCheck
        fields = ("id", "policy", "test_share", "seed", "job", "findings")


class CheckFields(RequestFields):
    policy = serializers.CharField(
        max_length=100, required=False, help_text="A policy's name; left out, the one applied last."
    )
    test_share = serializers.FloatField(
        default=0.2, help_text="The share of prompts held out, between 0 and 1."
    )
    seed = serializers.IntegerField(min_value=0, max_value=2**32 - 1, default=0)


class FreezeFields(CheckFields):
    balance = serializers.ChoiceField(
        choices=BALANCES, default=AS_IT_IS, help_text="Tags of unequal size in training."
    )


class OneFreezing(Endpoint):
    @extend_schema(operation_id="get_freezing", responses=FreezingSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """How far a freezing is, and the snapshot that came of it."""
        project = project_for(request.user, slug, Permission.REVIEW)
        return Response(FreezingSerializer(_freezing(project, pk)).data)


class CancelFreezing(Endpoint):
    @extend_schema(operation_id="cancel_freezing", request=None, responses=FreezingSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Stop a freezing; nothing of it is left."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        cancel_job(job=_freezing(project, pk).job, by=logged_in(request.user))
        return Response(FreezingSerializer(_freezing(project, pk)).data)


class HealthChecks(Endpoint):
    @extend_schema(operation_id="check_health", request=CheckFields, responses={202: HealthCheckSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Have a worker examine what a policy's labels would freeze to: amounts, balance, repeats, lengths, noise,
        personal data and terms."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        fields = checked(CheckFields, request.data)
        policy = policy_meant(project, fields.pop("policy", None))
        check = request_health(project=project, policy=policy, by=logged_in(request.user), **fields)
        return Response(HealthCheckSerializer(check).data, status=202)


class OneHealthCheck(Endpoint):
    @extend_schema(operation_id="get_health_check", responses=HealthCheckSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """A health report, each finding with its numbers and the rows behind it."""
        project = project_for(request.user, slug, Permission.REVIEW)
        checks = HealthCheck.objects.select_related("policy", "job")
        check = get_object_or_404(checks, policy__project=project, pk=pk)
        ids = external_ids(project, (row[0] for finding in check.findings for row in finding["rows"]))
        for finding in check.findings:
            finding["rows"] = [[ids.get(comparison, ""), why] for comparison, why in finding["rows"]]
        return Response(HealthCheckSerializer(check).data)


def _freezing(project: Project, pk: int) -> Freezing:
    freezings = Freezing.objects.select_related("policy", "job", "snapshot")
    found: Freezing = get_object_or_404(freezings, policy__project=project, pk=pk)
    return found
