"""What dev.py says and answers before anything is installed."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev_commands.command_line import COMMANDS, run_command
from dev_commands.run import choose_host
from dev_commands.set_up import node_major
from dev_commands.stops import CannotRun

ROOT = Path(__file__).parents[2]


def test_help_names_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "dev.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert [name for name in COMMANDS if not re.search(rf"^    {name}\s", done.stdout, re.MULTILINE)] == []


@pytest.mark.parametrize("arguments", [[], ["fly"], ["run", "--fly"], ["check", "tests/dev"]], ids=" ".join)
def test_a_command_line_that_makes_no_sense_ends_with_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_command(arguments)

    assert ended.value.code == 2


def test_dev_py_can_be_read_by_pythons_that_are_too_old() -> None:
    source = (ROOT / "dev.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 4))

    assert not any(isinstance(node, ast.JoinedStr) for node in ast.walk(ast.parse(source)))


def test_nothing_but_the_standard_library_is_needed_to_set_up() -> None:
    for module in [ROOT / "dev.py", *(ROOT / "dev_commands").glob("*.py")]:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in names:
                assert name.split(".")[0] in {*sys.stdlib_module_names, "dev_commands"}, (
                    f"{module.name}: {name}"
                )


@pytest.mark.parametrize(
    ("present", "said"),
    [({}, "not on PATH"), ({"node": "v18.19.0", "npm": ""}, "this is v18.19.0")],
    ids=["no-node", "old-node"],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins for Node are shell scripts")
def test_without_a_new_enough_node_one_sentence_says_so(
    tmp_path: Path, present: dict[str, str], said: str
) -> None:
    for name, answer in present.items():
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho {answer}\n", encoding="utf-8")
        program.chmod(0o755)

    done = subprocess.run(
        [sys.executable, "dev.py", "run"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "Node 20" in done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("version", "major"), [("v20.11.1\n", 20), ("22.0.0", 22), ("", None), ("nonsense", None)]
)
def test_the_major_version_of_node_is_read(version: str, major: int | None) -> None:
    assert node_major(version) == major


def test_core_tools_run_the_app_where_they_are_and_the_built_in_host_elsewhere() -> None:
    assert choose_host(None, func="/usr/bin/func") == "func"
    assert choose_host(None, func=None) == "builtin"
    assert choose_host("builtin", func="/usr/bin/func") == "builtin"


def test_core_tools_that_are_asked_for_and_absent_are_a_refusal() -> None:
    with pytest.raises(CannotRun, match="Core Tools"):
        choose_host("func", func=None)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this computer")
def test_the_script_that_ci_runs_is_valid_bash() -> None:
    assert subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT, check=False).returncode == 0
