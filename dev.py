#!/usr/bin/env python3
"""Sets Visit Connector up on a fresh machine, runs it, and tests it: `python3 dev.py run`, `python3 dev.py test`.

Needs nothing but Python and Node. This file only makes sure that the Python is new enough, so it is written in the
oldest Python that may meet it; everything else is in dev_commands/, which uses the standard library only.
"""

import sys

OLDEST_PYTHON = (3, 11)


def main():
    # type: () -> int
    if sys.version_info < OLDEST_PYTHON:
        sys.stderr.write(
            "Visit Connector needs Python %d.%d or newer, and this is Python %d.%d: install a newer one and start "
            "dev.py with it.\n" % (OLDEST_PYTHON + tuple(sys.version_info[:2]))
        )
        return 2
    # Only now: an older Python could not read these.
    from dev_commands.command_line import run_command  # noqa: PLC0415

    return run_command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
