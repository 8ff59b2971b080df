"""Measures people of known dimensions from their photos and puts the errors into docs/accuracy.md.

Each source of people fills its own block of the page, so that whoever lacks one leaves its figures as they are.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.document import rewrite_block
from bench.error_tables import render
from bench.machine import REPOSITORY, circumstances
from bench.outcomes import measure_people
from bench.subjects import Source, read_people, sample_subject
from gpu_worker.pipeline import AvatarPipeline

PAGE = REPOSITORY / "docs" / "accuracy.md"
DEVELOPMENT_SET = REPOSITORY.parent / "shared" / "devset"


def sources(people: Path | None) -> list[Source]:
    """The sample, the development set if it lies beside the checkout, and the folder of rendered people if given."""
    # One person is an example, not a figure to hold against a goal.
    found = [Source("sample", "The sample person", lambda: [sample_subject()], has_goals=False)]
    if (DEVELOPMENT_SET / "truth.json").is_file():
        found.append(Source("development", "The development set", lambda: read_people(DEVELOPMENT_SET)))
    if people is not None:
        found.append(Source("people", "Rendered people", lambda: read_people(people)))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every source of people, print its tables, and put them into the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=main.__doc__)
    parser.add_argument("--people", type=Path, metavar="DIR", help="people that `bench.people.render random` made")
    parser.add_argument("--only", metavar="SOURCE", help="sample, development or people; all of them by default")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page whose tables are rewritten")
    parser.add_argument("--dry-run", action="store_true", help="print only, leave the page as it is")
    options = parser.parse_args(arguments)
    chosen = [source for source in sources(options.people) if options.only in (None, source.name)]
    if not chosen:
        parser.error(f"there are no people called {options.only} here")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    pipeline = AvatarPipeline.load()
    for source in chosen:
        measured = circumstances()
        content = f"{measured}\n\n{render(measure_people(pipeline, source.load()), with_goals=source.has_goals)}"
        if not options.dry_run:
            rewrite_block(options.page, source.name, content)
        sys.stdout.write(f"{source.title}\n\n{content}\n\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
