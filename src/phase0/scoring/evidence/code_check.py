"""Whether code parses: Python by its own parser, JSON by a decoder, other languages by their brackets.

Nothing is run. Sizes and nesting are bounded before the parser sees a text, for hostile text can exhaust it.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

from phase0.scoring.evidence.constraints import is_json
from phase0.scoring.evidence.reading import Finding, Reading
from phase0.text import terms

_MAX_CODE = 8_000  # characters: the parser takes about a millisecond for them
_MAX_DEPTH = 40  # open brackets at once; real code stays under 15
_MAX_OPERATORS = 40  # unary operators in a row, which nest like brackets
_PYTHON = frozenset(["python", "py", "python3"])
_BRACED = terms(
    """
    c cpp c++ java javascript js typescript ts jsx tsx go rust csharp c# cs php swift kotlin scala css
    """
)
_LOOKS_PYTHON = re.compile(
    r"(?:def \w{1,60}\(|class \w{1,60}[:(]|import \w|from [\w.]{1,60} import |print\(|#!.*python|@\w"
    r"|for \w{1,60} in )"
)
# A wrong escape or a number glued to a keyword makes the parser warn, and a warning cannot be silenced here without
# silencing it for the whole process. "?" is as wrong outside of strings and as right inside them.
_ESCAPE = re.compile(r"\\([^\n\\'\"])")
_GLUED = re.compile(r"(?<![\w.])(\.?\d[\w.]{0,40}?)(and|else|for|if|in|is|or|not)\b")
_NESTING = re.compile(rf"(?:(?:[-+~]|\bnot|\blambda|\bawait|\*)[\s:]*){{{_MAX_OPERATORS}}}")
_STRINGS = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`|//[^\n]*|/\*.*?\*/", re.DOTALL)
_PROMPT = re.compile(r"^(?:>>>|In \[\d+\]:|\$ )", re.MULTILINE)


def find(reading: Reading) -> Iterator[Finding]:
    """Blocks that parse and blocks that do not."""
    if reading.clipped:
        return  # the clip may have cut the code, so its faults may be ours
    if reading.blocks:
        yield from _verdict([fault(block.language, block.code) for block in reading.blocks])
    elif "python" in reading.ask.text and len(reading.lines) > 1 and _looks_python(reading.response):
        yield from _verdict([fault("python", reading.response)])


def _verdict(faults: list[str | None]) -> Iterator[Finding]:
    """`faults` holds a fault, "" for code that parses, None for what cannot be told."""
    known = [found for found in faults if found is not None]
    broken = [found for found in known if found]
    if broken:
        share = len(broken) / len(known)
        yield Finding("correctness", "code_broken", -0.7 - 1.8 * share, broken[0])
        yield Finding("helpfulness", "code_broken", -0.3 - share, broken[0])
    elif known:
        yield Finding("correctness", "code_parses", 1.2, str(len(known)))
        yield Finding("clarity", "code_parses", 0.5, str(len(known)))


def fault(language: str, code: str) -> str | None:
    """What is wrong with a piece of code, "" if nothing is, None if it cannot be told."""
    if len(code) > _MAX_CODE or not code.strip():
        return None
    if language in _PYTHON or (not language and _looks_python(code)):
        return _python(code)
    if language == "json":
        return None if "..." in code or "//" in code else "" if is_json(code) else "json"
    return _brackets(code, language) if language in _BRACED else None


def _looks_python(code: str) -> bool:
    return _LOOKS_PYTHON.match(code.lstrip()) is not None and ";\n" not in code and "{\n" not in code


def _python(code: str) -> str | None:
    if _PROMPT.search(code) or _depth(code) > _MAX_DEPTH or _NESTING.search(code):
        return None
    source = _GLUED.sub(r"\1 \2", _ESCAPE.sub(r"?\1", textwrap.dedent(code)))
    try:
        compile(source, "<answer>", "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    except SyntaxError as error:
        return f"python line {error.lineno}"
    except (ValueError, RecursionError, MemoryError, OverflowError):
        return None
    return ""


def _depth(code: str) -> int:
    """How deep brackets nest at most, counting those in strings too: a bound, not a parse."""
    depth = deepest = 0
    for character in re.findall(r"[()\[\]{}]", code):
        depth += 1 if character in "([{" else -1
        deepest = max(deepest, depth)
    return deepest


def _brackets(code: str, language: str) -> str | None:
    if 'R"' in code or ("/*" in code and "*/" not in code):
        return None  # raw strings end where their own mark says
    bare = _STRINGS.sub("", code)
    for opening, closing in ("{}", "()", "[]"):
        surplus = bare.count(opening) - bare.count(closing)
        if surplus:
            return f"{language} {abs(surplus)} {opening if surplus > 0 else closing} too many"
    return ""
