"""The commands of dev.py, their options, and the exit status each ending has."""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dev_commands import audit, checks, run, testing
from dev_commands.processes import raise_when_asked_to_stop
from dev_commands.progress import say
from dev_commands.set_up import set_up_python
from dev_commands.stops import CannotRun, StepFailed, Stopped


@dataclass(frozen=True)
class Command:
    """One word after `dev.py`. `extra` are arguments that are not its own, and go to the program it starts."""

    summary: str
    do: Callable[[argparse.Namespace, Sequence[str]], int]
    add_options: Callable[[argparse.ArgumentParser], None] = lambda _: None
    passes_arguments_on: bool = False


def _run(options: argparse.Namespace, _: Sequence[str]) -> int:
    return run.run(options)


def _check(_: argparse.Namespace, __: Sequence[str]) -> int:
    set_up_python()
    return checks.check()


COMMANDS = {
    "run": Command(
        "set up, start the whole product, and play one video visit through it", _run, run.add_options
    ),
    "test": Command(
        "set up, check, and run all tests; further arguments go to pytest, e.g. `test tests/dev -k ports`",
        testing.test,
        testing.add_options,
        passes_arguments_on=True,
    ),
    "check": Command("lint, formatting, types and the walls between the rooms; no tests", _check),
    "prove-audit": Command(
        "prove that an audit log is whole: `prove-audit --tenant ID --from DAY --to DAY --settings FILE`, all optional",
        audit.prove_audit,
        passes_arguments_on=True,
    ),
}


def run_command(arguments: Sequence[str]) -> int:
    """Do what the command line asks for. 0: done; 1: something failed; 2: this machine or the command line is wrong."""
    parser = _parser()
    options, extra = parser.parse_known_args(arguments)
    command = COMMANDS[options.command]
    if extra and not command.passes_arguments_on:
        parser.error(f"unknown arguments: {' '.join(extra)}")
    raise_when_asked_to_stop()
    try:
        return command.do(options, extra)
    except CannotRun as refused:
        print(refused, file=sys.stderr, flush=True)
        return 2
    except StepFailed as failure:
        print(f"\n{failure}", file=sys.stderr, flush=True)
        return 1
    except Stopped as stopped:
        say("\nStopped.")
        return 128 + stopped.signal_number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 dev.py",
        description="Visit Connector on this machine. The first use sets everything up inside this folder; it needs "
        "Python 3.11 or newer and Node 20 or newer.",
        epilog="`python3 dev.py COMMAND --help` tells the options of a command.",
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        own = commands.add_parser(
            name,
            help=command.summary,
            description=command.summary,
            allow_abbrev=False,
            prog=f"python3 dev.py {name}",
        )
        command.add_options(own)
    return parser
