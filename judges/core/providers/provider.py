"""What every provider does: it takes a request and gives back the raw reply, stored before it is read.

A provider is made from a judge's settings, opened with ``async with`` in the loop that uses it, and may be
asked many times at once. It never tries again by itself: what goes wrong is raised as a Failure (see
``failures``), and whoever asked decides, and counts.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol, Self

from judges.core.providers.failures import Failure
from judges.core.providers.limits import Limit
from judges.core.request import Request
from judges.core.usage import UNKNOWN, Usage


@dataclass(frozen=True)
class Reply:
    """A raw reply. ``stop_reason`` and ``refusal`` (a category) are the provider's own words.

    ``latency``: seconds from sending to the last byte, None in a batch. ``probabilities`` maps the place of an
    enum in the reply ("/scores/A/Clarity") to {option: share}, for servers that give logprobs. ``limits`` are
    what the server said of its rate limits.
    """

    text: str
    stop_reason: str
    served_model: str
    request_id: str = ""
    usage: Usage = UNKNOWN
    refusal: str = ""
    latency: float | None = None
    probabilities: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()


class TokenCount(NamedTuple):
    """Tokens of a request's prompt; not ``exact`` where the provider can not be asked for free."""

    tokens: int
    exact: bool


class BadSettings(ValueError):
    """Settings that the judge's provider can not use; the message names the field and what is wrong."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}.")


class Provider(Protocol):
    """One judge's way to its model, made from the judge's settings.

    ``free``: asking costs nothing, not even a wait, so replies may be stored in groups instead of one by one.
    """

    @property
    def free(self) -> bool: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *raised: object) -> None: ...

    async def ask(self, request: Request) -> Reply:
        """The reply to one request, sent once. Raises Failure."""
        ...

    async def count_tokens(self, request: Request) -> TokenCount:
        """How long the request's prompt is, for an estimate; asks nothing that is paid for. Raises Failure."""
        ...


@dataclass(frozen=True)
class Batch:
    """A provider's batch. ``total`` requests are in it; ``ended`` says that nothing more will happen in it.

    ``status`` is the provider's own word. ``failed`` says why the batch as a whole was turned down, in which
    case it has no results. ``tag`` is what ``submit`` was given, "" where the provider keeps none.
    """

    id: str
    status: str
    ended: bool
    total: int
    created_at: datetime
    expires_at: datetime | None = None
    tag: str = ""
    failed: str = ""


class BatchResult(NamedTuple):
    """What became of one request of a batch. A Failure that ``may_be_billed`` is not among them."""

    custom_id: str
    outcome: Reply | Failure


class BatchProvider(Provider, Protocol):
    """A provider with a cheaper way for those who can wait. A custom id is up to 64 letters, digits, - and _.

    ``keeps_tags``: a batch has the tag that it was handed in with.
    """

    @property
    def keeps_tags(self) -> bool: ...

    @property
    def most_requests(self) -> int: ...

    @property
    def most_bytes(self) -> int: ...

    def batch_size(self, custom_id: str, request: Request) -> int:
        """The bytes that the request takes of ``most_bytes``."""
        ...

    async def submit(self, requests: Mapping[str, Request], *, tag: str = "") -> Batch:
        """Hand in requests by custom id. Raises Failure; where it ``may_be_billed``, look at ``batches``."""
        ...

    async def poll(self, batch_id: str) -> Batch: ...

    async def cancel(self, batch_id: str) -> Batch:
        """Ask for its end. What was done by then is billed and among the results."""
        ...

    def results(self, batch_id: str, *, requests: Mapping[str, Request] = ...) -> AsyncIterator[BatchResult]:
        """The results of a batch that has ended, in any order, read as they come. Raises Failure.

        Probabilities are read for those whose request is in ``requests``, by custom id.
        """
        ...

    def batches(self, *, since: datetime | None = None) -> AsyncIterator[Batch]:
        """The account's batches, newest first, ended ones too, back to ``since``."""
        ...

    async def custom_ids(self, batch: Batch) -> frozenset[str] | None:
        """Which requests are in it; None where the provider does not say so before it has ended."""
        ...
