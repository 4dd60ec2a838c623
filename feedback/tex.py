r"""TeX in Markdown: $…$, $$…$$, \(…\), \[…\] and the environments that stand on their own.

What is found becomes one ``tex`` token, so that Markdown does not take its underscores and backslashes for its own.
Nothing here typesets: the page's script does, from ``data-tex``; without it the source shows as it was written.
"""

import re
from collections.abc import Sequence
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

LONGEST_INLINE = 4_000  # characters looked through for the end; more would let a hostile text take seconds
_CLOSERS = {"$$": "$$", r"\[": r"\]", r"\(": r"\)"}
_ENVIRONMENT = re.compile(
    r"\\begin\{((?:equation|align|alignat|flalign|gather|multline|eqnarray|[pbBvV]?matrix|cases)\*?)\}"
)
# As Pandoc has it: no blank inside the dollars, no digit behind them, so that prices stay prices.
_DOLLARS = re.compile(r"\$(?![\s$])((?:\\.|[^\\$])*?(?<!\s))\$(?![\d$])", re.DOTALL)


def tex_plugin(markdown: MarkdownIt) -> None:
    """Teaches the parser TeX and how to draw it."""
    ends: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    markdown.block.ruler.before("fence", "tex_block", _block, ends)
    markdown.inline.ruler.before("escape", "tex_inline", _inline)
    markdown.add_render_rule("tex", _draw)


def _draw(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
) -> str:
    token = tokens[index]
    kind = "math is-block" if token.meta["display"] else "math"
    html = f'<span class="{kind}" data-tex="{escape(token.content)}">{escape(token.markup)}</span>'
    return f"<p>{html}</p>\n" if token.block else html


def _inline(state: StateInline, silent: bool) -> bool:
    """TeX within a line of text."""
    found = _inline_end(state.src, state.pos)
    if found is None:
        return False
    content, end, display = found
    if not silent:
        _push(state, content, state.src[state.pos : end], display=display)
    state.pos = end
    return True


def _inline_end(source: str, start: int) -> tuple[str, int, bool] | None:
    """(content, where it ends, displayed?) of the TeX that starts here, or None."""
    opener = source[start : start + 2]
    if closer := _CLOSERS.get(opener):
        end = source.find(closer, start + 2, start + LONGEST_INLINE)
        content = source[start + 2 : end] if end > 0 else ""
        return (content.strip(), end + 2, opener != r"\(") if content.strip() else None
    if not opener.startswith("$") or (start and source[start - 1].isalnum()):
        return None
    match = _DOLLARS.match(source, start, start + LONGEST_INLINE)
    return (match[1], match.end(), False) if match else None


def _block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """TeX that has its lines for itself."""
    opening = _opening(_line(state, first))
    if opening is None or state.is_code_block(first):
        return False
    skipped, closer, keeps = opening
    end = _closing_line(state, first, last, skipped, closer)
    if end is None:
        return False
    if not silent:
        source = "\n".join(_line(state, number) for number in range(first, end + 1))
        content = source if keeps else source[skipped : -len(closer)].strip()
        _push(state, content, source, display=True).block = True
        state.line = end + 1
    return True


def _opening(line: str) -> tuple[int, str, bool] | None:
    """(characters of the opener, the closer, are both part of the TeX?) where a line opens a block of it."""
    if line[:2] in ("$$", r"\["):
        return 2, _CLOSERS[line[:2]], False
    environment = _ENVIRONMENT.match(line)
    return (environment.end(), rf"\end{{{environment[1]}}}", True) if environment else None


def _closing_line(state: StateBlock, first: int, last: int, skipped: int, closer: str) -> int | None:
    """The line that ends with the closer, before any blank one."""
    rest = _line(state, first)[skipped:]
    if closer in rest:
        return (
            first if rest.endswith(closer) and rest.count(closer) == 1 and len(rest) > len(closer) else None
        )
    # Lines from which this closer is known not to come; without it, many openers cost the square of their number.
    without: dict[str, int] = state.env.setdefault("tex_without", {})
    if first < without.get(closer, 0):
        return None
    number = first + 1
    while number < last and (line := _line(state, number)):
        if closer in line:
            return number if line.endswith(closer) and line.count(closer) == 1 else None
        number += 1
    without[closer] = number
    return None


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].rstrip()


def _push(state: StateBlock | StateInline, content: str, source: str, *, display: bool) -> Token:
    token = state.push("tex", "", 0)
    token.content = content
    token.markup = source
    token.meta = {"display": display}
    return token
