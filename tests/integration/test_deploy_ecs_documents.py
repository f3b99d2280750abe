"""AWS's own checker of templates has nothing to say about any of ours."""

from __future__ import annotations

import pytest

from tests.unit.deploy.ecs_cases import CASES
from wherry.deploy.ecs.documents import documents

REGIONS = ["eu-central-1", "us-east-1"]


@pytest.mark.requires("cfn-lint")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_cfn_lint_finds_nothing() -> None:
    from cfnlint.api import lint

    found = [
        f"{case}: {one}" for case, values in CASES.items() for one in lint(documents(*values)[0].text, None, REGIONS)
    ]
    assert found == []


@pytest.mark.requires("cfn-lint")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_cfn_lint_would_find_a_size_that_is_not_sold() -> None:
    """The checker is awake: Fargate's pairs and unknown properties are errors to it."""
    from cfnlint.api import lint

    text = documents(*CASES["plain"])[0].text
    assert any("E3047" in str(one.rule) for one in lint(text.replace("Memory: '2048'", "Memory: '99'"), None, REGIONS))
    assert any("E3002" in str(one.rule) for one in lint(text.replace("Scheme:", "Schema:"), None, REGIONS))
