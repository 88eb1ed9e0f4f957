"""What the repository promises about itself."""

from __future__ import annotations

import ast
import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
METHOD_FILES = sorted(path for path in (ROOT / "methods").glob("*.py") if not path.name.startswith("_"))


def test_ci_runs_the_test_command_of_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert len(commands) == 1
    assert commands[0] in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", METHOD_FILES, ids=lambda path: path.stem)
def test_every_method_has_a_page_and_says_what_to_expect(path: Path) -> None:
    page = ROOT / "docs" / "methods" / f"{path.stem}.md"
    assert page.exists(), f"write {page.relative_to(ROOT)}"
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert re.search(r"[Cc]ost", docstring), "the docstring has to say what a search costs"


def test_the_example_of_the_guide_is_a_method() -> None:
    guide = (ROOT / "docs" / "adding-a-method.md").read_text()
    code = re.search(r"```python\n(.*?)```", guide, re.DOTALL)
    assert code is not None
    namespace: dict[str, object] = {"__name__": "best_of_three"}
    exec(compile(code[1], "best_of_three.py", "exec", dont_inherit=True), namespace)
    assert getattr(namespace["METHOD"], "name", "") == "best_of_three"


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_dotted_names_in_the_documents_exist() -> None:
    found = 0
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for name in set(re.findall(r"\bharness(?:\.[A-Za-z_]\w*)+", document.read_text())):
            found += 1
            try:
                pkgutil.resolve_name(name)
            except (ImportError, AttributeError) as error:
                pytest.fail(f"{document.name} names {name}: {error}")
    assert found >= 5


def test_every_test_of_the_page_of_attacks_is_there() -> None:
    page = (ROOT / "docs" / "attacks.md").read_text()
    known = {name for path in (ROOT / "tests").glob("*.py") for name in re.findall(r"def (test_\w+)", path.read_text())}
    named = set(re.findall(r"`(test_\w+)`", page))
    assert len(named) > 30
    assert named <= known
