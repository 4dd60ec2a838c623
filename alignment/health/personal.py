"""Personal data in texts, by Presidio's recognisers that need no model: patterns, with checksums where there are any.

E-mail and IP addresses, telephone, payment card, bank account (IBAN) and US social security numbers. Names and places
need a model of the language, which is not here: they are not found. Nothing found is kept, only what kind it is.
Presidio is MIT; it is loaded when first asked, since its libraries take seconds and 150 MB.
"""

import logging
import re
from functools import cache
from typing import Any

from alignment.health.finding import OK, WARNING, Finding, Pair

LEAST_SCORE = 0.4  # of 1, as Presidio rates a telephone number without a word that says so
# What every one of them has: an @, colons between hexadecimal digits, or seven digits with little between them.
_MAY_HOLD = re.compile(
    r"@|(?:\d[ .()/+-]{0,3}){6}\d|\d+\.\d+\.\d+\.\d|[0-9a-fA-F]:[0-9a-fA-F:]*:|[A-Z]{2}\d{2}[ A-Z0-9]{8}"
)


def kinds_in(text: str) -> set[str]:
    """The kinds of personal data found, by Presidio's names, such as EMAIL_ADDRESS."""
    if not _MAY_HOLD.search(text):
        return set()
    return {
        found.entity_type
        for recogniser in _recognisers()
        for found in recogniser.analyze(text, recogniser.supported_entities, None)
        if found.score >= LEAST_SCORE
    }


class PersonalData:
    """Each prompt is read once, each answer of each row."""

    def __init__(self) -> None:
        self._found = Finding("personal_data")
        self._kinds: dict[str, int] = {}
        self._last: tuple[str, set[str]] = ("", set())

    def add(self, pair: Pair) -> None:
        if pair.prompt != self._last[0]:
            self._last = (pair.prompt, kinds_in(pair.prompt_text))
        kinds = self._last[1] | kinds_in(pair.chosen) | kinds_in(pair.rejected)
        for kind in kinds:
            self._kinds[kind] = self._kinds.get(kind, 0) + 1
        if kinds:
            self._found.add(pair.comparison, ", ".join(sorted(kinds)))

    def finding(self) -> Finding:
        kinds = sorted(self._kinds.items(), key=lambda each: (-each[1], each[0]))
        self._found.numbers = {
            "rows_with": self._found.count,
            "classes": [{"name": kind, "rows": count} for kind, count in kinds],
        }
        self._found.level = WARNING if self._found.count else OK
        return self._found


@cache
def _recognisers() -> list[Any]:
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    import tldextract
    from presidio_analyzer import predefined_recognizers as known

    # Its own would fetch the list of domains from the network; the one that came with it will do.
    domains = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class Email(known.EmailRecognizer):
        def validate_result(self, pattern_text: str) -> bool:
            return bool(domains(pattern_text).top_domain_under_public_suffix)

    return [
        Email(),
        known.PhoneRecognizer(),
        known.CreditCardRecognizer(),
        known.IbanRecognizer(),
        known.IpRecognizer(),
        known.UsSsnRecognizer(),
    ]
