"""What a page says of a file before anything is stored: its format or the choice of columns, and its first rows."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from alignment.actions.uploads import data_file, told_by_name
from alignment.formats.mapping import parse_mapping
from alignment.forms import MappingForm
from alignment.models import FileImport
from alignment.previews import Preview, preview, shape_of, values_in
from feedback.errors import Refused
from feedback.models import Outcome
from feedback.records import ComparisonRecord, JudgmentRecord, Rejection


@dataclass(frozen=True)
class Choice:
    """``format`` is a known one's name, or None and ``form`` says which column is what; ``query`` is that choice.

    ``problem`` says what keeps the file from being read with it; then there are no rows.
    """

    format: str | None
    form: MappingForm | None
    query: str
    problem: str
    preview: Preview
    _document: Callable[[], dict[str, Any]]

    @classmethod
    def of(cls, found: FileImport, chosen: QueryDict) -> "Choice":
        """The file read as the address says. Refused where no row of it can be read at all."""
        path = data_file(found)
        with told_by_name(found, path):
            shape = shape_of(path)
        if shape.format:
            return cls._looked_at(found, shape.format, None, "", dict)
        form = MappingForm(shape.columns, partial(values_in, shape.rows), chosen)
        return cls._looked_at(found, None, form, chosen.urlencode(), form.document)

    @classmethod
    def _looked_at(
        cls,
        found: FileImport,
        format: str | None,
        form: MappingForm | None,
        query: str,
        document: Callable[[], dict[str, Any]],
    ) -> "Choice":
        path = data_file(found)
        nothing = Preview([], [])
        if form is not None and not form.is_valid():
            return cls(format, form, query, _("Choose the columns marked below first."), nothing, document)
        try:
            with told_by_name(found, path):
                mapping = parse_mapping(json.dumps(document())) if form is not None else None
                rows = preview(path, mapping)
        except Refused as refusal:
            return cls(format, form, query, refusal.sentence, nothing, document)
        return cls(format, form, query, "", rows, document)

    @property
    def document(self) -> dict[str, Any]:
        """The mapping's document, empty for a known format. Refused where the columns do not make one."""
        if self.form is not None and not self.form.is_valid():
            raise Refused(_("The columns chosen make no comparison. Choose again."))
        return self._document()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Stored and rejected rows together, in the order of the file."""
        stored = [_stored(record) for record in self.preview.records]
        return sorted([*stored, *map(_rejected, self.preview.rejections)], key=lambda row: int(row["line"]))


def _stored(record: ComparisonRecord) -> dict[str, Any]:
    return {
        "line": record.line,
        "record": record,
        "judgments": [
            {"rater": each.rater, "kind": each.kind, "says": _says(each)} for each in record.judgments
        ],
    }


def _rejected(rejection: Rejection) -> dict[str, Any]:
    return {"line": rejection.line, "rejection": rejection}


def _says(judgment: JudgmentRecord) -> str:
    """A judgment in the keys of its responses, best first: ``a > b = c``."""
    if judgment.outcome != Outcome.RANKED:
        return judgment.outcome
    levels: dict[int, list[str]] = {}
    for key, rank in judgment.ranking.items():
        levels.setdefault(rank, []).append(key)
    return " > ".join(" = ".join(levels[rank]) for rank in sorted(levels))
