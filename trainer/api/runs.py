"""Runs: started, followed by their events, cancelled and resumed."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alignment.queries import snapshot_named
from feedback.api.endpoint import Endpoint, PageQuery, RequestFields, checked, keyset_page, page_of
from feedback.models import Job, JobState, Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from trainer.actions.runs import cancel_run, pause_run, resume_run, start_run
from trainer.alarms import ALARMS
from trainer.methods import TRAINING_METHODS
from trainer.models import Run, RunEvent
from trainer.queries import base_named, runs_of
from trainer.search import DIRECTIONS, MOST_TRIALS


class JobSerializer(serializers.ModelSerializer[Job]):
    state = serializers.ChoiceField(choices=JobState.choices)

    class Meta:
        model = Job
        fields = ("state", "message", "attempts", "cancel_requested", "created_at", "started_at", "ended_at")


class RunSerializer(serializers.ModelSerializer[Run]):
    job = JobSerializer()
    snapshot = serializers.CharField(source="snapshot.sha256", default=None, allow_null=True)
    base = serializers.CharField(source="base.name", default=None, allow_null=True)
    model_version = serializers.CharField(
        source="model_version.name",
        default=None,
        allow_null=True,
        help_text="What it made; null until it ends.",
    )
    last_metric = serializers.DictField(allow_null=True, help_text="The newest of its metrics.")

    class Meta:
        model = Run
        fields = (
            "id",
            "name",
            "method",
            "job",
            "step",
            "total_steps",
            "seconds",
            "launcher",
            "snapshot",
            "base",
            "model_version",
            "last_metric",
            "spec",
            "spec_sha256",
            "result",
            "created_at",
        )


class RunEventSerializer(serializers.ModelSerializer[RunEvent]):
    class Meta:
        model = RunEvent
        fields = ("seq", "kind", "step", "data", "at")


class EventQuery(PageQuery):
    kind = serializers.CharField(max_length=20, required=False)


class BudgetFields(RequestFields):
    hours = serializers.FloatField(min_value=0, required=False, allow_null=True)
    cost = serializers.FloatField(min_value=0, required=False, allow_null=True)


class SearchFields(RequestFields):
    ranges = serializers.DictField(
        help_text="A parameter to `low`, `high` and `log`, or to `choices`.", child=serializers.DictField()
    )
    metric = serializers.CharField(max_length=200, default="loss", help_text="A figure on held-out rows.")
    direction = serializers.ChoiceField(choices=DIRECTIONS, default="minimize")
    trials = serializers.IntegerField(min_value=1, max_value=MOST_TRIALS, default=20)
    prune = serializers.BooleanField(default=True, help_text="Give up trials that are worse than most.")


class RunFields(RequestFields):
    method = serializers.ChoiceField(choices=TRAINING_METHODS)
    base = serializers.CharField(
        max_length=1000, help_text="A model version's name, or a model's folder on the server."
    )
    snapshot = serializers.CharField(max_length=64, help_text="The sha256 of a snapshot, or its beginning.")
    parameters = serializers.DictField(
        required=False, help_text="Those of the method; the others keep their defaults."
    )
    seed = serializers.IntegerField(min_value=0, max_value=2**32 - 1, default=0)
    name = serializers.CharField(max_length=200, required=False, allow_blank=True)
    launcher = serializers.CharField(max_length=20, default="local")
    stop_on = serializers.ListField(
        child=serializers.ChoiceField(choices=list(ALARMS)), default=list, help_text="Alarms that stop it."
    )
    budget = BudgetFields(required=False)
    search = SearchFields(
        required=False,
        allow_null=True,
        help_text="Many trainings over ranges of parameters, of which the best is kept.",
    )
    confirm = serializers.BooleanField(
        default=False, help_text="Start it although it is estimated to pass its budget."
    )


class ResumeFields(RequestFields):
    hours = serializers.FloatField(min_value=0, required=False)
    cost = serializers.FloatField(min_value=0, required=False)


class Runs(Endpoint):
    @extend_schema(operation_id="list_runs", parameters=[PageQuery], responses=page_of(RunSerializer))
    def get(self, request: Request, slug: str) -> Response:
        """The project's runs, newest first."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(PageQuery, request.query_params)
        return keyset_page(runs_of(project), query, RunSerializer, newest_first=True)

    @extend_schema(operation_id="start_run", request=RunFields, responses={201: RunSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Queue a training run on a snapshot."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        fields = checked(RunFields, request.data)
        fields["snapshot"] = snapshot_named(project, fields["snapshot"])
        fields["base"] = base_named(project, fields["base"])
        run = start_run(project=project, by=logged_in(request.user), **fields)
        return Response(RunSerializer(_run(project, run.pk)).data, status=201)


class OneRun(Endpoint):
    @extend_schema(operation_id="get_run", responses=RunSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One run: its state, how far it is, and what it made."""
        project = project_for(request.user, slug, Permission.REVIEW)
        return Response(RunSerializer(_run(project, pk)).data)


class RunEvents(Endpoint):
    @extend_schema(
        operation_id="list_run_events", parameters=[EventQuery], responses=page_of(RunEventSerializer)
    )
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """What the run has said, in order. To follow it, ask again with `after` the last `seq` that you have."""
        run = _run(project_for(request.user, slug, Permission.REVIEW), pk)
        query = checked(EventQuery, request.query_params)
        events = run.events.filter(kind=query["kind"]) if "kind" in query else run.events.all()
        return keyset_page(events, query, RunEventSerializer, key="seq")


class CancelRun(Endpoint):
    @extend_schema(operation_id="cancel_run", request=None, responses=RunSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Ask the run to stop; it saves a checkpoint first."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        cancel_run(job=_run(project, pk).job, by=logged_in(request.user))
        return Response(RunSerializer(_run(project, pk)).data)


class PauseRun(Endpoint):
    @extend_schema(operation_id="pause_run", request=None, responses=RunSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Ask the run to stop for a while; it saves a checkpoint first, and a resume goes on from there."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        pause_run(job=_run(project, pk).job, by=logged_in(request.user))
        return Response(RunSerializer(_run(project, pk)).data)


class ResumeRun(Endpoint):
    @extend_schema(operation_id="resume_run", request=ResumeFields, responses=RunSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Go on from the last checkpoint of a run that failed, was cancelled or was interrupted.

        `hours` and `cost` raise its budget.
        """
        project = project_for(request.user, slug, Permission.ENGINEER)
        resume_run(run=_run(project, pk), by=logged_in(request.user), **checked(ResumeFields, request.data))
        return Response(RunSerializer(_run(project, pk)).data)


def _run(project: Project, pk: int) -> Any:
    run = runs_of(project).filter(pk=pk).first()
    if run is None:
        raise Http404(f"There is no run {pk} in this project.")
    return run
