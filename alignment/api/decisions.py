"""What was measured and decided: the newest agreement report, and the labels that a policy gave."""

from django.http import Http404
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from alignment.actions.labels import apply_policy
from alignment.actions.policies import create_policy
from alignment.models import AgreementReport, Decision, Label, Policy
from alignment.queries import labels_where, newest_report, policy_named, settled_labelling
from feedback.api.endpoint import Endpoint, PageQuery, RequestFields, checked, keyset_page, page_of
from feedback.models import Project
from feedback.people import logged_in
from feedback.permissions import Permission, project_for


class ReportSerializer(serializers.ModelSerializer[AgreementReport]):
    body = serializers.DictField(help_text="Statistics as {value, low, high, n}, or {value: null, reason}.")

    class Meta:
        model = AgreementReport
        fields = ("sha256", "inputs_sha256", "created_at", "body")


class PolicySerializer(serializers.ModelSerializer[Policy]):
    class Meta:
        model = Policy
        fields = ("name", "version", "sha256")


class PolicyDocumentSerializer(PolicySerializer):
    document = serializers.DictField(help_text="Every field of the document; null is not required.")

    class Meta(PolicySerializer.Meta):
        fields = (*PolicySerializer.Meta.fields, "document")  # type: ignore[assignment]  # a longer tuple


class NewPolicyFields(RequestFields):
    name = serializers.CharField(max_length=100, default="default")
    document = serializers.DictField(help_text="Fields left out take their default.")
    apply = serializers.BooleanField(default=False, help_text="Have a worker label by it.")


class LabelSerializer(serializers.ModelSerializer[Label]):
    comparison = serializers.CharField(source="comparison.external_id")
    ranking = serializers.SerializerMethodField(
        help_text="Ranks by response id; empty where nothing is decided."
    )
    sources = serializers.ListField(
        child=serializers.IntegerField(), help_text="The numbers of the judgments that it rests on."
    )

    class Meta:
        model = Label
        fields = (
            "comparison",
            "decision",
            "ranking",
            "confidence",
            "weight",
            "margin",
            "reason",
            "sentence",
            "sources",
        )

    def get_ranking(self, label: Label) -> dict[str, int]:
        keys = (slot.key for slot in label.comparison.slots.all())
        return dict(zip(keys, label.ranking, strict=False))


class LabelQuery(PageQuery):
    decision = serializers.ChoiceField(choices=Decision.choices, required=False)
    reason = serializers.CharField(max_length=40, required=False)
    tag = serializers.CharField(max_length=100, required=False)
    policy = serializers.CharField(
        max_length=100, required=False, help_text="A policy's name; left out, the one applied last."
    )


class Agreement(Endpoint):
    @extend_schema(operation_id="get_agreement", responses=ReportSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """The newest agreement report."""
        report = newest_report(project_for(request.user, slug, Permission.REVIEW))
        if report is None:
            raise Http404("No agreement has been measured here yet; ask for a report on the agreement page.")
        return Response(ReportSerializer(report).data)


class Policies(Endpoint):
    @extend_schema(
        operation_id="list_policies", parameters=[PageQuery], responses=page_of(PolicyDocumentSerializer)
    )
    def get(self, request: Request, slug: str) -> Response:
        """Every version of every policy, newest first."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(PageQuery, request.query_params)
        return keyset_page(project.policies.all(), query, PolicyDocumentSerializer, newest_first=True)

    @extend_schema(operation_id="make_policy", request=NewPolicyFields, responses=PolicyDocumentSerializer)
    def post(self, request: Request, slug: str) -> Response:
        """Make a version of a policy, or find the one that says the same; and, if asked, apply it."""
        project = project_for(request.user, slug, Permission.ENGINEER)
        fields = checked(NewPolicyFields, request.data)
        by = logged_in(request.user)
        policy = create_policy(project=project, name=fields["name"], document=fields["document"], by=by)
        if fields["apply"]:
            apply_policy(policy=policy, by=by)
        return Response(PolicyDocumentSerializer(policy).data)


class Labels(Endpoint):
    @extend_schema(
        operation_id="list_labels",
        parameters=[LabelQuery],
        responses=inline_serializer(
            "LabelPage",
            {
                "policy": PolicySerializer(),
                "results": LabelSerializer(many=True),
                "next": serializers.IntegerField(allow_null=True),
            },
        ),
    )
    def get(self, request: Request, slug: str) -> Response:
        """The labels of one policy, in the order of comparisons."""
        project = project_for(request.user, slug, Permission.REVIEW)
        query = checked(LabelQuery, request.query_params)
        policy = policy_meant(project, query.get("policy"))
        filters = {name: query[name] for name in ("decision", "reason", "tag") if name in query}
        labels = labels_where(policy, **filters).prefetch_related("comparison__slots")
        page = keyset_page(labels, query, LabelSerializer, key="comparison_id")
        page.data = {"policy": PolicySerializer(policy).data, **page.data}
        return page


def policy_meant(project: Project, name: str | None) -> Policy:
    """The newest version of the policy of that name, or without a name the policy applied last."""
    if name is not None:
        return policy_named(project, name)
    labelling = settled_labelling(project)
    if labelling is None:
        raise Http404("No policy has been applied here yet; apply one on the labels page.")
    return labelling.policy
