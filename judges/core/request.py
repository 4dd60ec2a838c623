"""One question to a judge, whole: rendering makes it, a provider answers it, its hash is its key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from feedback.hashing import content_sha256


@dataclass(frozen=True)
class Request:
    """One call. ``shown`` holds canonical positions in the order shown; ``sample`` counts repetitions from 0.

    ``settings`` are the judge's, whatever its provider makes of them. ``mark`` is the call's own: it fences
    the texts that ``messages`` quote. ``schema`` is the JSON schema of the only reply that counts; empty, any text
    does. ``mode`` says what is asked for, ``ids`` what the responses are called here, in the order shown.
    """

    provider: str
    model: str
    settings: Mapping[str, Any]
    system: str
    messages: tuple[Mapping[str, str], ...]
    schema: Mapping[str, Any]
    shown: tuple[int, ...]
    sample: int
    mark: str
    mode: str = "pairwise"
    ids: tuple[str, ...] = ()

    @property
    def positions(self) -> Mapping[str, int]:
        """The canonical position of each response by its id."""
        return dict(zip(self.ids, self.shown, strict=True))

    def sha256(self) -> str:
        """The call's identity, over all of it: the same request is never paid for twice."""
        return content_sha256(vars(self))
