"""`tryon avatar`: photos and figures in, a folder with the avatar, its measurements and pictures out."""

import argparse
import json
import logging
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from local_stack.measurement_table import measurement_lines
from local_stack.progress_display import ProgressDisplay
from shared.person import AGE_RANGE_YEARS, Sex
from shared.rejections import WARNING_ADVICE

if TYPE_CHECKING:
    from gpu_worker.pipeline import AvatarFiles, AvatarRequest

EXIT_DONE, EXIT_OUR_FAULT, EXIT_USAGE, EXIT_REFUSED = 0, 1, 2, 3

_OVERLAYS = frozenset({"overlay-front.png", "overlay-side.png"})

_log = logging.getLogger(__name__)


def add_to(subcommands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Define the subcommand."""
    parser = subcommands.add_parser(
        "avatar",
        help="turn one or two photos, or none, into a measured avatar",
        description="Writes avatar.glb, measurements.json, body.npz, preview.png and an overlay of each photo. "
        "Without a photo, give at least a weight or a sex. Nothing is sent anywhere.",
    )
    parser.add_argument("--front", type=Path, metavar="PHOTO", help="you, facing the camera, from head to feet")
    parser.add_argument("--side", type=Path, metavar="PHOTO", help="you, turned a quarter to the side")
    parser.add_argument("--height-cm", type=_number, metavar="CM", help="your height without shoes")
    parser.add_argument("--weight-kg", type=_number, metavar="KG", help="makes every girth more exact")
    parser.add_argument("--sex", type=_sex, metavar="female|male")
    parser.add_argument("--age", type=_adult_age, metavar="YEARS")
    parser.add_argument("--sample", action="store_true", help="use the photos and figures that ship with the program")
    parser.add_argument("--out", type=_folder, required=True, metavar="DIR", help="where the files go")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    parser.set_defaults(run=_run, fail=parser.error)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def _sex(text: str) -> Sex:
    try:
        return Sex(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(Sex)}; leave it out if unsure") from error


def _adult_age(text: str) -> float:
    value = _number(text)
    if not AGE_RANGE_YEARS[0] <= value <= AGE_RANGE_YEARS[1]:
        raise argparse.ArgumentTypeError(f"give an age between {AGE_RANGE_YEARS[0]} and {AGE_RANGE_YEARS[1]}")
    return value


def _run(arguments: argparse.Namespace) -> int:
    _check_usage(arguments)
    # Loading the worker takes seconds, so wrong usage is answered before it.
    from gpu_worker.rejections import PhotoRejected

    try:
        with ProgressDisplay(quiet=arguments.json) as display:
            made = _make(arguments, display)
        _keep(made.files, arguments.out)
    except PhotoRejected as refusal:
        sys.stderr.write(json.dumps({"reason": refusal.reason, "advice": refusal.advice}) + "\n")
        return EXIT_REFUSED
    except Exception:
        _log.exception("tryon avatar failed")
        sys.stderr.write("Something went wrong on our side. Nothing was kept.\n")
        return EXIT_OUR_FAULT
    _tell(_summary(made, arguments.out, as_json=arguments.json))
    return EXIT_DONE


def _tell(summary: str) -> None:
    """Print it; a reader that has had enough, such as `head`, is no failure: the files are kept by now."""
    try:
        sys.stdout.write(summary)
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end, which would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _folder(text: str) -> Path:
    # Path("") is the current folder, which nobody who wrote --out "$UNSET" means.
    if not text:
        raise argparse.ArgumentTypeError("give a folder")
    return Path(text)


def _check_usage(arguments: argparse.Namespace) -> None:
    """Exits with status 2 and a sentence where the arguments do not make a request."""
    mistake = _usage_mistake(arguments) or _folder_mistake(arguments.out)
    if mistake is not None:
        arguments.fail(mistake)


def _usage_mistake(arguments: argparse.Namespace) -> str | None:
    photos = [photo for photo in (arguments.front, arguments.side) if photo is not None]
    told = (arguments.height_cm, arguments.weight_kg, arguments.sex, arguments.age)
    figures = [figure for figure in told if figure is not None]
    if arguments.sample:
        return "--sample brings its own photos and figures" if photos or figures else None
    if arguments.height_cm is None:
        return "--height-cm is needed: nothing in a photo tells how tall you are"
    if not photos and arguments.weight_kg is None and arguments.sex is None:
        return "without a photo, give --weight-kg or --sex"
    return next((mistake for mistake in map(_photo_mistake, photos) if mistake), None)


def _folder_mistake(folder: Path) -> str | None:
    try:
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        return f"{folder} cannot be written to: {error.strerror}"
    if not nearest.is_dir():
        return f"{nearest} is a file, not a folder"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"{nearest} cannot be written to"
    return None


def _photo_mistake(photo: Path) -> str | None:
    try:
        if photo.exists() and not photo.is_file():
            return f"{photo} is {'a folder' if photo.is_dir() else 'no file'}, not a photo"
        photo.open("rb").close()
    except FileNotFoundError:
        return f"there is no file {photo}"
    except OSError as error:
        return f"{photo} cannot be read: {error.strerror}"
    return None


def _make(arguments: argparse.Namespace, display: ProgressDisplay) -> "AvatarFiles":
    from gpu_worker.pipeline import AvatarPipeline

    request = _request(arguments)
    display.say("Loading the models")
    pipeline = AvatarPipeline.load(announce=display.say)
    return pipeline.run(request, progress=display.stage)


def _request(arguments: argparse.Namespace) -> "AvatarRequest":
    from gpu_worker.photos import MAXIMUM_FILE_BYTES
    from gpu_worker.pipeline import AvatarRequest

    if arguments.sample:
        sample = files("gpu_worker.sample")
        told = json.loads(sample.joinpath("sample.json").read_text())
        return AvatarRequest(
            front=sample.joinpath("front.jpg").read_bytes(),
            side=sample.joinpath("side.jpg").read_bytes(),
            height_cm=told["height_cm"],
            weight_kg=told["weight_kg"],
            sex=Sex(told["sex"]),
            age_years=float(told["age"]),
        )

    def photo(path: Path | None) -> bytes | None:
        if path is None:
            return None
        with path.open("rb") as stream:
            return stream.read(MAXIMUM_FILE_BYTES + 1)

    return AvatarRequest(
        front=photo(arguments.front),
        side=photo(arguments.side),
        height_cm=arguments.height_cm,
        weight_kg=arguments.weight_kg,
        sex=arguments.sex,
        age_years=arguments.age,
    )


def _keep(made: Mapping[str, bytes], folder: Path) -> None:
    """Write all the files or none: they are written aside, then moved into place. Other files in the folder stay."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # Inside the folder, because it may be a mount of its own, from beside which nothing can be moved into it.
        aside = Path(tempfile.mkdtemp(dir=folder, prefix=".unfinished-"))
        try:
            for name, content in made.items():
                (aside / name).write_bytes(content)
            _check_replaceable(made, folder)
            for name in made:
                (aside / name).replace(folder / name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    except BaseException:
        if is_new:
            folder.rmdir()
        raise
    # An overlay that an earlier run left would pass for one of this person.
    for name in _OVERLAYS - made.keys():
        (folder / name).unlink(missing_ok=True)


def _check_replaceable(made: Mapping[str, bytes], folder: Path) -> None:
    for name in made:
        if (folder / name).is_dir():
            raise IsADirectoryError(f"{folder / name} is in the way")


def _summary(made: "AvatarFiles", folder: Path, *, as_json: bool) -> str:
    if as_json:
        paths = {name: str(folder / name) for name in made.files}
        return json.dumps({"files": paths, **json.loads(made.files["measurements.json"])}) + "\n"
    lines = measurement_lines({key: (each.value, each.error_p90) for key, each in made.measurements.items()})
    lines += [f"Note: {WARNING_ADVICE[reason]}" for reason in made.warnings]
    lines.append(f"The avatar and its files are in {folder}:")
    lines += [f"  {name}" for name in made.files]
    return "\n".join(lines) + "\n"
