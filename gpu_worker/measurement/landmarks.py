"""Where the tailor's landmarks lie on each body model: vertex ids with their source, and names of joints.

One entry a body model, keyed by `Body.model`; a new model is one more entry in `LANDMARKS`.

Sources for Anny. Its mesh is MakeHuman's base mesh (CC0) less 16 + 16 nipple vertices, so ids are written here as
base-mesh ids, which MakeHuman's own files and `anny.anthropometry` use too, and turned into Anny's by `_anny`.
- Waist loop: `BASE_MESH_WAIST_VERTICES` of `anny.anthropometry` (Anny 0.6.2, Apache-2.0).
- Bust points: the ring of vertices that Anny closes with new faces after taking the nipples away
  (`get_edited_mesh_faces` in `anny.models.full_model`), found again on renders of the body.
- Everything else was found on the mesh: over 48 bodies of both sexes, thin to heavy, the vertex that is most often the
  extreme one (olecranon, wrist bone, crotch, occiput), or, for the acromion, C7 and the kneecap, the vertex whose
  height and breadth keep the proportions to stature of ANSUR II (acromial height 0.820, biacromial breadth 0.237 men
  and 0.224 women, cervicale height 0.864 and 0.857, mid-patella height 0.278 and 0.276). MakeHuman's own rulers put
  nape and shoulder lower and further in (1491, 8274); the rig's knee joint lies 2 to 3 cm above the kneecap's centre.
- Throat: the lowest vertex of the front midline from which a plane perpendicular to the neck still clears the trapezius
  of muscular bodies; two rows further down it adds up to 14 cm.
"""

from dataclasses import dataclass

import numpy as np

from gpu_worker.measurement.geometry import IndexArray


@dataclass(frozen=True)
class Side:
    """Landmarks of the person's left or right. Vertex ids, and the names of joints in the skeleton."""

    acromion: int
    olecranon: int
    wrist_bone: int
    kneecap: int
    shoulder_joint: str
    elbow_joint: str
    wrist_joint: str
    hip_joint: str
    knee_joint: str
    ankle_joint: str


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Vertex ids of one body model.

    bust_points, below_breast, waist: (k,) vertices whose mean height is the level of the bust points, of the tape just
    under the breasts, of the waist. nape: the seventh cervical vertebra. throat: the midline just below the Adam's
    apple. forehead: the midline above the brow ridges. occiput: the rearmost point of the head. crotch: (k,) vertices
    along the midline between the legs, the lowest of which is the crotch.
    """

    bust_points: IndexArray
    below_breast: IndexArray
    waist: IndexArray
    nape: int
    throat: int
    forehead: int
    occiput: int
    crotch: IndexArray
    neck_joint: str
    head_joint: str
    left: Side
    right: Side


def _anny(*base_mesh_ids: int) -> IndexArray:
    """Anny's vertex ids of body vertices of MakeHuman's base mesh, which lacks 1778-1793 and 8450-8465 in Anny."""
    ids = np.array(base_mesh_ids, dtype=np.int32)
    missing_before = 16 * (ids >= 1794) + 16 * (ids >= 8466)
    return np.subtract(ids, missing_before, dtype=np.int32)


def _anny_side(suffix: str, *, acromion: int, olecranon: int, wrist_bone: int, kneecap: int) -> Side:
    return Side(
        acromion=int(_anny(acromion)[0]),
        olecranon=int(_anny(olecranon)[0]),
        wrist_bone=int(_anny(wrist_bone)[0]),
        kneecap=int(_anny(kneecap)[0]),
        shoulder_joint=f"upperarm01.{suffix}",
        elbow_joint=f"lowerarm01.{suffix}",
        wrist_joint=f"wrist.{suffix}",
        hip_joint=f"upperleg01.{suffix}",
        knee_joint=f"lowerleg01.{suffix}",
        ankle_joint=f"foot.{suffix}",
    )


# fmt: off
_ANNY_WAIST = _anny(
    4121, 10763, 10760, 10757, 10777, 10776, 10779, 10780, 10778, 10781, 10771, 10773, 10772, 10775, 10774, 10814,
    10834, 10816, 10817, 10818, 10819, 10820, 10821, 4181, 4180, 4179, 4178, 4177, 4176, 4175, 4196, 4173, 4131, 4132,
    4129, 4130, 4128, 4138, 4135, 4137, 4136, 4133, 4134, 4108, 4113, 4118,
)
# fmt: on

LANDMARKS: dict[str, Landmarks] = {
    "anny": Landmarks(
        bust_points=_anny(*range(1762, 1778), *range(8434, 8450)),
        below_breast=_anny(4073, 10725),
        waist=_ANNY_WAIST,
        nape=int(_anny(857)[0]),
        throat=int(_anny(791)[0]),
        forehead=int(_anny(5320)[0]),
        occiput=int(_anny(962)[0]),
        crotch=_anny(4370, 4372, 6431, 4374, 4376),
        neck_joint="neck01",
        head_joint="head",
        left=_anny_side("L", acromion=8275, olecranon=10042, wrist_bone=10569, kneecap=11242),
        right=_anny_side("R", acromion=1603, olecranon=3374, wrist_bone=3904, kneecap=4624),
    ),
}
