"""Texts that try to run, load, break out or mislead, as prompts and responses on the annotator's page."""

import re
from html.parser import HTMLParser

import pytest

from feedback.actions.imports import store_records
from feedback.records import ComparisonRecord, ResponseRecord

EVIL = "https://evil.example"
HOSTILE = {
    "script": f'<script src="{EVIL}/x.js"></script><script>alert(1)</script>',
    "style": f"<style>@import '{EVIL}/x.css'; * {{ display: none }}</style>",
    "image": f'![pixel]({EVIL}/p.png) <img src="{EVIL}/q.png" onerror="alert(1)">',
    "svg": f'<svg onload="alert(1)"><use href="{EVIL}/x.svg#a"/></svg>',
    "data url": "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKQ==) ![](data:image/svg+xml,<svg onload=alert(1)>)",
    "javascript link": "[x](javascript:alert(1)) [y](JaVaScRiPt:alert(1)) [z](&#106;avascript:alert(1)) "
    "<a href='java\tscript:alert(1)'>",
    "css": '<div style="position:fixed;inset:0;background:url(https://evil.example/x)">x</div> '
    '<p class="flash" id="main">y</p>',
    "tex href": f"$\\href{{javascript:alert(1)}}{{x}}$ $$\\url{{{EVIL}}}$$",
    "tex image": f"\\(\\includegraphics{{{EVIL}/p.png}}\\) \\[\\htmlStyle{{color:red;background:url({EVIL})}}{{x}}\\]",
    "tex breaks out": '$x" onmouseover="alert(1)" data-x="$ $</span><script>alert(1)</script>$',
    "tex expands": "$$\\def\\a{\\a\\a}\\a$$ $\\newcommand{\\x}{\\x\\x}\\x$",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62; &quot;&apos;&NewLine;",
    "broken nesting": "</div></article></form><form action='https://evil.example'></textarea></pre></main>",
    "form": '<form action="https://evil.example"><button name="skip">Skip</button></form><textarea>',
    "fence": '```"><img src=x onerror=alert(1)>\n</code></pre><script>alert(1)</script>\n```',
    "bidi": "safe \u202e gnp.elif \u2066 \u202d <script>alert(1)</script> \u200f",
    "template": "{{ csrf_token }} {% include 'x' %} ${alert(1)} #{7*7}",
    "link title": f'[x]({EVIL} "onmouseover=alert(1)\\" autofocus")',
    "autolink": "<javascript:alert(1)> <https://evil.example/?q=<script>> <data:text/html,x>",
    "giant": "<b>" * 20_000 + "\n\n# " + "![](x)" * 5_000,
    "deep": "> " * 5_000 + "- " * 5_000 + "x",
}


LOADING = (
    "script", "style", "img", "svg", "iframe", "object", "embed", "link", "meta", "base", "video", "audio", "math",
)  # fmt: skip


class Elements(HTMLParser):
    """Every element with its attributes, as a browser would read them, and the depth at which each stands."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.found)


@pytest.fixture
def show(workspace, project):
    """The item with this text as both messages of its prompt and as both responses."""

    def show(text: str) -> str:
        record = ComparisonRecord(
            prompt=[{"role": "system", "content": text}, {"role": "user", "content": text}],
            responses=[ResponseRecord("a", "x", text), ResponseRecord("b", "y", text)],
            line=1,
        )
        assert not store_records(project=project, records=[record], by=None).rejections
        return workspace.upcoming()["next"]

    return show


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_in_a_text_runs_loads_or_breaks_out(name, show):
    html = show(HOSTILE[name]).strip()
    elements = Elements(html)
    for tag in LOADING:
        assert elements.count(tag) == 0, tag
    assert [elements.count(tag) for tag in ("form", "article", "textarea", "main")] == [1, 2, 1, 0]
    assert html.startswith("<form")
    assert html.endswith("</form>")
    for tag, attrs in elements.found:
        assert not [
            each
            for each in attrs
            if each.startswith("on") or each in ("style", "src", "srcset", "formaction")
        ]
        href = attrs.get("href") or ""
        assert not href or href.startswith(("http://", "https://", "mailto:", "/")), (tag, href)
        if href.startswith("http"):
            assert attrs["rel"] == "noopener noreferrer nofollow"


@pytest.mark.parametrize("name", HOSTILE)
def test_the_raw_view_is_the_exact_text(name, show):
    text = HOSTILE[name]
    raw = re.search(r'<pre class="raw"[^>]*>(.*?)</pre>', show(text), re.DOTALL).group(1)
    read = RawText(raw).text
    assert read.removeprefix("\n") == text


class RawText(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.feed(html)
        self.close()

    def handle_data(self, data):
        self.text += data

    def handle_starttag(self, tag, attrs):
        raise AssertionError(f"<{tag}> in the raw view")


def test_the_policy_of_the_page_lets_nothing_inline_run(workspace, show):
    show("plain")
    response = workspace.client.get(workspace.url)
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    html = response.content.decode()
    assert not re.search(r"<script(?![^>]*\b(src=|type=\"application/json\"))", html)
    assert " style=" not in html
    assert not re.search(r"\son\w+=", html)


def test_a_megabyte_is_shown_whole(show):
    html = show("start " + "lorem " * 200_000 + "end")
    assert html.count("lorem ") == 6 * 200_000  # two messages, two responses and their raw views
    assert html.count(" end</p>") == 4
