"""The catalogues are whole: every string in them is translated, with the same things to fill in."""

import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import polib
import pytest

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ["fr"]
ROOMS = ("feedback", "judges", "alignment", "trainer", "deploy")
FILLED_IN = re.compile(r"%\(\w+\)[sdr]|%[sd]|\{\w+\}|<[^>]+>")


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


@pytest.fixture(scope="module")
def extracted(tmp_path_factory) -> Path:
    """A copy of what has strings, its catalogues renewed by the command of ``make messages``; ours stay untouched."""
    if not shutil.which("xgettext"):
        pytest.skip("GNU gettext is not here: install it (apt install gettext)")
    copy = tmp_path_factory.mktemp("messages")
    shutil.copy(ROOT / "manage.py", copy)
    for room in ROOMS:
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    command = [sys.executable, "manage.py", "makemessages", "--no-location", "--no-wrap"]
    languages = [option for language in LANGUAGES for option in ("--locale", language)]
    environment = os.environ | {"CONCORD_VAR": str(copy / "var")}
    subprocess.run([*command, *languages], cwd=copy, env=environment, check=True, capture_output=True)
    return copy


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_string_marked_in_the_source_is_in_the_catalogue_and_translated(extracted, language):
    found = polib.pofile(extracted / "deploy" / "locale" / language / "LC_MESSAGES" / "django.po")
    known = {entry.msgid_with_context for entry in catalogue(language) if entry.translated()}
    wanted = {entry.msgid_with_context for entry in found if not entry.obsolete}
    assert wanted - known == set()
    assert known - wanted == set(), "nothing in the source asks for these any more"


TEMPLATES = sorted(path for room in ROOMS for path in (ROOT / room).glob("**/templates/**/*.html"))
SAME_EVERYWHERE = {"Concord", "Ctrl", "Enter", "Esc", "Parquet", "SHA", "CSV", "JSON", "YAML"}
TOLD_IN_ENGLISH = {"api_docs.html"}  # the reference of the API, which says so with lang
NOT_SAID = re.compile(
    r"{% comment.*?endcomment %}|{% blocktranslate.*?{% endblocktranslate %}|{% block \w+_class %}.*?{% endblock %}"
    r"|{%.*?%}|{{.*?}}|{#.*?#}",
    re.DOTALL,
)
SAID_IN_ATTRIBUTES = re.compile(r'\b(?:aria-label|placeholder|title|alt)="([^"]*)"')
SOURCE = re.compile(r"<(script|style|code|pre|svg)\b.*?</\1>|<[^>]*>", re.DOTALL)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_sentence_of_a_template_is_marked(path):
    if path.name in TOLD_IN_ENGLISH:
        return
    left = NOT_SAID.sub("", path.read_text())
    said = [*SAID_IN_ATTRIBUTES.findall(left), unescape(SOURCE.sub(" ", left))]
    words = {word for text in said for word in re.findall(r"[A-Za-z]{2,}", text)}
    assert words - SAME_EVERYWHERE == set()
