"""The named photos that ship with the project: the sample people try first, and the fixtures of the tests."""

from dataclasses import dataclass, replace

from bench.people.bodies import BodyModel, Dimensions, Shape, fit_shape
from bench.people.clothing import Outfit
from bench.people.looks import HAIR_COLOURS, SKIN_TONES, Look
from bench.people.posing import HAND_ON_HIP, Arm, Pose
from bench.people.shots import Camera, Figure, Finish, Light, Room, Shot, frame

SIDE_ARM = Arm(out_deg=9.0, forward_deg=12.0, forearm_out_deg=6.0, forearm_forward_deg=24.0)
SIDE_POSE = Pose(left_arm=SIDE_ARM, right_arm=SIDE_ARM)
WOMAN = Dimensions("female", 31, 1680, 64.0, 950, 780, 1000, 590, 780)
MAN = Dimensions("male", 44, 1810, 92.0, 1080, 985, 1070, 620, 850)
SMALL = Finish(width_px=600, height_px=800, noise=1.0, jpeg_quality=80)


@dataclass(frozen=True)
class NamedShot:
    """A photo with a name. shows: what is in it, in words; person: whose dimensions are its truth."""

    name: str
    shows: str
    person: Dimensions
    shot: Shot


def sample_shots(model: BodyModel) -> list[NamedShot]:
    """Front and side photo of the person who ships with the project."""
    figure = _woman(model)
    light = Light(key_strength=1.15, key_side=-0.8, key_size_m=2.0, warmth=0.15, exposure_stops=0.3)
    room = Room(wall_colour=(0.86, 0.83, 0.78), clutter=2, clutter_reach_m=1.15, seed=8, wall_distance_m=1.3)
    finish = Finish(noise=1.0, jpeg_quality=84)
    front_camera = Camera(vertical_fov_deg=52.0, height_m=1.3, x_m=0.04, aim_x_m=0.02, roll_deg=0.4)
    side_camera = Camera(vertical_fov_deg=52.0, height_m=1.25, x_m=-0.05, aim_x_m=0.0, roll_deg=-0.3)
    stature_m = WOMAN.stature_mm / 1000
    front = Shot((figure,), frame(front_camera, stature_m, fill=0.8), light, room, finish)
    aside = replace(figure, pose=SIDE_POSE, facing_deg=88.0)
    side = Shot((aside,), frame(side_camera, stature_m, fill=0.8), light, room, finish)
    return [
        NamedShot("front", "the sample person from the front", WOMAN, front),
        NamedShot("side", "the sample person from their right side", WOMAN, side),
    ]


def fixture_shots(model: BodyModel) -> list[NamedShot]:
    """The photos of the tests: a good pair, and one photo for each thing that can be wrong."""
    return [*_man_fixtures(model), *_woman_fixtures(model)]


def _man_fixtures(model: BodyModel) -> list[NamedShot]:
    man, woman = _man(model), _woman(model)
    camera = frame(Camera(vertical_fov_deg=58.0, height_m=1.4, x_m=-0.06), 1.81, fill=0.82)
    room = Room(wall_colour=(0.62, 0.68, 0.72), floor_colour=(0.5, 0.45, 0.4))
    good = Shot((man,), camera, Light(key_side=0.6), room, SMALL)
    aside = replace(man, pose=SIDE_POSE, facing_deg=-92.0)
    hoodie = Outfit(top="hoodie", bottom="loose_trousers", top_colour=(0.4, 0.42, 0.45), bottom_colour=(0.2, 0.22, 0.3))
    beside = replace(man, x_m=0.42, y_m=0.1), replace(woman, x_m=-0.42)
    wide_camera = frame(Camera(vertical_fov_deg=58.0, height_m=1.3), 1.81, fill=0.72)
    gloom = Light(key_strength=0.5, key_side=0.6, exposure_stops=-4.0)
    shots = {
        "man-front": ("a man from the front, nothing wrong", good),
        "man-side": ("the same man from his left side, nothing wrong", replace(good, figures=(aside,))),
        "two-people": (
            "a man and a woman side by side; the truth is the man's",
            replace(good, figures=beside, camera=wide_camera),
        ),
        "dark": ("a man in a very dark room", replace(good, light=gloom, finish=replace(SMALL, noise=3.0))),
        "blurred": ("a man, out of focus", replace(good, finish=replace(SMALL, blur_px=4.0))),
        "hoodie": (
            "a man in a hoodie and wide trousers",
            replace(good, figures=(replace(man, outfit=hoodie),)),
        ),
    }
    return [NamedShot(name, shows, MAN, shot) for name, (shows, shot) in shots.items()]


