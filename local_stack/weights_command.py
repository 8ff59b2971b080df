"""`tryon weights`: turns licensed files that the operator brought into weights a worker can load, and checks them."""

import argparse
import sys
from pathlib import Path

EXIT_DONE, EXIT_OUR_FAULT, EXIT_REFUSED = 0, 1, 3


def add_to(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Define the subcommand and its own two."""
    parser = subcommands.add_parser("weights", help="convert and check the weights of the GPU path")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    convert = actions.add_parser(
        "convert",
        help="turn a checkpoint of 4D-Humans and an SMPL model into safetensors and npz",
        description="Runs nothing from the files and fetches nothing. The licences of both are yours to have.",
    )
    convert.add_argument("--hmr2", type=Path, metavar="CKPT", help="the Lightning checkpoint of 4D-Humans")
    convert.add_argument("--smpl", type=Path, metavar="PKL", help="the neutral SMPL model")
    convert.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the converted files go")
    convert.set_defaults(run=_convert, fail=convert.error)
    check = actions.add_parser("check", help="say whether the weights are there and whole, and what is missing")
    check.add_argument("--dir", type=Path, required=True, metavar="DIR", dest="folder")
    check.set_defaults(run=_check, fail=check.error)


def _convert(arguments: argparse.Namespace) -> int:
    sources = [source for source in (arguments.hmr2, arguments.smpl) if source is not None]
    if not sources:
        arguments.fail("give --hmr2, --smpl or both")
    for source in sources:
        if not source.is_file():
            arguments.fail(f"there is no file {source}")
    if arguments.out.exists() and not arguments.out.is_dir():
        arguments.fail(f"{arguments.out} is a file, not a folder")
    # Loading torch takes seconds, so wrong usage is answered before it.
    from gpu_worker.weights.conversion import convert_hmr2, convert_smpl
    from gpu_worker.weights.faults import WeightsRefused, WeightsUnusable

    for source, convert in ((arguments.hmr2, convert_hmr2), (arguments.smpl, convert_smpl)):
        if source is None:
            continue
        try:
            written = convert(source, arguments.out)
        except WeightsRefused as refusal:
            sys.stderr.write(f"{source} was refused: {refusal}\n")
            return EXIT_REFUSED
        except WeightsUnusable as fault:
            sys.stderr.write(f"{fault}\n")
            return EXIT_REFUSED
        except OSError as error:
            sys.stderr.write(f"{error}\n")
            return EXIT_OUR_FAULT
        sys.stdout.write(f"{written}\n")
    return EXIT_DONE


def _check(arguments: argparse.Namespace) -> int:
    from gpu_worker.weights.manifest import find_problems

    problems = find_problems(arguments.folder)
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if problems:
        return EXIT_REFUSED
    sys.stdout.write("All weights are there and whole.\n")
    return EXIT_DONE
