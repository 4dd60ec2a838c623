"""Under what licence and with whose consent a row may be used, where anything says so.

A comparison says it by a tag or a name in its metadata: ``licence``, ``license`` or ``consent``, alone or before a
colon (``licence:cc-by-4.0``).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from alignment.health.finding import OK, WARNING, Finding, Pair

LICENCE, CONSENT = TERMS = ("licence", "consent")
_NAMES = {"licence": LICENCE, "license": LICENCE, "consent": CONSENT}


def terms_of(tags: Iterable[str], metadata: Mapping[str, Any]) -> frozenset[str]:
    """Which of TERMS a comparison states."""
    said = [*tags, *(name for name, value in metadata.items() if value not in (None, "", False))]
    names = (name.partition(":")[0].strip().casefold() for name in said)
    return frozenset(_NAMES[name] for name in names if name in _NAMES)


class Consent:
    def __init__(self) -> None:
        self._found = Finding("terms_missing")
        self._missing = dict.fromkeys(TERMS, 0)
        self._last = 0

    def add(self, pair: Pair) -> None:
        if pair.comparison == self._last:
            return
        self._last = pair.comparison
        missing = [term for term in TERMS if term not in pair.terms]
        for term in missing:
            self._missing[term] += 1
        if missing:
            self._found.add(pair.comparison, ", ".join(missing))

    def finding(self) -> Finding:
        self._found.numbers = {f"without_{term}": count for term, count in self._missing.items()}
        self._found.level = WARNING if self._found.count else OK
        return self._found
