"""Texts as HTML: Markdown is drawn, and nothing runs or loads."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.rendering import TAGS, render_text

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<style>@import 'https://evil.example/x.css'</style>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](https://evil.example/pixel.png)",
    "[![x](https://evil.example/pixel.png)](vbscript:msgbox)",
    '```"><script>alert(1)</script>\ncode\n```',
    "<form action='https://evil.example'><input name=password></form>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
]


class Tags(HTMLParser):
    """Every tag with its attributes, as a browser would read them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def is_inert(html: str) -> bool:
    return all(
        tag in TAGS
        and set(attributes) <= {"dir", "href", "title", "target", "rel", "class", "start"}
        and (attributes.get("href") or "https:").split(":")[0] in ("http", "https", "mailto")
        for tag, attributes in Tags(html).found
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert(text):
    assert is_inert(render_text(text))


@given(st.text())
def test_whatever_comes_in_is_inert(text):
    assert is_inert(render_text(text))


def test_markdown_is_drawn():
    html = render_text("# T\n\n**b** `c`\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n- x\n- y")
    for part in ("<h1", "<strong>b</strong>", "<code>c</code>", "<table>", "<li"):
        assert part in html


def test_code_has_its_colours_by_class():
    html = render_text("```python\ndef f(): pass\n```")
    assert '<span class="k">def</span>' in html
    assert "style=" not in html


def test_code_in_an_unknown_language_is_shown_plainly():
    assert "x &lt; y" in render_text("```nosuchlanguage\nx < y\n```")


def test_each_block_finds_its_own_direction():
    assert render_text("سلام\n\nhello").count('<p dir="auto">') == 2


def test_an_image_is_named_and_not_loaded():
    html = render_text("![a cat](https://evil.example/cat.png)")
    assert "a cat" in html
    assert "evil.example" not in html


def test_links_open_outside_and_tell_nothing():
    html = render_text("[x](https://example.org)")
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_a_line_break_stays_a_line_break():
    assert "<br" in render_text("one\ntwo")


def test_a_very_long_text_is_shown_without_its_markdown():
    html = render_text("**bold** <script>\n\n" + "word " * 20_000)
    assert html.startswith("<p>**bold** &lt;script&gt;</p>")
    assert html.count("word") == 20_000
