"""The documentation is true: what it shows is run, what exists is described, and its links lead somewhere.

Python blocks of a page run in order, as one program in an empty folder. `console` blocks run in order too, `$ ` lines
as commands and the lines under them as what must be printed; an ellipsis stands for anything. `sh` blocks are not run:
they need a network, or install something.

    python tests/test_docs.py      puts what commands print now, and benchmarks printed, in place of lines that changed
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from cyclopts import App

import phase0
from phase0.catalog.datasets import Dataset
from phase0.catalog.models import Endpoint, Server, Teacher
from phase0.cli import app
from phase0.errors import Refused
from phase0.exchanges.rubric import STATES
from phase0.gateway.policy import POLICIES, RETRIED
from phase0.plan import Plan
from phase0.providers.outcomes import RULES
from phase0.sources import SOURCES

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "phase0"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "data" / "README.md"])
TIMING = re.compile(r"\(\d+\.\d s\)$|: done before \(")  # progress on the standard error: never shown
ELLIPSIS = "…"


class Block(NamedTuple):
    """A fenced block of a page."""

    line: int
    language: str
    text: str


class Shown(NamedTuple):
    """A command of a console block, and the lines that it is said to print."""

    command: str
    output: list[str]


def named(pages: list[Path]) -> list[Any]:
    return [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in pages]


def text_of(page: Path | str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[Block]:
    text = text_of(page)
    return [
        Block(text.count("\n", 0, found.start()) + 2, found[1], found[2])
        for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        if found[1] == language
    ]


def with_blocks(language: str) -> list[Any]:
    return named([page for page in PAGES if blocks(page, language)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder such as a reader has: the plans are there, and nothing else."""
    shutil.copytree(ROOT / "plans", tmp_path / "plans")
    return tmp_path


@pytest.mark.parametrize("page", with_blocks("python"))
def test_the_python_of_a_page_runs(page: Path, folder: Path) -> None:
    # Every block stands on its own line number, so that a traceback names the line of the page.
    program = ""
    for block in blocks(page, "python"):
        program += "\n" * (block.line - 1 - program.count("\n")) + block.text
    (folder / "page.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", "page.py"], cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, f"{page.name}\n{done.stdout}\n{done.stderr}"


@pytest.mark.skipif(os.name == "nt", reason="the pages show a POSIX shell")
@pytest.mark.parametrize("page", with_blocks("console"))
def test_the_commands_of_a_page_print_what_it_says(page: Path, folder: Path) -> None:
    last = 0
    for block in blocks(page, "console"):
        for number, shown in enumerate(shown_in(block)):
            done = shell(shown.command, last, folder)
            told = f"{page.name}, block at line {block.line}, command {number + 1}: $ {shown.command}"
            if shown.output:
                actual = printed(done)
                assert matches(shown.output, actual), f"{told}\nprints\n" + "\n".join(actual)
            else:
                assert done.returncode == 0, f"{told}\nfails with {done.returncode}\n{done.stderr}"
            last = done.returncode


def shown_in(block: Block) -> Iterator[Shown]:
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, *output = part.rstrip("\n").split("\n")
        yield Shown(command, output)


def shell(command: str, last: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one command as if the one before had ended with the status `last`."""
    python = shlex.quote(sys.executable)
    ours = f'phase0() {{ {python} -m phase0 "$@"; }}; python() {{ {python} "$@"; }}; (exit {last}); {command}'
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "PHASE0_"))}
    return subprocess.run(
        ["bash", "-c", ours], cwd=folder, env=clean, capture_output=True, encoding="utf-8", check=False
    )


def printed(done: subprocess.CompletedProcess[str]) -> list[str]:
    told = [line for line in done.stderr.splitlines() if not TIMING.search(line)]
    return [line.rstrip() for line in [*done.stdout.rstrip("\n").split("\n"), *told] if line or not told]


def matches(shown: list[str], actual: list[str]) -> bool:
    """Whether the lines are the shown ones, in full; a line that is an ellipsis stands for any number of lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == ELLIPSIS else re.escape(line.rstrip()).replace(ELLIPSIS, ".*") + r"\n"
        for line in shown
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in actual)) is not None


