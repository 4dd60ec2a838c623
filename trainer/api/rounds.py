"""Rounds of the loop: started, and what each brought."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alignment.queries import policy_named
from feedback.api.endpoint import MAX_ID, Endpoint, PageQuery, RequestFields, checked, keyset_page, page_of
from feedback.models import Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.projects import tag_named
from judges.queries import judge_named
from trainer.actions.generating import MOST_SAMPLES, PROVIDERS
from trainer.actions.rounds import start_round
from trainer.api.runs import JobSerializer
from trainer.models import Round
from trainer.queries import model_named, rounds_of
from trainer.rounds import round_row
from trainer.sampling import how_to_answer

MOST = 10_000_000


class RoundSerializer(serializers.ModelSerializer[Round]):
    job = JobSerializer()
    answers = serializers.CharField(source="generation.source", help_text="Who answers.")
    policy = serializers.StringRelatedField()  # type: ignore[var-annotated]  # of a string
    judges = serializers.StringRelatedField(many=True)  # type: ignore[var-annotated]  # of strings

    class Meta:
        model = Round
        fields: tuple[str, ...] = (
            "id",
            "number",
            "job",
            "answers",
            "policy",
            "judges",
            "most_routed",
            "routed",
            "created_at",
        )


class BroughtSerializer(serializers.Serializer[Any]):
    comparisons = serializers.IntegerField()
    labels = serializers.DictField(child=serializers.IntegerField(), help_text="By decision.")
    human_labels = serializers.IntegerField(help_text="People's verdicts on its comparisons.")
    win_rate = serializers.DictField(help_text="Of who answered, at its newest evaluation.")
    dollars = serializers.DecimalField(max_digits=14, decimal_places=6)
    seconds = serializers.FloatField(help_text="Of training who answered, with its ancestors.")


class WholeRoundSerializer(RoundSerializer):
    brought = serializers.SerializerMethodField()

    class Meta(RoundSerializer.Meta):
        fields = (*RoundSerializer.Meta.fields, "brought")

    @extend_schema_field(BroughtSerializer)
    def get_brought(self, each: Round) -> dict[str, Any]:
        return dict(BroughtSerializer(round_row(each)).data)


class RoundFields(RequestFields):
    policy = serializers.CharField(
        max_length=100, required=False, help_text="By name, its newest version; the one that labelled last."
    )
    judges = serializers.ListField(
        child=serializers.CharField(max_length=100),
        required=False,
        max_length=50,
        help_text="By name; those that the newest labelling trusts on all comparisons.",
    )
    model_version = serializers.CharField(
        max_length=200, required=False, help_text="Who answers, by name; the newest approved one."
    )
    provider = serializers.ChoiceField(choices=PROVIDERS, required=False)
    model = serializers.CharField(max_length=200, required=False, help_text="The provider's.")
    base_url = serializers.CharField(max_length=500, default="", allow_blank=True)
    max_tokens = serializers.IntegerField(min_value=1, max_value=100_000, default=512)
    temperature = serializers.FloatField(min_value=0, max_value=2, default=1.0)
    tag = serializers.CharField(max_length=100, required=False, help_text="Only prompts with this tag.")
    samples = serializers.IntegerField(min_value=1, max_value=MOST_SAMPLES, default=2)
    most_prompts = serializers.IntegerField(min_value=1, max_value=MOST, required=False, allow_null=True)
    most_routed = serializers.IntegerField(
        min_value=0, max_value=MOST, required=False, allow_null=True, help_text="To people, at most."
    )
    budget = serializers.DecimalField(
        max_digits=12, decimal_places=6, min_value=0, required=False, allow_null=True, help_text="Dollars."
    )
    seed = serializers.IntegerField(min_value=0, max_value=MAX_ID, required=False)


class Rounds(Endpoint):
    @extend_schema(operation_id="list_rounds", parameters=[PageQuery], responses=page_of(RoundSerializer))
    def get(self, request: Request, slug: str) -> Response:
        """The project's rounds, newest first."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(PageQuery, request.query_params)
        return keyset_page(rounds_of(project), query, RoundSerializer, newest_first=True)

    @extend_schema(operation_id="start_round", request=RoundFields, responses={201: WholeRoundSerializer})
    def post(self, request: Request, slug: str) -> Response:
        """Start a round: new responses, judged, labelled, and routed to people as the policy says."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        asked = _asked(project, checked(RoundFields, request.data))
        started = start_round(project=project, by=logged_in(request.user), **asked)
        return Response(WholeRoundSerializer(_round(project, started.pk)).data, status=201)


class OneRound(Endpoint):
    @extend_schema(operation_id="get_round", responses=WholeRoundSerializer)
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """One round: how far it is, and what it brought."""
        project = project_for(request.user, slug, Permission.REVIEW)
        return Response(WholeRoundSerializer(_round(project, pk)).data)


def _asked(project: Project, fields: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``start_round``: names become rows. Refused names the field."""
    answers = {name: fields.pop(name) for name in ("base_url", "max_tokens", "temperature")}
    asked = fields | how_to_answer(fields.get("provider", ""), **answers)
    if "policy" in fields:
        asked["policy"] = policy_named(project, fields["policy"])
    if "judges" in fields:
        asked["judges"] = [judge_named(project, name) for name in fields["judges"]]
    if "model_version" in fields:
        asked["model_version"] = model_named(project, fields["model_version"])
    return asked | {"tag": tag_named(project, fields.get("tag"))}


def _round(project: Project, pk: int) -> Round:
    found = rounds_of(project).filter(pk=pk).first()
    if found is None:
        raise Http404(f"There is no round {pk} in this project.")
    return found
