"""The registry: model versions with their lineage, cost and stage; and a step to another stage."""

from typing import Any

from django.db.models import Q
from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from feedback.api.endpoint import MAX_ID, Endpoint, PageQuery, RequestFields, checked, keyset_page, page_of
from feedback.models import Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from trainer.actions.stages import LONGEST_REASON, set_stage
from trainer.costs import cost_of
from trainer.lineage import lineage_of
from trainer.models import Evaluation, ModelKind, ModelVersion, Stage, StageChange
from trainer.queries import model_versions_of, permission_for_stage


class ModelSerializer(serializers.ModelSerializer[ModelVersion]):
    stage = serializers.SerializerMethodField()
    base = serializers.CharField(source="base.name", default=None, allow_null=True)
    run = serializers.IntegerField(
        source="run_id", allow_null=True, help_text="The run that made it; null where it came from elsewhere."
    )

    class Meta:
        model = ModelVersion
        fields: tuple[str, ...] = (
            "id",
            "name",
            "kind",
            "stage",
            "base",
            "run",
            "sha256",
            "licence",
            "metrics",
            "created_at",
        )

    @extend_schema_field(serializers.ChoiceField(choices=Stage.choices))
    def get_stage(self, version: ModelVersion) -> str:
        return getattr(version, "stage", None) or str(Stage.NONE)


class StageChangeSerializer(serializers.ModelSerializer[StageChange]):
    class Meta:
        model = StageChange
        fields = ("stage", "evaluation", "overrides", "reason", "created_at")


class EvaluationLineSerializer(serializers.ModelSerializer[Evaluation]):
    base = serializers.CharField(source="base.name")
    ended = serializers.SerializerMethodField(
        help_text="Whether it has a result, on which it can be approved."
    )

    class Meta:
        model = Evaluation
        fields = ("id", "base", "ended", "created_at")

    def get_ended(self, evaluation: Evaluation) -> bool:
        return evaluation.result is not None


class CostSerializer(serializers.Serializer[Any]):
    own_seconds = serializers.FloatField(help_text="Of its own training.")
    seconds = serializers.FloatField(help_text="With its ancestors'.")
    training = serializers.FloatField(allow_null=True, help_text="Its price where each run's hour has one.")
    people = serializers.IntegerField(help_text="People's judgments in the snapshots it rests on.")
    judges = serializers.IntegerField(help_text="Machines' judgments there.")
    dollars = serializers.DecimalField(max_digits=14, decimal_places=6, allow_null=True)


class WholeModelSerializer(ModelSerializer):
    lineage = serializers.SerializerMethodField(help_text="From its oldest ancestor on, with every hash.")
    cost = serializers.SerializerMethodField()
    stages = StageChangeSerializer(many=True, help_text="Where it was put, the newest first.")
    evaluations = EvaluationLineSerializer(many=True)

    class Meta(ModelSerializer.Meta):
        fields = (*ModelSerializer.Meta.fields, "lineage", "cost", "stages", "evaluations")

    @extend_schema_field(serializers.ListField(child=serializers.DictField()))
    def get_lineage(self, version: ModelVersion) -> list[dict[str, Any]]:
        return [step.as_json() for step in lineage_of(version)]

    @extend_schema_field(CostSerializer)
    def get_cost(self, version: ModelVersion) -> dict[str, Any]:
        return dict(CostSerializer(cost_of(version)).data)


class ModelQuery(PageQuery):
    kind = serializers.ChoiceField(choices=ModelKind.choices, required=False)
    stage = serializers.ChoiceField(choices=Stage.choices, required=False)


class StageFields(RequestFields):
    stage = serializers.ChoiceField(choices=Stage.choices)
    evaluation = serializers.IntegerField(
        min_value=1,
        max_value=MAX_ID,
        required=False,
        allow_null=True,
        help_text="What an approval rests on: an evaluation of this version that has ended.",
    )
    reason = serializers.CharField(
        max_length=LONGEST_REASON,
        required=False,
        allow_blank=True,
        help_text="Needed where its regression set got worse; it stays in the audit trail.",
    )


class Models(Endpoint):
    @extend_schema(operation_id="list_models", parameters=[ModelQuery], responses=page_of(ModelSerializer))
    def get(self, request: Request, slug: str) -> Response:
        """The project's model versions, newest first."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(ModelQuery, request.query_params)
        versions = model_versions_of(project)
        if "kind" in query:
            versions = versions.filter(kind=query["kind"])
        if "stage" in query:
            none = Q(stage=None) if query["stage"] == Stage.NONE else Q()
            versions = versions.filter(Q(stage=query["stage"]) | none)
        return keyset_page(versions, query, ModelSerializer, newest_first=True)


class OneModel(Endpoint):
    @extend_schema(operation_id="get_model", responses=WholeModelSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One version: where it came from, what it cost, where it stands, and how it was evaluated."""
        project = project_for(request.user, slug, Permission.REVIEW)
        return Response(WholeModelSerializer(_version(project, pk)).data)


class ModelStage(Endpoint):
    @extend_schema(operation_id="set_model_stage", request=StageFields, responses=WholeModelSerializer)
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """Put it at a stage. A candidate is an engineer's to name; an approval, and taking one back, an owner's."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        version, fields = _version(project, pk), checked(StageFields, request.data)
        project_for(request.user, slug, permission_for_stage(version, fields["stage"]))
        evaluation = fields.pop("evaluation", None)
        set_stage(
            model_version=version,
            by=logged_in(request.user),
            evaluation=version.evaluations.filter(pk=evaluation).first() if evaluation else None,
            **fields,
        )
        return Response(WholeModelSerializer(_version(project, pk)).data)


def _version(project: Project, pk: int) -> ModelVersion:
    version = model_versions_of(project).filter(pk=pk).first()
    if version is None:
        raise Http404(f"There is no model version {pk} in this project.")
    return version