def test_matching_is_strict_about_everything_but_ellipses() -> None:
    assert matches(["a", ELLIPSIS, "c 1 … 3"], ["a", "b", "b", "c 1 2 3"])
    assert matches(["a", ELLIPSIS, "b"], ["a", "b"])
    assert not matches(["a", "c"], ["a", "b", "c"])
    assert not matches(["a"], ["a", "b"])


# Everything that exists is described.


def commands(group: App = app, prefix: str = "") -> list[str]:
    """All commands, with those of a group behind the group's own: `ledger`, `ledger export`."""
    names = [name for name in group if not name.startswith("-")]
    return [each for name in names for each in (prefix + name, *commands(group[name], f"{prefix}{name} "))]


def command_of(name: str) -> App:
    found = app
    for part in name.split():
        found = found[part]
    return found


def options_of(command: str) -> set[str]:
    """The names of a command's options and arguments, as a person types them."""
    arguments = command_of(command).assemble_argument_collection(default_parameter=app.default_parameter)
    return {argument.names[0] for argument in arguments} - {"*"}  # a group of options, each of which is there too


def sections(page: str, level: str = "##") -> dict[str, str]:
    """What stands under each heading of a level."""
    parts = re.split(rf"^{level} (.+)$", text_of(page), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_and_no_other_is_documented() -> None:
    documented = {
        title.removeprefix("phase0 ") for title in sections("docs/commands.md") if title.startswith("phase0 ")
    }
    assert documented == set(commands())


@pytest.mark.parametrize("command", commands())
def test_every_option_and_no_other_is_documented(command: str) -> None:
    section = sections("docs/commands.md")[f"phase0 {command}"]
    documented = set(re.findall(r"^\| `(--[a-z-]+|[A-Z]+)", section, re.MULTILINE))
    assert documented == options_of(command)


@pytest.mark.parametrize("command", commands())
def test_every_command_has_help(command: str) -> None:
    assert command_of(command).help
    arguments = command_of(command).assemble_argument_collection()
    assert all(argument.parameter.help for argument in arguments if argument.names[0] != "*")


def test_every_public_name_is_documented() -> None:
    page = text_of("docs/library.md")
    missing = [name for name in phase0.__all__ if not name.startswith("_") and f"`{name}" not in page]
    assert not missing


def keys_of(kind: Any, place: str = "") -> Iterator[str]:
    """The dotted keys of a plan."""
    for field in msgspec.structs.fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from keys_of(field.type, f"{place}{field.encode_name}.")
        else:
            yield place + field.encode_name


def test_every_key_of_a_plan_and_no_other_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z_.]+)`", sections("docs/plans.md")["Keys"], re.MULTILINE))
    assert documented == set(keys_of(Plan)) - {"folder"}


def test_every_key_of_a_dataset_and_no_other_is_documented() -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)`", sections("docs/extending.md")["A dataset"], re.MULTILINE))
    assert documented == set(keys_of(Dataset)) - {"name"}


@pytest.mark.parametrize(("kind", "section"), [(Teacher, "A model"), (Endpoint, "A model"), (Server, "A server")])
def test_every_key_of_a_model_and_of_a_server_is_documented(kind: type[msgspec.Struct], section: str) -> None:
    documented = set(re.findall(r"^\| `([a-z_]+)`", sections("docs/extending.md")[section], re.MULTILINE))
    keys = {field.encode_name for field in msgspec.structs.fields(kind)} - {"name"}
    others = {field.encode_name for other in (Teacher, Endpoint) for field in msgspec.structs.fields(other)}
    assert keys <= documented
    assert documented <= keys | (others if kind is not Server else set())


def test_every_layout_is_documented() -> None:
    section = sections("docs/data-model.md")["Layouts"]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == set(SOURCES)


