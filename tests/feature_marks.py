"""The mark `feature`: which row of docs/features.md a test proves.

    @pytest.mark.feature("1.6 catch-all in")

A section's number and the row's name, as in scripts/feature_rows.py; scripts/feature_table.py makes the page.
"""

from __future__ import annotations

import pytest

LINE = "feature(row): the row of docs/features.md that this test proves"


def pytest_configure(config: pytest.Config) -> None:
    if LINE not in config.getini("markers"):
        config.addinivalue_line("markers", LINE)
