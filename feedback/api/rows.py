"""Rows in bulk: a list of at most 1,000 in one request, of which a bad one is reported and stops no other."""

from collections.abc import Iterator, Sequence
from typing import Any

from rest_framework import serializers

from feedback.api.errors import RowsRefused, rejected_rows
from feedback.errors import Refused
from feedback.records import Rejection

MAX_ROWS = 1000

Row = dict[str, Any]


class RejectedRowSerializer(serializers.Serializer[Any]):
    index = serializers.IntegerField(help_text="Which row of the request, from 0.")
    field = serializers.CharField(allow_null=True)
    reason = serializers.CharField()


class CountsSerializer(serializers.Serializer[Any]):
    new = serializers.IntegerField()
    unchanged = serializers.IntegerField()


class StoredSerializer(CountsSerializer):
    """What became of the rows sent."""

    rejected = RejectedRowSerializer(many=True)


def read_rows(
    body: Any, name: str, rejections: list[Rejection], *, known: Sequence[str] = ()
) -> Iterator[tuple[int, Row]]:
    """The rows of ``{name: [row, …]}``, each with its index; what is no object, or has a field that is none of
    ``known`` where any are given, joins ``rejections``. Refused: another body, or too many rows.
    """
    if (
        not isinstance(body, dict)
        or list(body) != [name]
        or not isinstance(body[name], list)
        or not body[name]
    ):
        raise Refused(
            f'The request must be an object with one list of rows: {{"{name}": [ … ]}}.', field=name
        )
    if len(body[name]) > MAX_ROWS:
        raise Refused(
            f"There are {len(body[name])} rows; send at most {MAX_ROWS} in one request.", field=name
        )
    return _objects(body[name], rejections, known)


def _objects(
    rows: Sequence[Any], rejections: list[Rejection], known: Sequence[str]
) -> Iterator[tuple[int, Row]]:
    for index, row in enumerate(rows):
        unknown = [field for field in row if known and field not in known] if isinstance(row, dict) else []
        if not isinstance(row, dict):
            rejections.append(Rejection(index, f"a row must be an object, not {type(row).__name__}"))
        elif unknown:
            rejections.append(
                Rejection(index, f"there is no such field; known are {', '.join(known)}", unknown[0])
            )
        else:
            yield index, row


def refuse_if_none(rejections: Sequence[Rejection], stored: int) -> list[dict[str, Any]]:
    """The rejected rows as JSON. Raises RowsRefused where nothing that was sent is in the store now."""
    if rejections and not stored:
        raise RowsRefused(rejections)
    return rejected_rows(rejections)