def _woman_fixtures(model: BodyModel) -> list[NamedShot]:
    woman = _woman(model)
    camera = frame(Camera(vertical_fov_deg=56.0, height_m=1.1, x_m=0.05), 1.68, fill=0.8)
    room = Room(wall_colour=(0.8, 0.76, 0.7), floor="tiles", floor_colour=(0.75, 0.72, 0.68))
    good = Shot((woman,), camera, Light(), room, SMALL)
    hanging = Arm(out_deg=7.0, forward_deg=4.0, forearm_out_deg=5.0, forearm_forward_deg=12.0)
    arms_in = Pose(left_arm=hanging, right_arm=hanging, keep_arms_clear=False)
    on_hips = Pose(left_arm=HAND_ON_HIP, right_arm=HAND_ON_HIP, keep_arms_clear=False)
    dress = Outfit(top="t_shirt", bottom="wide_dress", top_colour=(0.5, 0.2, 0.28))
    above_knees = Camera(vertical_fov_deg=56.0, height_m=1.3, distance_m=1.55, aim_z_m=1.17)
    below_chin = Camera(vertical_fov_deg=56.0, height_m=0.9, distance_m=1.9, aim_z_m=0.5)

    def with_woman(figure: Figure) -> Shot:
        return replace(good, figures=(figure,))

    shots = {
        "turned-away": ("a woman with her back to the camera", with_woman(replace(woman, facing_deg=180.0))),
        "hands-on-hips": ("a woman with both hands on her hips", with_woman(replace(woman, pose=on_hips))),
        "arms-against-trunk": ("a woman with her arms hanging close", with_woman(replace(woman, pose=arms_in))),
        "cut-at-knees": ("a woman whose legs leave the picture at the knees", replace(good, camera=above_knees)),
        "cut-at-head": ("a woman whose head is outside the picture", replace(good, camera=below_chin)),
        "wide-dress": ("a woman in a wide dress", with_woman(replace(woman, outfit=dress))),
    }
    return [NamedShot(name, shows, WOMAN, shot) for name, (shows, shot) in shots.items()]


def _woman(model: BodyModel) -> Figure:
    return Figure(
        fit_shape(model, WOMAN, Shape({"caucasian": 0.5, "asian": 0.25, "african": 0.25})),
        Look(skin=SKIN_TONES[2], hair="bun", hair_colour=HAIR_COLOURS[1]),
        Outfit(top="t_shirt", top_colour=(0.2, 0.47, 0.5), bottom_colour=(0.16, 0.17, 0.24)),
    )


def _man(model: BodyModel) -> Figure:
    arm = Arm(out_deg=26.0, forearm_out_deg=20.0)
    return Figure(
        fit_shape(model, MAN, Shape({"caucasian": 0.1, "asian": 0.1, "african": 0.8})),
        Look(skin=SKIN_TONES[4], hair="cropped", hair_colour=HAIR_COLOURS[0]),
        Outfit(top="tank_top", bottom="shorts", top_colour=(0.78, 0.76, 0.72), bottom_colour=(0.25, 0.3, 0.42)),
        Pose(left_arm=arm, right_arm=arm, stance_deg=0.0),
    )
