"""Judge runs: estimated, started, followed, paused, resumed, cancelled, and failures asked again."""

from collections.abc import Callable
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from feedback.api.endpoint import Endpoint, RequestFields, checked
from feedback.models import Project, Purpose
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.projects import tag_named
from judges.actions.budgets import set_run_budget
from judges.actions.estimates import estimate_run
from judges.actions.runs import (
    cancel_judge_run,
    pause_judge_run,
    resume_judge_run,
    retry_failures,
    start_judge_run,
)
from judges.api.judges import judge_of
from judges.api.serializers import DOLLARS, EstimateSerializer, JudgeRunSerializer
from judges.models import JudgeRun, RunMode
from judges.progress import run_progress
from judges.queries import runs_of


class RunChoice(RequestFields):
    tag = serializers.CharField(max_length=100, required=False, help_text="Only comparisons with this tag.")
    purpose = serializers.ChoiceField(choices=Purpose.choices, default=Purpose.TRAIN)
    mode = serializers.ChoiceField(choices=RunMode.choices, default=RunMode.LIVE)


class JudgeRunFields(RunChoice):
    budget = serializers.DecimalField(
        **DOLLARS,
        min_value=0,
        required=False,
        allow_null=True,
        help_text="Dollars that it may spend at most.",
    )


class RunBudgetFields(RequestFields):
    budget = serializers.DecimalField(**DOLLARS, min_value=0, allow_null=True, help_text="null lifts it.")


class EstimateJudgeRun(Endpoint):
    @extend_schema(operation_id="estimate_judge_run", request=RunChoice, responses=EstimateSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """What a run would take, in tokens, dollars and time. Nothing is paid for."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        fields = _chosen(project, checked(RunChoice, request.data))
        return Response(estimate_run(judge=judge_of(project, pk), **fields).as_json())


class JudgeRuns(Endpoint):
    @extend_schema(operation_id="list_judge_runs", responses=JudgeRunSerializer(many=True))
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """The judge's newest hundred runs, newest first."""
        project = project_for(request.user, slug, Permission.REVIEW)
        runs = runs_of(judge_of(project, pk)).select_related("judge")[:100]
        return Response([JudgeRunSerializer(run_progress(run)).data for run in runs])

    @extend_schema(
        operation_id="start_judge_run", request=JudgeRunFields, responses={201: JudgeRunSerializer}
    )
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Queue a run over what the judge has not judged; its estimate is kept beside it."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        judge = judge_of(project, pk)
        fields = checked(JudgeRunFields, request.data)
        budget = fields.pop("budget", None)
        chosen = _chosen(project, fields)
        estimate = estimate_run(judge=judge, **chosen).as_json()
        run = start_judge_run(
            judge=judge, budget=budget, estimate=estimate, by=logged_in(request.user), **chosen
        )
        return Response(_told(project, run.pk), status=201)


class OneJudgeRun(Endpoint):
    @extend_schema(operation_id="get_judge_run", responses=JudgeRunSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One run: how far it is, what it has cost, what went wrong."""
        return Response(_told(project_for(request.user, slug, Permission.REVIEW), pk))


class JudgeRunBudget(Endpoint):
    @extend_schema(operation_id="set_judge_run_budget", request=RunBudgetFields, responses=JudgeRunSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Change what the run may spend, also while it is under way. A run that has stopped at it can be resumed."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        fields = checked(RunBudgetFields, request.data)
        set_run_budget(run=_run(project, pk), budget=fields["budget"], by=logged_in(request.user))
        return Response(_told(project, pk))


class PauseJudgeRun(Endpoint):
    @extend_schema(operation_id="pause_judge_run", request=None, responses=JudgeRunSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Send nothing more until it is resumed; batches go on at the provider."""
        return _done(request, slug, pk, pause_judge_run)


class ResumeJudgeRun(Endpoint):
    @extend_schema(operation_id="resume_judge_run", request=None, responses=JudgeRunSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Go on with a run that was paused or has stopped."""
        return _done(request, slug, pk, resume_judge_run)


class CancelJudgeRun(Endpoint):
    @extend_schema(operation_id="cancel_judge_run", request=None, responses=JudgeRunSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Stop for good; batches are cancelled, and what was done of them is kept."""
        return _done(request, slug, pk, cancel_judge_run)


class RetryJudgeRun(Endpoint):
    @extend_schema(operation_id="retry_judge_run_failures", request=None, responses=JudgeRunSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Ask again what has failed, and nothing else that has a reply."""
        return _done(request, slug, pk, retry_failures)


def _done(request: Request, slug: str, pk: int, action: Callable[..., None]) -> Response:
    project = project_for(request.user, slug, Permission.ENGINEER)
    action(run=_run(project, pk), by=logged_in(request.user))
    return Response(_told(project, pk))


def _told(project: Project, pk: int) -> Any:
    return JudgeRunSerializer(run_progress(_run(project, pk))).data


def _run(project: Project, pk: int) -> JudgeRun:
    run = JudgeRun.objects.select_related("judge", "job", "tag").filter(judge__project=project, pk=pk).first()
    if run is None:
        raise Http404(f"There is no judge run {pk} in this project.")
    return run


def _chosen(project: Project, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with the tag found. Refused where the project has none of that name."""
    return fields | {"tag": tag_named(project, fields.get("tag"))}
