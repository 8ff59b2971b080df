"""Random people and photos of them, drawn from ANSUR II subjects: plain ones, and ones with what makes photos hard."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from bench.people.bodies import BodyModel, Dimensions, draw_character, fit_shape
from bench.people.clothing import Bottom, Colour, Outfit, Top
from bench.people.looks import HAIR_COLOURS, SKIN_TONES, Hair, Look
from bench.people.posing import Arm, Pose
from bench.people.shots import Camera, Figure, Finish, Light, Room, Shot, frame

Difficulty = Literal["clutter", "hair", "loose_clothes", "slouch", "phone_lens", "unmodelled_shape"]
View = Literal["front", "side", "front-again"]
DIFFICULTIES: tuple[Difficulty, ...] = get_args(Difficulty)


@dataclass(frozen=True)
class Subject:
    """A person to render. number: their place in `read_ansur`'s list, by which sets of people are kept apart."""

    number: int
    dimensions: Dimensions
    difficulties: frozenset[Difficulty]
    half: Literal["tuning", "test"]


def draw_subjects(people: Sequence[Dimensions], count: int, random: np.random.Generator) -> list[Subject]:
    """As many women as men, one from each of equal bands of body mass index, half of them with difficulties.

    Sexes, difficulties and the tuning and test halves are crossed, so that each combination has its share.
    """
    chosen: list[list[int]] = []
    for sex in ("female", "male"):
        numbers = [number for number, person in enumerate(people) if person.sex == sex]
        numbers.sort(key=lambda number: people[number].mass_kg / people[number].stature_mm ** 2)
        bands = np.array_split(np.array(numbers), (count + 1) // 2)
        chosen.append([int(random.choice(band)) for band in random.permutation(np.array(bands, dtype=object))])
    subjects = []
    for place in range(count):
        number = chosen[place % 2][place // 2]
        hard = place // 4 % 2 == 1
        subjects.append(
            Subject(
                number,
                people[number],
                _draw_difficulties(place, random) if hard else frozenset(),
                "tuning" if place // 2 % 2 == 0 else "test",
            )
        )
    return subjects


def _draw_difficulties(place: int, random: np.random.Generator) -> frozenset[Difficulty]:
    """One that comes round in turn, so that none is left out, and up to two more."""
    others = random.permutation(len(DIFFICULTIES))[: int(random.integers(0, 3))]
    rank = place // 8 * 4 + place % 4
    # Women and men start half a round apart, so that both halves of the people meet every difficulty.
    turn = (rank // 2 + rank % 2 * 3) % len(DIFFICULTIES)
    return frozenset({DIFFICULTIES[turn]} | {DIFFICULTIES[other] for other in others})


def draw_photos(model: BodyModel, subject: Subject, random: np.random.Generator) -> dict[View, Shot]:
    """Front, side, and a second front photo from another distance with the arms held otherwise."""
    figure = _draw_figure(model, subject, random)
    light, room, lens = _draw_light(random), _draw_room(subject, random), _draw_lens(subject, random)
    stature_m = subject.dimensions.stature_mm / 1000

    def shot(figure: Figure, fill: float) -> Shot:
        return Shot((figure,), _draw_camera(subject, stature_m, fill, random), light, room, lens)

    again = replace(figure, pose=_draw_pose(subject, random), facing_deg=float(random.normal(0, 2)))
    quarter = float(random.choice((-90.0, 90.0)) + random.normal(0, 3))
    aside = replace(figure, pose=_draw_side_pose(subject, random), facing_deg=round(quarter, 2))
    return {
        "front": shot(figure, float(random.uniform(0.76, 0.86))),
        "side": shot(aside, float(random.uniform(0.74, 0.86))),
        "front-again": shot(again, float(random.uniform(0.58, 0.7))),
    }


def _draw_figure(model: BodyModel, subject: Subject, random: np.random.Generator) -> Figure:
    odd = "unmodelled_shape" in subject.difficulties
    character = draw_character(random, strength=0.4 if odd else 0.1, asymmetry=0.25 if odd else 0.05)
    shape = fit_shape(model, subject.dimensions, character)
    tone = np.clip(round(5 * character.phenotypes["african"] + random.normal(0.5, 0.7)), 0, 5)
    look = Look(
        skin=SKIN_TONES[int(tone)],
        hair=_draw_hair(subject, random),
        hair_colour=HAIR_COLOURS[int(random.integers(0, 2 if tone > 2 else len(HAIR_COLOURS)))],
    )
    facing = round(float(random.normal(0, 2)), 2)
    return Figure(shape, look, _draw_outfit(subject, random), _draw_pose(subject, random), facing)


def _draw_hair(subject: Subject, random: np.random.Generator) -> Hair:
    woman = subject.dimensions.sex == "female"
    full: tuple[Hair, ...] = ("bob", "long", "afro") if woman else ("afro", "long")
    close: tuple[Hair, ...] = ("short", "bun") if woman else ("bald", "cropped", "short")
    choices = full if "hair" in subject.difficulties else close
    return choices[int(random.integers(len(choices)))]


def _draw_outfit(subject: Subject, random: np.random.Generator) -> Outfit:
    woman = subject.dimensions.sex == "female"
    tops: tuple[Top, ...] = ("t_shirt", "tank_top", "long_sleeve")
    if woman:
        tops += ("bra_top",)
    bottoms: tuple[Bottom, ...] = ("leggings", "shorts", "briefs")
    if "loose_clothes" in subject.difficulties:
        tops, bottoms = ("loose_t_shirt", "hoodie"), ("loose_trousers", "leggings")
        if woman and random.uniform() < 0.3:
            tops, bottoms = ("t_shirt",), ("wide_dress",)
    return Outfit(
        top=tops[int(random.integers(len(tops)))],
        bottom=bottoms[int(random.integers(len(bottoms)))],
        top_colour=_draw_colour(random),
        bottom_colour=_draw_colour(random),
        socks=bool(random.uniform() < 0.3),
        looseness=round(float(random.uniform(0.6, 1.3)), 3),
    )


def _draw_pose(subject: Subject, random: np.random.Generator) -> Pose:
    out = random.uniform(14, 36)

    def arm() -> Arm:
        upper = out + random.normal(0, 2.5)
        forward = random.normal(2, 3)
        return Arm(
            round(float(upper), 2),
            round(float(forward), 2),
            round(float(upper - random.uniform(2, 10)), 2),
            round(float(forward + random.uniform(4, 16)), 2),
        )

    return Pose(
        left_arm=arm(),
        right_arm=arm(),
        stance_deg=round(float(random.uniform(-3.5, 4)), 2),
        slouch_deg=_draw_slouch(subject, random),
        lean_deg=round(float(random.normal(0, 0.8)), 2),
        head_turn_deg=round(float(random.normal(0, 4)), 2),
        head_nod_deg=round(float(random.normal(2, 3)), 2),
        finger_curl_deg=round(float(random.uniform(6, 26)), 2),
    )


def _draw_side_pose(subject: Subject, random: np.random.Generator) -> Pose:
    forward = random.uniform(2, 22)

    def arm() -> Arm:
        swing = forward + random.normal(0, 3)
        return Arm(9.0, round(float(swing), 2), 6.0, round(float(swing + random.uniform(4, 14)), 2))

    return replace(_draw_pose(subject, random), left_arm=arm(), right_arm=arm(), lean_deg=0.0)


def _draw_slouch(subject: Subject, random: np.random.Generator) -> float:
    return round(float(random.uniform(10, 22) if "slouch" in subject.difficulties else random.normal(1, 1.5)), 2)


def _draw_camera(subject: Subject, stature_m: float, fill: float, random: np.random.Generator) -> Camera:
    wide = "phone_lens" in subject.difficulties
    camera = Camera(
        vertical_fov_deg=round(float(random.uniform(62, 70) if wide else random.uniform(48, 64)), 2),
        height_m=round(float(random.uniform(0.9, 1.55)), 3),
        x_m=round(float(random.normal(0, 0.08)), 3),
        aim_x_m=round(float(random.normal(0, 0.05)), 3),
        roll_deg=round(float(random.normal(0, 0.8)), 2),
    )
    return frame(camera, stature_m, fill=fill, sink=round(float(random.normal(0, 0.015)), 4))


def _draw_lens(subject: Subject, random: np.random.Generator) -> Finish:
    bent = -float(random.uniform(0.03, 0.07)) if "phone_lens" in subject.difficulties else 0.0
    return Finish(
        lens_distortion=round(bent, 4),
        noise=round(float(random.uniform(0.6, 3.5)), 2),
        blur_px=round(float(random.uniform(0, 0.7)), 2),
        jpeg_quality=int(random.integers(75, 93)),
    )


def _draw_light(random: np.random.Generator) -> Light:
    return Light(
        key_strength=round(float(random.uniform(0.4, 1.8)), 3),
        key_side=round(float(random.uniform(-1.2, 1.2)), 3),
        key_size_m=round(float(random.uniform(0.6, 2.4)), 3),
        ambient_strength=round(float(random.uniform(0.6, 1.3)), 3),
        warmth=round(float(random.uniform(-0.6, 1.0)), 3),
        exposure_stops=round(float(random.normal(0.1, 0.35)), 3),
    )


def _draw_room(subject: Subject, random: np.random.Generator) -> Room:
    cluttered = "clutter" in subject.difficulties
    walls: tuple[Literal["paint", "brick", "stripes"], ...] = ("paint", "brick", "stripes")
    floors: tuple[Literal["wood", "tiles", "carpet"], ...] = ("wood", "tiles", "carpet")
    return Room(
        wall=walls[int(random.integers(3))] if cluttered else "paint",
        wall_colour=_draw_colour(random, low=0.45),
        floor=floors[int(random.integers(3))],
        floor_colour=_draw_colour(random),
        wall_distance_m=round(float(random.uniform(0.8, 2.0)), 3),
        clutter=int(random.integers(4, 7)) if cluttered else int(random.integers(0, 2)) * 2,
        seed=int(random.integers(2**31)),
    )


def _draw_colour(random: np.random.Generator, *, low: float = 0.1) -> Colour:
    base = random.uniform(low, 0.85)
    red, green, blue = np.round(np.clip(base + random.normal(0, 0.09, 3), 0.03, 0.95), 3).tolist()
    return (red, green, blue)
