"""Reviewers through the API: what waits for them, one comparison with all that was said, and their decision."""

from collections.abc import Iterable
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from feedback.actions.reviews import adjudicate
from feedback.answers import LONGEST_RATIONALE, Verdict
from feedback.api.endpoint import Endpoint, RequestFields, checked
from feedback.api.serializers import JudgmentSerializer
from feedback.errors import Refused
from feedback.models import Comparison, FlagKind, ReviewItem, Slot
from feedback.people import logged_in
from feedback.permissions import Permission, project_for
from feedback.queries.review import ANSWERED, ANY, WAITING, Place, ReviewFilter, review_case, review_page


class ReviewQuery(RequestFields):
    """What the queue is narrowed to, and which page."""

    flag = serializers.ChoiceField(choices=(ANY, *FlagKind.values), required=False)
    conflict = serializers.ChoiceField(
        choices=(ANY,), required=False, help_text="Only where people disagree."
    )
    tag = serializers.CharField(required=False, max_length=100)
    returned = serializers.ChoiceField(
        choices=(WAITING, ANSWERED), required=False, help_text="What was sent back to a person."
    )
    doubt = serializers.ChoiceField(
        choices=(ANY,), required=False, help_text="Where the guidelines were found unclear."
    )
    after = serializers.CharField(required=False, max_length=40, help_text="The `next` of the page before.")


class ReviewItemSerializer(serializers.Serializer[ReviewItem]):
    """One comparison that waits for a reviewer; the lowest agreement comes first."""

    number = serializers.IntegerField(source="pk")
    comparison = serializers.CharField(source="comparison.external_id")
    people = serializers.IntegerField(source="verdicts", help_text="People who gave a verdict.")
    agreement = serializers.SerializerMethodField(
        help_text="The share of pairs of people and of responses that say the same; null for fewer than two people."
    )
    conflict = serializers.BooleanField()
    flags = serializers.IntegerField(help_text="Flags that nobody has settled.")

    def get_agreement(self, item: ReviewItem) -> float | None:
        return item.agreement / 1000 if item.verdicts > 1 else None


class ReviewedResponseSerializer(serializers.Serializer[Slot]):
    """A response without where it comes from, which would sway a reviewer; the comparison's own address tells it."""

    id = serializers.CharField(source="key")
    text = serializers.CharField(source="response.text")


class ReviewDecisionFields(RequestFields):
    ranking = serializers.DictField(
        child=serializers.IntegerField(min_value=1, max_value=100),
        help_text="The rank of each response by its id, from 1; equal ranks are ties.",
    )
    reason = serializers.CharField(max_length=LONGEST_RATIONALE)
    all_bad = serializers.BooleanField(default=False)
    seen = serializers.CharField(
        max_length=64, help_text="The `seen` of the item you looked at; refused where it has changed since."
    )


class ReviewQueue(Endpoint):
    @extend_schema(
        operation_id="list_review_items",
        parameters=[ReviewQuery],
        responses=inline_serializer(
            "ReviewItemPage",
            {"results": ReviewItemSerializer(many=True), "next": serializers.CharField(allow_null=True)},
        ),
    )
    def get(self, request: Request, slug: str) -> Response:
        """What people flagged or do not agree on and no reviewer has settled."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(ReviewQuery, request.query_params)
        after = query.pop("after", None)
        place = Place.read(after) if after else None
        if after and place is None:
            raise Refused("It is no `next` of this list.", field="after")
        page = review_page(project, ReviewFilter(**query), after=place)
        following = str(page.after) if page.after else None
        return Response({"results": _rows(ReviewItemSerializer, page.rows), "next": following})


class OneReview(Endpoint):
    @extend_schema(
        operation_id="get_review_item",
        responses=inline_serializer(
            "ReviewCase",
            {
                "item": ReviewItemSerializer(),
                "responses": ReviewedResponseSerializer(many=True),
                "judgments": JudgmentSerializer(many=True),
                "decision": JudgmentSerializer(allow_null=True),
                "seen": serializers.CharField(help_text="Send it with your decision."),
            },
        ),
    )
    def get(self, request: Request, slug: str, number: int) -> Response:
        """One comparison with everything that stands about it."""
        case = review_case(_comparison(request, slug, number))
        slots = case.comparison.slots.select_related("response").order_by("position")
        decision = JudgmentSerializer(case.decision).data if case.decision else None
        body: dict[str, Any] = {
            "item": ReviewItemSerializer(case.item).data,
            "responses": _rows(ReviewedResponseSerializer, slots),
            "judgments": _rows(JudgmentSerializer, case.judgments),
            "decision": decision,
            "seen": case.state,
        }
        return Response(body)


class ReviewDecision(Endpoint):
    @extend_schema(
        operation_id="decide_review_item", request=ReviewDecisionFields, responses=JudgmentSerializer
    )
    def post(self, request: Request, slug: str, number: int) -> Response:
        """Decide a comparison: final for labels, no vote; it settles the flags and the disagreement."""
        comparison = _comparison(request, slug, number)
        fields = checked(ReviewDecisionFields, request.data)
        keys = [slot.key for slot in comparison.slots.order_by("position")]
        if set(fields["ranking"]) != set(keys):
            raise Refused(f"Give a rank to each of {', '.join(keys)}.", field="ranking")
        decision = adjudicate(
            comparison=comparison,
            verdict=Verdict(
                ranking=tuple(fields["ranking"][key] for key in keys),
                all_bad=fields["all_bad"],
                rationale=fields["reason"],
            ),
            seen=fields["seen"],
            by=logged_in(request.user),
        )
        return Response(JudgmentSerializer(decision).data)


def _rows(serializer: type[serializers.BaseSerializer[Any]], rows: Iterable[Any]) -> Any:
    return serializer(rows, many=True).data


def _comparison(request: Request, slug: str, number: int) -> Comparison:
    project = project_for(request.user, slug, Permission.REVIEW)
    rows = Comparison.objects.select_related("prompt", "project")
    found = rows.filter(project=project, pk=number).first()
    if found is None:
        raise Http404("There is no such comparison in this project.")
    return found
