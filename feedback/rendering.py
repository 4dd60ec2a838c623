"""Texts of prompts, responses and guidelines as HTML: Markdown, code in colours, TeX, and nothing that runs or loads.

HTML in a text is shown as the text it is; images are named, not fetched. What comes out is cleaned once more
against a list of tags, so that a fault in the renderer does no harm.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import nh3
from django.utils.html import escape, linebreaks
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from feedback.tex import tex_plugin

TAGS = frozenset({
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
})  # fmt: skip
ATTRIBUTES = {
    "*": {"dir"},
    "a": {"href", "title", "target"},
    "code": {"class"},
    "span": {"class", "data-tex"},
    "ol": {"start"},
}
# Characters of one text; Markdown of more, or hostile, would keep everybody waiting.
LONGEST_RENDERED = 30_000
LONGEST_HIGHLIGHTED = 20_000  # characters of one code block; colouring more would keep a page waiting
KEPT = 512  # rendered texts that one process remembers: some megabytes of usual ones
TOP_HEADING = 3  # a text's own headings stand below those of the page
_CODE = HtmlFormatter(nowrap=True)
_OWN_DIRECTION = frozenset({"paragraph_open", "heading_open", "list_item_open", "td_open", "th_open"})
# Scripts that put no blanks between words: about two characters a word in Chinese and Japanese, five in Thai.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_SOUTH_EAST = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_WORD = re.compile(r"\w+(?:['’.,-]\w+)*")


def render_text(text: str) -> SafeString:
    """Markdown as safe HTML; a very long text as paragraphs only."""
    if len(text) > LONGEST_RENDERED:
        return _cleaned(linebreaks(text, autoescape=True).replace("<p>", '<p dir="auto">'))
    return _rendered(text, get_language())


def render_document(text: str) -> SafeString:
    """A document of the repository, whose lines are broken where the editor's end, as safe HTML."""
    return _cleaned(_DOCUMENT.render(text))


@lru_cache(maxsize=KEPT)
def _rendered(text: str, _language: str | None) -> SafeString:
    """Several people are shown the same text within minutes of each other, and its renderer takes the longest of all
    that an answer asks of the web server. What it says of an image is in the reader's language.
    """
    return _cleaned(_MARKDOWN.render(text))


def _cleaned(html: str) -> SafeString:
    return mark_safe(_CLEANER.clean(html))  # noqa: S308  it has just been cleaned


def exact_text(text: str) -> SafeString:
    """A text for a ``pre``, character for character: browsers drop a first line break and rewrite carriage returns."""
    return mark_safe("\n" + escape(text).replace("\r", "&#13;"))  # noqa: S308  it has just been escaped


def count_words(text: str) -> int:
    """How many words there are to read, in any script; an estimate where a script does not part them."""
    unspaced, close = len(_UNSPACED.findall(text)), len(_SOUTH_EAST.findall(text))
    if unspaced or close:
        text = _SOUTH_EAST.sub(" ", _UNSPACED.sub(" ", text))
    return len(_WORD.findall(text)) + (unspaced + 1) // 2 + (close + 4) // 5


def _coloured(code: str, language: str, _attributes: str) -> str:
    """The code with spans for its tokens, or empty for "just escape it"."""
    if not language or len(code) > LONGEST_HIGHLIGHTED:
        return ""
    lexer = _lexer(language)
    return str(highlight(code, lexer, _CODE)) if lexer else ""


@lru_cache(maxsize=200)
def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return None


def _named_image(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    named = _("[image not loaded: %(name)s]") % {"name": tokens[index].content or _("no description")}
    return f'<span class="removed-image">{escape(named)}</span>'


def _outward_link(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    tokens[index].attrSet("target", "_blank")
    return renderer.renderToken(tokens, index, options, env)


def _own_direction(state: StateCore) -> None:
    """Let each block find its own direction, so that Arabic and English can stand in one text, and a character that
    turns the direction turns no more than its block."""
    for token in state.tokens:
        if token.type in _OWN_DIRECTION:
            token.attrSet("dir", "auto")


def _own_headings(state: StateCore) -> None:
    """A text's headings as an outline below the page's: none skips a level, whatever the text does."""
    outline: list[int] = []
    for token in state.tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while outline and outline[-1] >= level:
                outline.pop()
            outline.append(level)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(TOP_HEADING + len(outline) - 1, 6)}"


def _code_block(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Code reads from left to right, whatever stands around it."""
    drawn = getattr(RendererHTML, tokens[index].type)(renderer, tokens, index, options, env)
    return str(drawn).replace("<pre>", '<pre dir="ltr">', 1)


def _markdown(*, breaks: bool) -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": breaks, "highlight": _coloured})
    markdown.enable(["table", "strikethrough"])
    markdown.use(tex_plugin)
    markdown.core.ruler.push("own_direction", _own_direction)
    markdown.core.ruler.push("own_headings", _own_headings)
    markdown.add_render_rule("image", _named_image)
    markdown.add_render_rule("link_open", _outward_link)
    markdown.add_render_rule("fence", _code_block)
    markdown.add_render_rule("code_block", _code_block)
    return markdown


_MARKDOWN = _markdown(breaks=True)
_DOCUMENT = _markdown(breaks=False)
_CLEANER = nh3.Cleaner(
    tags=set(TAGS),
    attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
    url_schemes={"http", "https", "mailto"},
    link_rel="noopener noreferrer nofollow",
)
