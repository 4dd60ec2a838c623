"""What every endpoint of every room stands on: JSON in, within bounds, JSON out; checked fields; keyset pages."""

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import inline_serializer
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from feedback.api.errors import NOTHING_HERE

MAX_BODY = 16 * 2**20  # bytes: 1,000 rows of ordinary length, or one comparison of several responses of 1 MB
MAX_DEPTH = 40
TOO_DEEP = f"The request's JSON is nested too deeply; {MAX_DEPTH} levels are enough for any row."
MAX_ID = 2**63 - 1


class JSONBody(BaseParser):
    """A body of JSON in UTF-8, of at most MAX_BODY bytes."""

    media_type = "application/json"

    # The library's signature.
    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:  # noqa: ARG002
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise ParseError(
                f"The request is larger than {MAX_BODY // 2**20} MiB; send the rows in several requests."
            )
        try:
            value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant)
        except RecursionError:
            raise ParseError(TOO_DEEP) from None
        except ValueError as error:
            raise ParseError(f"The request is not valid JSON: {error}.") from error
        _check_depth(value)
        return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for part in level if isinstance(part, list | dict) for inner in _inside(part)]
        if not level:
            return
    raise ParseError(TOO_DEEP)


def _inside(part: list[Any] | dict[str, Any]) -> Iterable[Any]:
    return part.values() if isinstance(part, dict) else part


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


class AlwaysJSON(DefaultContentNegotiation):
    """Answers are JSON whatever the Accept header says, and ``?format=`` stays free for an export's format."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002  the library's signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002  the library's signature
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class Endpoint(APIView):
    """The base of every endpoint."""

    parser_classes = (JSONBody,)
    content_negotiation_class = AlwaysJSON


class Nowhere(Endpoint):
    """Any address of the API that is none."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise Http404(NOTHING_HERE)


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped there
    """How the schema describes a personal token."""

    target_class = "feedback.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:  # noqa: ARG002  the library's signature
        return {"type": "http", "scheme": "bearer"}


class RequestFields(serializers.Serializer[Any]):
    """The fields of a request's body or query; a name that is none of them is refused, since a typing error in a
    filter would otherwise return everything."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = [name for name in getattr(self, "initial_data", {}) if name not in self.fields]
        if unknown:
            raise serializers.ValidationError({unknown[0]: f"It is none of {', '.join(self.fields)}."})
        return attrs


def checked(fields: type[RequestFields], data: Any) -> dict[str, Any]:
    """The validated fields; raises ValidationError, which ``explain`` turns into a sentence."""
    serializer = fields(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class PageQuery(RequestFields):
    """Which page: the rows after one that was seen. Pages stay right while rows are added."""

    after = serializers.IntegerField(
        min_value=0,
        max_value=MAX_ID,
        required=False,
        help_text="The `next` of the page before; left out at first.",
    )
    limit = serializers.IntegerField(min_value=1, max_value=1000, default=100, help_text="Rows at most.")


def keyset_page(
    rows: QuerySet[Any],
    query: dict[str, Any],
    serializer: type[serializers.BaseSerializer[Any]],
    *,
    key: str = "pk",
    newest_first: bool = False,
) -> Response:
    """One page of ``rows`` in the order of ``key``; ``next`` is the last one's key where more rows follow."""
    if "after" in query:
        rows = rows.filter(**{f"{key}__{'lt' if newest_first else 'gt'}": query["after"]})
    found = list(rows.order_by(f"-{key}" if newest_first else key)[: query["limit"] + 1])
    shown = found[: query["limit"]]
    following = getattr(shown[-1], key) if len(found) > len(shown) else None
    return Response({"results": serializer(shown, many=True).data, "next": following})


def page_of(serializer: type[serializers.BaseSerializer[Any]]) -> Any:
    """The schema of a page of such rows."""
    name = serializer.__name__.removesuffix("Serializer")
    following = serializers.IntegerField(
        allow_null=True, help_text="Send it as `after`; null on the last page."
    )
    return inline_serializer(f"{name}Page", {"results": serializer(many=True), "next": following})
