"""The `tryon` command: one subcommand a job, exit status 0, 1 (our fault), 2 (wrong usage) or 3 (input refused).

130 tells that Ctrl-C ended it, as it does of every command in a shell.
"""

import argparse
import sys
from io import TextIOWrapper

from local_stack import avatar_command, demo_command, stack_commands, weights_command

EXIT_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run `tryon` with these arguments (the process's own by default) and answer its exit status."""
    parser = argparse.ArgumentParser(prog="tryon", description="A virtual fitting room you can host.")
    subcommands = parser.add_subparsers(required=True, metavar="COMMAND")
    avatar_command.add_to(subcommands)
    demo_command.add_to(subcommands)
    stack_commands.add_to(subcommands)
    weights_command.add_to(subcommands)
    chosen = parser.parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal that does not know a character, such as \u00b1, shows a question mark instead of failing.
        sys.stdout.reconfigure(errors="replace")
    try:
        status: int = chosen.run(chosen)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return EXIT_INTERRUPTED
    return status


if __name__ == "__main__":
    sys.exit(main())
