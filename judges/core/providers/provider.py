"""What every provider does: it takes a request and gives back the raw reply, stored before it is read."""

from dataclasses import dataclass
from typing import Protocol

from judges.core.request import Request


@dataclass(frozen=True)
class Reply:
    """A raw reply with its usage. A number of tokens that the provider did not say is None."""

    text: str
    stop_reason: str
    served_model: str
    request_id: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None


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

    def ask(self, request: Request) -> Reply: ...
