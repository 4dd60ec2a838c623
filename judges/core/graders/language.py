"""``language`` (ours): 1 where a text is in a language, by ISO 639-1 code.

{"type": "language", "name", "input", "language": "fr" | "{{item.language}}", "among"?: ["en", "fr"]}. By
py3langid, whose model comes with the package and is small. Short texts are guessed badly by any model: fewer than
20 letters have no grade. With ``among`` only these are told apart, which is far surer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Self

from judges.core.graders.case import Case
from judges.core.graders.fields import Fields
from judges.core.graders.grade import OTHER, VARIABLE, Grade, NoGrade, each
from judges.core.graders.services import NOTHING, Services
from judges.core.graders.templates import Template, template

LEAST_LETTERS = 20
READ = 20_000  # characters of a text


@dataclass(frozen=True)
class Language:
    name: str
    input: Template
    language: Template
    among: tuple[str, ...]
    type: ClassVar[str] = "language"
    asks: ClassVar[frozenset[str]] = NOTHING

    @classmethod
    def read(cls, fields: Fields) -> Self:
        language = template(fields, "language", empty=False)
        among = () if fields.value("among", None) is None else fields.texts("among")
        known = languages()
        fixed = () if language.variables else (language.source,)
        for code in (*fixed, *among):
            if code not in known:
                raise fields.bad("among" if code in among else "language", f"{code!r:.20} is not known")
        if among and fixed and fixed[0] not in among:
            raise fields.bad("among", f"does not hold the language, {fixed[0]}")
        return cls(fields.name(), template(fields, "input"), language, among)

    async def grades(self, cases: Sequence[Case], services: Services) -> list[Grade]:  # noqa: ARG002
        return each(self.name, self.type, cases, self._score)

    def _score(self, case: Case) -> float:
        text, language = self.input.text(case)[:READ], self.language.text(case)
        if language not in languages():
            raise NoGrade(VARIABLE, f"{language!r:.40} is no language that is known here.")
        if sum(letter.isalpha() for letter in text) < LEAST_LETTERS:
            raise NoGrade(OTHER, f"A text of fewer than {LEAST_LETTERS} letters does not tell its language.")
        return float(language_of(text, self.among) == language)


def language_of(text: str, among: tuple[str, ...] = ()) -> str:
    return str(_identifier(frozenset(among)).classify(text)[0])


def languages() -> frozenset[str]:
    return frozenset(str(label) for label in _identifier(frozenset()).labels)


@lru_cache(maxsize=8)
def _identifier(among: frozenset[str]) -> Any:
    """The package's model, loaded with the first text; one for each choice of languages, since it holds them."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    if among:
        identifier.set_languages(sorted(among))
    return identifier
