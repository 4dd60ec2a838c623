"""Texts of prompts, responses and guidelines as HTML: Markdown, code in colours, and nothing that runs or loads.

HTML in a text is shown as the text it is; images are named, not fetched. What comes out is cleaned once more
against a list of tags, so that a fault in the renderer does no harm.
"""

from collections.abc import Sequence

import nh3
from django.utils.html import escape, linebreaks
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

TAGS = frozenset({
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
})  # fmt: skip
ATTRIBUTES = {
    "*": {"dir"},
    "a": {"href", "title", "target"},
    "code": {"class"},
    "span": {"class"},
    "ol": {"start"},
}
# Characters of one text; Markdown of more, or hostile, would keep everybody waiting.
LONGEST_RENDERED = 50_000
LONGEST_HIGHLIGHTED = 50_000  # characters of one code block; colouring more would keep a page waiting
_CODE = HtmlFormatter(nowrap=True)


def render_text(text: str) -> SafeString:
    """Markdown as safe HTML; a very long text as paragraphs only."""
    html = _MARKDOWN.render(text) if len(text) <= LONGEST_RENDERED else linebreaks(text, autoescape=True)
    clean = nh3.clean(
        html,
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean)  # noqa: S308  nh3 has just cleaned it


def _coloured(code: str, language: str, _attributes: str) -> str:
    """The code with spans for its tokens, or empty for "just escape it"."""
    if not language or len(code) > LONGEST_HIGHLIGHTED:
        return ""
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return ""
    return str(highlight(code, lexer, _CODE))


def _named_image(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    return f'<span class="removed-image">[image not loaded: {escape(tokens[index].content or "no description")}]</span>'


def _outward_link(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    tokens[index].attrSet("target", "_blank")
    return renderer.renderToken(tokens, index, options, env)


def _own_direction(state: StateCore) -> None:
    """Let each block find its own direction, so that Arabic and English can stand in one text."""
    for token in state.tokens:
        if token.type in ("paragraph_open", "heading_open", "list_item_open", "td_open", "th_open"):
            token.attrSet("dir", "auto")


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True, "highlight": _coloured})
    markdown.enable(["table", "strikethrough"])
    markdown.core.ruler.push("own_direction", _own_direction)
    markdown.add_render_rule("image", _named_image)
    markdown.add_render_rule("link_open", _outward_link)
    return markdown


_MARKDOWN = _markdown()