def reason_codes() -> set[str]:
    """Reasons why rows are dropped, from wherever in the source one is made."""
    made = (
        r'RowError\(\s*"([a-z0-9_]+)"',
        r'Lost\([^"]*?"([a-z_]+)", ',
        r'reason="([a-z_]+)"',
        r'(?:no|empty)_answer(?=")',
        r'(?:no_reply|not_asked)(?=")',
        r'return "(deleted|review_failed|tree_not_ready)"',
        r'"(needs_[a-z_]+)"',
    )
    of_requests = ("providers", "gateway", "simulator")  # why a request fails is not why a row is dropped
    files = [path for path in SOURCE.rglob("*.py") if path.relative_to(SOURCE).parts[0] not in of_requests]
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    asked = {policy.reason for policy in POLICIES.values() if policy.reason} | set(RETRIED.values())
    asked |= {rule.reason for rule in RULES if rule.kind is Refused} | (set(STATES) - {"scored"})
    return asked | {
        found[0] if found.lastindex is None else found[1] for code in made for found in re.finditer(code, source)
    }


def test_every_reason_for_dropping_a_row_and_no_other_is_documented() -> None:
    section = sections("docs/data-model.md")["Reasons"]
    assert set(re.findall(r"^\| `([a-z0-9_]+)`", section, re.MULTILINE)) == reason_codes()


def test_the_sections_that_hints_name_are_there() -> None:
    titles = set(sections("docs/troubleshooting.md"))
    source = "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    named_in_source = set(re.findall(r"docs/troubleshooting\.md, '([^']+)'", source))
    assert named_in_source == {"Low scores", "Many duplicates"}
    assert named_in_source <= titles


