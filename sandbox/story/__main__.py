"""`python -m sandbox.story`: prepare an environment of the running product, and play one visit through it."""

import argparse
import asyncio
import json
from pathlib import Path

import httpx

from sandbox.story.observing import NotObserved
from sandbox.story.outside import Outside
from sandbox.story.playing import Story
from sandbox.story.preparing import prepare


def main() -> int:
    """Status 0 when every step was observed."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.story", description=__doc__)
    parser.add_argument("--app", required=True, help="address of the app")
    parser.add_argument("--sandbox", required=True, help="address of the sandbox")
    parser.add_argument("--state-dir", required=True, type=Path, help="where the sandbox wrote sandbox.json")
    parser.add_argument("--storage", default="", help="connection string of the storage to search")
    parser.add_argument("--prepare-only", action="store_true", help="set the environment up and stop")
    parser.add_argument(
        "--trouble", action="append", default=[], choices=["throttle"], help="what goes wrong"
    )
    return asyncio.run(_main(parser.parse_args()))


async def _main(options: argparse.Namespace) -> int:
    facts = json.loads((options.state_dir / "sandbox.json").read_text(encoding="utf-8"))
    facts.setdefault("ca_bundle", str(options.state_dir / "ca-bundle.pem"))
    # The story talks to this machine only; a proxy of the surroundings would not find it.
    async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
        outside = Outside(options.app.rstrip("/"), options.sandbox.rstrip("/"), facts, http)
        if options.prepare_only:
            try:
                prepared = await prepare(outside, options.state_dir)
            except NotObserved as missing:
                print(f"FAIL  0  The environment could not be prepared: {missing}", flush=True)
                return 1
            print(f"ok    0  Test environment {prepared['environment']} is approved", flush=True)
            return 0
        story = Story(outside, options.state_dir, options.storage, frozenset(options.trouble))
        observed = await story.play()
        if story.link:
            kept = options.state_dir / "prepared.json"
            with_link = {**story.prepared, "patient_link": story.link}
            kept.write_text(json.dumps(with_link, indent=2) + "\n", encoding="utf-8")
        print("Every step was observed." if observed else "Not every step was observed.", flush=True)
        return 0 if observed else 1


if __name__ == "__main__":
    raise SystemExit(main())
