"""What every grader is: a document of one kind, read once, that grades many cases.

Each kind is one file of this folder: a frozen dataclass with ``read`` (from its fields) and ``grades``.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import Grade
from judges.core.graders.services import Services


class Grader(Protocol):
    """``type`` is the document's word for it, ``asks`` tells what it needs of the services: models, embeddings."""

    type: ClassVar[str]

    @property
    def name(self) -> str: ...

    @property
    def asks(self) -> frozenset[str]: ...

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Raises BadGrader."""
        ...

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:
        """One grade a case, in order. Never raises for a case's sake."""
        ...