def test_the_layers_of_the_design_are_those_that_are_enforced() -> None:
    contract = tomllib.loads(text_of("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    shown = re.search(r"```text\n(.*?)```", sections("docs/design.md")["Layers"], re.DOTALL)
    assert shown is not None
    assert shown[1].split("\n")[:-1] == contract["layers"]


def test_the_tree_of_the_design_has_every_module() -> None:
    tree = sections("docs/design.md")["The tree"]
    modules = [path for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
    missing = [path.name for path in modules if path.name != "__main__.py" and path.name not in tree]
    assert not missing


# Nothing is described that does not exist.


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", named(PAGES))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text_of(page)):
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), f"{page.name} links to {target}, which is not there"
        assert not anchor or anchor in slugs(goal), f"{page.name} links to {target}: {goal.name} has no such heading"


@pytest.mark.parametrize("page", named(PAGES))
def test_files_of_the_project_that_a_page_names_exist(page: Path) -> None:
    places = (ROOT, SOURCE, ROOT / "docs", ROOT / "scripts", page.parent)
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    for name in re.findall(r"`([\w/.-]+\.(?:py|toml|md))`", prose):
        if Path(name).stem in {"x", "report"} or page.name == "CHANGELOG.md":
            continue  # a name to be chosen; what phase0 writes
        assert any((place / name).exists() for place in places), f"{page.name} names {name}, which is not there"


@pytest.mark.parametrize("page", named(PAGES))
def test_pages_name_no_machine_and_no_package_host(page: Path) -> None:
    text = text_of(page)
    assert not re.search(r"(?<![\w.~])/(?:home|root|Users|tmp|var|mnt|opt|work|private)/", text)
    assert not re.search(r"\bpy(?:pi|thonhosted)\.|\bconda\.", text)
    assert str(ROOT.parent) not in text
    assert str(Path.home()) not in text


QUOTING = (ROOT / "PROJECT_STATUS.md", ROOT / "docs" / "PHASE0_METHODOLOGY.md", ROOT / "docs" / "scale.md")


class Quote(NamedTuple):
    """Lines of a page that a benchmark printed, and all that it printed."""

    text: str
    name: str
    printed: list[str]


def quotes_of(text: str) -> Iterator[Quote]:
    """The `text` blocks behind a paragraph that names a file of results."""
    for found in re.finditer(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        paragraph = text[: found.start()].rstrip().rpartition("\n\n")[2]
        if names := re.findall(r"benchmarks/results/\w+\.md", paragraph):
            yield Quote(found[1], names[0], text_of(names[0]).split("\n"))


@pytest.mark.parametrize("page", named(list(QUOTING)))
def test_quoted_results_are_what_the_benchmarks_printed(page: Path) -> None:
    """A quote holds lines of the file of results and no others."""
    for quote in quotes_of(text_of(page)):
        strange = [line for line in quote.text.rstrip("\n").split("\n") if line not in (ELLIPSIS, *quote.printed)]
        assert not strange, f"{page.name} quotes what is not in {quote.name}: {strange}"


def test_results_are_quoted() -> None:
    assert sum(len(list(quotes_of(text_of(page)))) for page in QUOTING) >= 6


def test_a_quote_is_brought_up_to_date_by_the_names_of_its_lines() -> None:
    printed = ["## 10 rows", "| read | 1 |", "| join | 2 |", "", "## 20 rows", "| read | 3 |", "| join | 4 |", "20 s"]
    assert requoted(["## 20 rows", "| read | 9 |", "| join | 9 |"], printed) == printed[4:7]
    assert requoted(["| read | 9 |", ELLIPSIS, "| read | 9 |", "19 s"], printed) == [
        "| read | 1 |",
        ELLIPSIS,
        "| read | 3 |",
        "20 s",
    ]


# Bringing pages up to date.


def refresh() -> None:
    """Put the nearest printed line in place of each shown one that is printed no more. Ellipses stay where they are."""
    for page in QUOTING:
        text = text_of(page)
        for quote in quotes_of(text):
            fresh = requoted(quote.text.rstrip("\n").split("\n"), quote.printed)
            text = text.replace(quote.text, "".join(f"{line}\n" for line in fresh))
        rewrite(page, text)
    for page in PAGES:
        text = text_of(page)
        with tempfile.TemporaryDirectory() as place:
            shutil.copytree(ROOT / "plans", Path(place) / "plans")
            last = 0
            for block in blocks(page, "console"):
                fresh = []
                for shown in shown_in(block):
                    done = shell(shown.command, last, Path(place))
                    last = done.returncode
                    fresh += [f"$ {shown.command}", *renewed(shown.output, printed(done))]
                text = text.replace(block.text, "".join(f"{line}\n" for line in fresh))
        rewrite(page, text)


def rewrite(page: Path, text: str) -> None:
    if text != text_of(page):
        page.write_text(text, encoding="utf-8", newline="\n")
        print(f"{page.relative_to(ROOT)} is brought up to date; look at it")


def requoted(shown: list[str], kept: list[str]) -> list[str]:
    """For each shown line the same one, else the next of a table that begins with the same cell, else the nearest."""
    if all(line in (ELLIPSIS, *kept) for line in shown):
        return shown
    left, result = list(kept), []
    for line in shown:
        same = [line] if line in left else [other for other in left if line[:1] == "|" and cell(other) == cell(line)]
        near = [] if line == ELLIPSIS else same or difflib.get_close_matches(line, left, n=1, cutoff=0.5)
        result.append(near[0] if near else line)
        left = left[left.index(near[0]) + 1 :] if near else left
    return result


def cell(line: str) -> str:
    """The first of a line of a table."""
    return "".join(line.split("|")[1:2]).strip()


def renewed(shown: list[str], actual: list[str]) -> list[str]:
    if not shown or matches(shown, actual):
        return shown
    if ELLIPSIS not in "".join(shown):
        return actual
    left, result = list(actual), []
    for line in shown:
        near = [] if ELLIPSIS in line else difflib.get_close_matches(line, left, n=1, cutoff=0.5)
        result.append(near[0] if near else line)
        left = left[left.index(near[0]) + 1 :] if near else left
    return result


if __name__ == "__main__":
    refresh()
