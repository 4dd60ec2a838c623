"""``regex`` (ours): 1 where a pattern is found in a text, or makes up all of it.

{"type": "regex", "name", "input", "pattern", "match"?: "search" | "full", "ignore_case"?: false}. RE2's patterns:
no lookaround, and a search takes time that grows with the text and no faster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import re2

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import Grade, each
from judges.core.graders.services import NOTHING, Services
from judges.core.graders.templates import Template, template

LONGEST_PATTERN = 1000  # characters


@dataclass(frozen=True)
class RegularExpression:
    name: str
    input: Template
    pattern: Any  # RE2's package has no types
    whole: bool
    type: ClassVar[str] = "regex"
    asks: ClassVar[frozenset[str]] = NOTHING

    @classmethod
    def read(cls, fields: Fields) -> Self:
        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = not fields.flag("ignore_case", False)
        source = fields.text("pattern", most=LONGEST_PATTERN, empty=False)
        try:
            pattern = re2.compile(source, options)
        except re2.error as error:
            reason = error.args[0].decode(errors="replace")
            raise fields.bad("pattern", f"is no regular expression that RE2 knows: {reason}") from None
        whole = fields.choice("match", ("search", "full"), "search") == "full"
        return cls(fields.name(), template(fields, "input"), pattern, whole)

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:  # noqa: ARG002
        return each(self.name, self.type, cases, self._score)

    def _score(self, case: Case) -> float:
        text = self.input.text(case)
        return float(bool(self.pattern.fullmatch(text) if self.whole else self.pattern.search(text)))
