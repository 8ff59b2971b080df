"""Command that renders people with known measurements: `python -m bench.people.render sample|fixtures|random`."""

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from bench.people.bodies import BodyModel, RestBody, dimensions_of, read_ansur
from bench.people.cast import NamedShot, fixture_shots, sample_shots
from bench.people.figures import joints_px
from bench.people.finishing import develop, distort
from bench.people.scene import render, render_mask
from bench.people.shots import Shot
from bench.people.variations import Subject, View, draw_photos, draw_subjects

LOG = logging.getLogger("bench.people")


def truth_cm(model: BodyModel, body: RestBody) -> dict[str, float]:
    """The mesh's own height, weight and girths under the names of the product's measurements."""
    found = dimensions_of(model, body)
    return {
        "height_cm": round(found["stature_mm"] / 10, 2),
        "weight_kg": round(found["mass_kg"], 2),
        "chest_girth_cm": round(found["chest_mm"] / 10, 2),
        "waist_girth_cm": round(found["waist_mm"] / 10, 2),
        "hip_girth_cm": round(found["hip_mm"] / 10, 2),
    }


def describe(model: BodyModel, named: NamedShot) -> dict[str, Any]:
    """What a photo is of: sex, age and truth of the first person in it, and all that remakes it."""
    truth = truth_cm(model, model.rest(named.shot.figures[0].shape))
    person = {"sex": named.person.sex, "age": named.person.age_years}
    return {"shows": named.shows} | person | truth | {"shot": named.shot.to_json()}


def write_photo(model: BodyModel, named: NamedShot, folder: Path) -> None:
    """Render one photo to `<folder>/<name>.jpg`."""
    started = time.perf_counter()
    path = folder / f"{named.name}.jpg"
    path.write_bytes(develop(render(model, named.shot), named.shot.finish))
    LOG.info("%s: %d kB in %.1f s", path, path.stat().st_size // 1000, time.perf_counter() - started)


def write_sample(model: BodyModel, folder: Path) -> None:
    """The sample person: two photos and sample.json with what the shopper would type in and the true girths."""
    shots = sample_shots(model)
    for named in shots:
        write_photo(model, named, folder)
    first = describe(model, shots[0])
    inputs = {name: first[name] for name in ("height_cm", "weight_kg", "sex", "age")}
    girths = {name: value for name, value in first.items() if name.endswith("girth_cm")}
    made = {"made_by": "python -m bench.people.render sample", "photos": {n.name: f"{n.name}.jpg" for n in shots}}
    _write_json(folder / "sample.json", made | inputs | {"true_measurements": girths})


def write_fixtures(model: BodyModel, folder: Path, only: Sequence[str]) -> None:
    """The tests' photos and index.json, which says what each shows. `only`: names to render again, all if empty."""
    shots = fixture_shots(model)
    unknown = set(only) - {named.name for named in shots}
    if unknown:
        raise SystemExit(f"no such fixture: {', '.join(sorted(unknown))}")
    for named in shots:
        if not only or named.name in only:
            write_photo(model, named, folder)
    _write_json(folder / "index.json", {f"{named.name}.jpg": _fixture_entry(model, named) for named in shots})


def _fixture_entry(model: BodyModel, named: NamedShot) -> dict[str, Any]:
    return {"made_by": f"python -m bench.people.render fixtures --only {named.name}"} | describe(model, named)


def write_random(model: BodyModel, options: argparse.Namespace) -> None:
    """`count` people after ANSUR II subjects, three photos each, and truth.json.

    A photo already there is kept if truth.json says that it was made from the very same shot.
    """
    people = read_ansur(options.ansur)
    truth_path = options.out / "truth.json"
    before = json.loads(truth_path.read_text(encoding="utf-8")) if truth_path.exists() else {}
    truth: dict[str, Any] = {}
    for place, subject in enumerate(draw_subjects(people, options.count, np.random.default_rng(options.seed))):
        # A generator of their own: nobody's photos depend on who was drawn before them.
        photos = draw_photos(model, subject, np.random.default_rng((options.seed, subject.number)))
        name = f"{place:03d}"
        truth[name] = json.loads(json.dumps(_person_entry(model, subject, photos)))
        for view, shot in photos.items():
            named = NamedShot(f"{name}-{view}", view, subject.dimensions, shot)
            made_before = before.get(name, {}).get("photos", {}).get(view) == truth[name]["photos"][view]
            if not made_before or not (options.out / f"{named.name}.jpg").exists():
                write_photo(model, named, options.out)
            mask_path = options.out / f"{named.name}-mask.png"
            if options.masks and not (made_before and mask_path.exists()):
                Image.fromarray(distort(render_mask(model, shot), shot.finish.lens_distortion)).save(mask_path)
        _write_json(truth_path, before | truth)
    _write_json(truth_path, truth)


def _person_entry(model: BodyModel, subject: Subject, photos: Mapping[View, Shot]) -> dict[str, Any]:
    shape = photos["front"].figures[0].shape
    who = {"sex": subject.dimensions.sex, "age": subject.dimensions.age_years} | truth_cm(model, model.rest(shape))
    drawn = {"ansur_number": subject.number, "half": subject.half, "difficulties": sorted(subject.difficulties)}
    shots = {view: {"joints_px": joints_px(model, shot), "shot": shot.to_json()} for view, shot in photos.items()}
    return who | drawn | {"photos": shots}


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main(arguments: Iterable[str] | None = None) -> int:
    """Parse the command line and render."""
    parser = argparse.ArgumentParser(prog="python -m bench.people.render", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sample = commands.add_parser("sample", help="the photos that ship with the worker")
    sample.add_argument("--out", type=Path, default=Path("gpu_worker/sample"))
    fixtures = commands.add_parser("fixtures", help="the photos of the tests")
    fixtures.add_argument("--out", type=Path, default=Path("tests/fixtures/people"))
    fixtures.add_argument("--only", nargs="*", default=[], metavar="NAME")
    crowd = commands.add_parser("random", help="people after ANSUR II subjects, for the accuracy benchmark")
    crowd.add_argument("--count", type=int, required=True)
    crowd.add_argument("--seed", type=int, default=0)
    crowd.add_argument("--ansur", type=Path, default=Path("../shared/data/ansur2"), help="folder of the two tables")
    crowd.add_argument("--masks", action="store_true", help="also write the exact outline of each person")
    crowd.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(None if arguments is None else list(arguments))

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    model = BodyModel()
    if options.command == "sample":
        write_sample(model, options.out)
    elif options.command == "fixtures":
        write_fixtures(model, options.out, options.only)
    else:
        write_random(model, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
