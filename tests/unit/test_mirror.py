"""The tests mirror the package: every module has a test file of its name at its place."""

from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "simplevoice"
TESTS = Path(__file__).parent

MODULES = sorted(p.relative_to(PACKAGE) for p in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_every_module_has_its_tests(module: Path) -> None:
    if module.name == "__init__.py":
        if (PACKAGE / module).read_text().count("\n") < 5:
            return
        expected = TESTS / module.parent / f"test_{module.parent.name or 'package'}.py"
    else:
        expected = TESTS / module.parent / f"test_{module.stem.strip('_')}.py"
    assert expected.exists(), f"{module} has no {expected.relative_to(TESTS.parent)}"
