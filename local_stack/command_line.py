"""The `tryon` command: one subcommand a job, exit status 0, 1 (our fault), 2 (wrong usage) or 3 (input refused)."""

import argparse
import sys

from local_stack import avatar_command, weights_command


def main(arguments: list[str] | None = None) -> int:
    """Run `tryon` with these arguments (the process's own by default) and answer its exit status."""
    parser = argparse.ArgumentParser(prog="tryon", description="A virtual fitting room you can host.")
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")
    avatar_command.add_to(subcommands)
    weights_command.add_to(subcommands)
    chosen = parser.parse_args(arguments)
    status: int = chosen.run(chosen)
    return status


if __name__ == "__main__":
    sys.exit(main())
