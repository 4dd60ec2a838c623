"""The catalogues are whole: every string in them is translated, with the same things to fill in."""

import re
from pathlib import Path

import polib
import pytest

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ["fr"]
FILLED_IN = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w+\}|<[^>]+>")


def catalogue(language: str) -> polib.POFile:
    return polib.pofile(ROOT / "deploy" / "locale" / language / "LC_MESSAGES" / "django.po")


def translations(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_string_is_translated(language):
    missing = [entry.msgid for entry in catalogue(language) if not entry.translated()]
    assert missing == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_fills_in_what_the_original_does(language):
    strange = [
        (entry.msgid, text)
        for entry in catalogue(language)
        for text in translations(entry)
        if set(FILLED_IN.findall(text)) != set(FILLED_IN.findall(entry.msgid_plural or entry.msgid))
    ]
    assert strange == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_pages_use_is_what_was_compiled(language):
    source = catalogue(language)
    compiled = polib.mofile(Path(source.fpath).with_suffix(".mo"))
    assert {entry.msgid_with_context: translations(entry) for entry in compiled} == {
        entry.msgid_with_context: translations(entry) for entry in source
    }
