"""Texts as HTML: Markdown is drawn, and nothing runs or loads."""

from html.parser import HTMLParser

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from feedback.rendering import LONGEST_RENDERED, TAGS, count_words, exact_text, render_text

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
        and set(attributes) <= {"dir", "href", "title", "target", "rel", "class", "start", "data-tex"}
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
    for part in ("<h3", "<strong>b</strong>", "<code>c</code>", "<table>", "<li"):
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


def test_a_text_rendered_before_is_in_the_language_of_whoever_reads_it_now():
    text = "![a cat](https://evil.example/cat.png)"
    english = render_text(text)
    with override("fr"):
        assert "non chargée" in render_text(text)
    assert render_text(text) == english


def test_links_open_outside_and_tell_nothing():
    html = render_text("[x](https://example.org)")
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_a_line_break_stays_a_line_break():
    assert "<br" in render_text("one\ntwo")


def test_a_very_long_text_is_shown_without_its_markdown():
    html = render_text("**bold** <script>\n\n" + "word " * 20_000)
    assert html.startswith('<p dir="auto">**bold** &lt;script&gt;</p>')
    assert html.count("word") == 20_000


def tex_of(text: str) -> list[tuple[str, str]]:
    """(class, TeX) of each formula that the text was found to hold."""
    tags = Tags(render_text(text)).found
    return [
        (attributes["class"], attributes["data-tex"]) for _, attributes in tags if "data-tex" in attributes
    ]


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("so $x_1 + y_2$ is", "x_1 + y_2"),
        (r"so \(a_i\) is", "a_i"),
        (r"so \(\frac{a}{b}\), is", r"\frac{a}{b}"),
        ("$a$", "a"),
        (r"$\$5$", r"\$5"),
        ("($x$)", "x"),
    ],
)
def test_formulas_in_a_line_keep_their_source(text, tex):
    assert tex_of(text) == [("math", tex)]


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("$$x^2$$", "x^2"),
        ("so\n$$\nx_1\n= y_1\n$$\nis", "x_1\n= y_1"),
        ("\\[ x \\]", "x"),
        ("Text:\n\\[\na\n=\nb\n\\]\nmore", "a\n=\nb"),
        ("in $$x$$ line", "x"),
        (r"in \[x\] line", "x"),
        ("- item\n  $$\n  x\n  $$", "x"),
        (r"\begin{align}a &= b\end{align}", r"\begin{align}a &= b\end{align}"),
        ("\\begin{pmatrix}\n1 & 2\n\\end{pmatrix}", "\\begin{pmatrix}\n1 & 2\n\\end{pmatrix}"),
    ],
)
def test_formulas_of_their_own_are_displayed(text, tex):
    assert tex_of(text) == [("math is-block", tex)]


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and then $10.",
        "US$50 or CA$60",
        "a $ b $ c",
        r"\$x\$",
        "`$x$`",
        "```\n$$x$$\n```",
        "    $$x$$",
        "$$ open",
        "$$\n\nnothing follows a blank line $$",
        r"\( \)",
        r"\[",
        "$$$$",
        r"\begin{align} a",
        r"\begin{document}x\end{document}",
    ],
)
def test_prices_code_and_halves_are_no_formulas(text):
    assert tex_of(text) == []


def test_without_a_script_the_source_of_a_formula_shows_as_it_was_written():
    assert ">$x &lt; y$</span>" in render_text("$x < y$")
    assert r">\[x\]</span>" in render_text(r"\[x\]")


@given(st.text(alphabet="$\\()[]{}ab \n-_*>", max_size=60))
def test_whatever_looks_like_a_formula_is_inert(text):
    assert is_inert(render_text(text))


def test_a_formula_can_not_leave_its_attribute():
    ((_, attributes),) = [tag for tag in Tags(render_text('$x" onload="y$')).found if tag[0] == "span"]
    assert attributes == {"class": "math", "data-tex": 'x" onload="y'}


def test_headings_stand_below_those_of_the_page_and_skip_no_level():
    html = render_text("### a\n# b\n## c\n#### d\n# e")
    levels = [tag for tag, _ in Tags(html).found if tag.startswith("h")]
    assert levels == ["h3", "h3", "h4", "h5", "h3"]


def test_code_reads_from_left_to_right():
    assert render_text("```\nسلام\n```").startswith('<pre dir="ltr">')


@pytest.mark.parametrize("text", ["x", "\nx", "a\r\nb\r", "<b>&amp;</b>\u202e", ""])
def test_the_exact_text_survives_a_browser(text):
    """A browser drops one line break at the start of a ``pre`` and reads every other character."""
    html = f"<pre>{exact_text(text)}</pre>"
    assert "\r" not in html
    read = []
    parser = HTMLParser(convert_charrefs=True)
    parser.handle_data = read.append
    parser.feed(html)
    parser.close()
    assert "".join(read).removeprefix("\n") == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 0),
        ("Don't panic, please.", 3),
        ("well-known 3.14 x_1", 3),
        ("Привет, мир", 2),
        ("مرحبا بالعالم", 2),
        ("你好世界", 2),
        ("東京は大きい city", 4),
        ("สวัสดีชาวโลก", 3),
        ("**bold** `code`", 2),
    ],
)
def test_words_are_counted_in_any_script(text, words):
    assert count_words(text) == words


HARD = {
    "dollars": "$a ",
    "double dollars": "$$a\n",
    "brackets": "\\(",
    "displays": "\\[a\n",
    "environments": "\\begin{align}\n",
    "escapes": "\\$",
    "images": "![",
    "quotes": "> ",
    "stars": "*a ",
}


@pytest.mark.parametrize("name", HARD)
def test_a_text_made_to_keep_the_parser_busy_ends_and_is_inert(name):
    assert is_inert(render_text(HARD[name] * (LONGEST_RENDERED // len(HARD[name]))))
