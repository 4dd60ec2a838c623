"""Rows of our own format in requests: how the schema describes them, and how they become records."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from rest_framework import serializers

from feedback.api.rows import Row, read_rows
from feedback.api.serializers import MessageSerializer, SpanSerializer
from feedback.models import FlagKind, Outcome, Purpose, RaterKind
from feedback.records import BadRecord, Rejection

_Record = TypeVar("_Record")


class ResponseRowSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(max_length=100)
    # Field has a source too.
    source = serializers.CharField(max_length=200, help_text="A model's name, or a person.")  # type: ignore[assignment]
    text = serializers.CharField()


class JudgmentRowSerializer(serializers.Serializer[Any]):
    """A judgment in our own format, as ``alignment.formats.concord`` reads it."""

    rater = serializers.CharField(max_length=200)
    kind = serializers.ChoiceField(choices=RaterKind.choices, default=RaterKind.HUMAN)
    outcome = serializers.ChoiceField(choices=Outcome.choices, default=Outcome.RANKED)
    ranking = serializers.DictField(
        child=serializers.IntegerField(),
        required=False,
        help_text="The rank of each response's id, from 1; equal ranks are ties. Left out without a verdict.",
    )
    strength = serializers.IntegerField(required=False, min_value=0, max_value=100)
    shown = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="The responses' ids in the order shown."
    )
    scores = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()), required=False
    )
    rationale = serializers.CharField(required=False)
    all_bad = serializers.BooleanField(required=False, help_text="No response is good enough.")
    spans = SpanSerializer(many=True, required=False, help_text="Comments on parts of responses.")
    flags = serializers.ListField(child=serializers.ChoiceField(choices=FlagKind.choices), required=False)
    simulated = serializers.BooleanField(required=False, help_text="The person is played by a program.")
    adjudicates = serializers.BooleanField(
        required=False, help_text="A reviewer's decision, which is no vote."
    )
    seconds = serializers.FloatField(required=False, min_value=0)
    at = serializers.DateTimeField(required=False)


class GoldRowSerializer(serializers.Serializer[Any]):
    """The known answer of a comparison that measures people."""

    ranking = serializers.DictField(child=serializers.IntegerField(), help_text="As in a judgment.")
    use = serializers.ChoiceField(choices=("gold", "attention", "practice"), default="gold")
    explanation = serializers.CharField(required=False, help_text="Markdown, shown after a practice item.")


class ComparisonRowSerializer(serializers.Serializer[Any]):
    """A comparison in our own format, as ``alignment.formats.concord`` reads it."""

    id = serializers.CharField(
        required=False, max_length=200, help_text="Left out, the comparison is known by its content."
    )
    prompt = MessageSerializer(many=True)
    tags = serializers.ListField(child=serializers.CharField(max_length=100), required=False)
    reference = serializers.CharField(required=False)
    metadata = serializers.DictField(required=False)
    purpose = serializers.ChoiceField(choices=Purpose.choices, default=Purpose.TRAIN)
    responses = ResponseRowSerializer(many=True)
    judgments = JudgmentRowSerializer(many=True, required=False)
    gold = GoldRowSerializer(required=False)


def parsed_rows(
    body: Any, name: str, rejections: list[Rejection], parse: Callable[[Row, int], _Record]
) -> Iterator[_Record]:
    """The records of ``{name: [row, …]}``; rows that are none join ``rejections``. Refused: another body."""
    for index, row in read_rows(body, name, rejections):
        try:
            yield parse(row, index)
        except BadRecord as bad:
            rejections.append(Rejection(index, bad.reason, bad.field))
