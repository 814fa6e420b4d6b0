"""`dev.py test` runs pytest twice and ends with one sum; in CI a skip counts as a failure."""

from collections import Counter
from pathlib import Path

import pytest

from dev_commands.testing import read_outcomes, total_line

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]

SKIPS = """
    import pytest

    def test_passes():
        pass

    def test_skips():
        pytest.skip("no Chromium here")

    @pytest.mark.needs_another_python
    def test_may_skip():
        pytest.skip("no Python 3.13 here")
"""


def test_the_two_runs_add_up_in_pytests_words() -> None:
    counts = read_outcomes("passed 12\nskipped 1\nfailed 0\n") + read_outcomes(
        "passed 3\nfailed 1\nerror 1\n"
    )

    assert total_line(counts) == "15 passed, 2 failed, 1 skipped"


def test_no_skips_no_word_about_them() -> None:
    assert total_line(Counter(passed=4)) == "4 passed, 0 failed"


@pytest.mark.parametrize(
    ("ci", "outcomes"),
    [("", {"passed": 1, "skipped": 2}), ("true", {"passed": 1, "failed": 1, "skipped": 1})],
    ids=["laptop", "ci"],
)
def test_a_skip_is_a_failure_in_ci_only(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcomes: dict[str, int]
) -> None:
    monkeypatch.setenv("CI", ci)
    sums = pytester.path / "outcomes"
    monkeypatch.setenv("TEST_OUTCOMES_FILE", str(sums))
    pytester.makeini(
        "[pytest]\nmarkers = needs_another_python\nasyncio_default_fixture_loop_scope = function\n"
    )
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(SKIPS)

    result = pytester.runpytest_subprocess("-p", "no:xdist")

    result.assert_outcomes(**outcomes)
    counted = read_outcomes(sums.read_text(encoding="utf-8"))
    assert {name: number for name, number in counted.items() if number} == outcomes


def test_a_test_that_reaches_for_another_machine_fails(pytester: pytest.Pytester) -> None:
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    # 192.0.2.0/24 is set aside for documentation: nothing ever answers there.
    pytester.makepyfile(
        """
        import socket

        def test_calls_home():
            with socket.socket() as outside:
                outside.connect(("192.0.2.1", 80))
        """
    )

    result = pytester.runpytest_subprocess("-p", "no:xdist")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*LeavesThisMachine*"])
