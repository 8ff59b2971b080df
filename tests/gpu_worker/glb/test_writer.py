"""A GLB read back by independent readers is the body that was written."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray

from gpu_worker.body.body import Body, Region, Skeleton
from gpu_worker.glb.normals import vertex_normals
from gpu_worker.glb.writer import region_name, write_glb
from tests.gpu_worker.anny_person import anny_person
from tests.gpu_worker.glb.decoded_glb import DecodedGlb
from tests.gpu_worker.glb.khronos_validator import validation_issues
from tests.gpu_worker.procedural_body import capsule_person

# Half the largest extent over 32767, halved again by rounding, along three axes; and what float32 matrices lose.
_POSITION_ERROR_M = 30e-6


@pytest.fixture(scope="module", params=["capsules", "anny"])
def body(request: pytest.FixtureRequest) -> Body:
    return capsule_person() if request.param == "capsules" else anny_person()


@pytest.fixture(scope="module")
def glb(body: Body) -> DecodedGlb:
    return DecodedGlb(write_glb(body))


def _visible_corners(body: Body, region: str) -> NDArray[np.int32]:
    chosen = body.visible_faces & (body.face_regions == Region[region.upper()])
    corners: NDArray[np.int32] = body.faces[chosen]
    return corners


def test_the_khronos_validator_has_nothing_to_object_to(glb: DecodedGlb, tmp_path: Path) -> None:
    path = tmp_path / "avatar.glb"
    path.write_bytes(glb.data)
    issues = validation_issues(path)
    # A texture coordinate is reported as unused until somebody paints the avatar.
    assert {message["code"] for message in issues["messages"]} <= {"UNUSED_OBJECT"}
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0)


def test_skinning_the_canonical_pose_gives_every_face_back_in_place(body: Body, glb: DecodedGlb) -> None:
    skinned = glb.skinned()
    for region, faces in glb.region_faces.items():
        expected = body.vertices_m[_visible_corners(body, region)]
        assert np.linalg.norm(skinned[faces] - expected, axis=2).max() < _POSITION_ERROR_M


def test_bending_the_joints_moves_the_file_as_it_moves_the_body(body: Body, glb: DecodedGlb) -> None:
    elbow, knee = ("forearm.L", "shin.R") if body.model == "capsules" else ("lowerarm01.L", "lowerleg01.R")
    bend = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, -np.sqrt(0.75)], [0.0, np.sqrt(0.75), 0.5]])
    rotations = {elbow: bend, knee: bend.T}
    posed = _linear_blend_skinning(body, rotations)
    moved = np.linalg.norm(posed - body.vertices_m, axis=1)
    assert moved.max() > 0.2
    skinned = glb.skinned(rotations)
    for region, faces in glb.region_faces.items():
        # The file keeps the four strongest joints of a vertex in steps of 1/255.
        assert np.linalg.norm(skinned[faces] - posed[_visible_corners(body, region)], axis=2).max() < 4e-3


def _linear_blend_skinning(body: Body, rotations: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    skeleton = body.skeleton
    turned, placed = np.empty((len(skeleton.names), 3, 3)), np.empty((len(skeleton.names), 3))
    for joint, (name, parent) in enumerate(zip(skeleton.names, skeleton.parents.tolist(), strict=True)):
        offset = skeleton.positions_m[joint] - (skeleton.positions_m[parent] if parent >= 0 else 0.0)
        above = turned[parent] if parent >= 0 else np.eye(3)
        placed[joint] = (placed[parent] if parent >= 0 else 0.0) + above @ offset
        turned[joint] = above @ rotations.get(name, np.eye(3))
    posed = np.zeros_like(body.vertices_m)
    for column in range(body.skin_joints.shape[1]):
        joints = body.skin_joints[:, column]
        local = body.vertices_m - skeleton.positions_m[joints]
        moved = np.einsum("nij,nj->ni", turned[joints], local) + placed[joints]
        posed += body.skin_weights[:, column, None] * moved
    return posed


def test_regions_cover_what_is_visible_and_nothing_else(body: Body, glb: DecodedGlb) -> None:
    expected = {region_name(region): int((body.face_regions[body.visible_faces] == region).sum()) for region in Region}
    assert {region: len(faces) for region, faces in glb.region_faces.items()} == expected
    assert glb.gltf.meshes[0].extras["regions"] == list(expected)
    assert sum(expected.values()) < len(body.faces)


def test_weights_sum_to_one_and_name_each_joint_once(glb: DecodedGlb) -> None:
    attributes = glb.primitives[0].attributes
    joints, weights = glb.raw(attributes.JOINTS_0), glb.raw(attributes.WEIGHTS_0)
    assert (weights.sum(axis=1) == 255).all()
    assert (joints[weights == 0] == 0).all()
    for first in range(4):
        for second in range(first + 1, 4):
            both = (weights[:, first] > 0) & (weights[:, second] > 0)
            assert (joints[both, first] != joints[both, second]).all()


def test_the_skeleton_keeps_its_shape_and_the_joints_that_move_something(body: Body, glb: DecodedGlb) -> None:
    skeleton = body.skeleton
    index = {name: joint for joint, name in enumerate(skeleton.names)}
    assert len(set(glb.joint_names)) == len(glb.joint_names)
    for name, parent, matrix in zip(glb.joint_names, glb.joint_parents, glb.joint_matrices(), strict=True):
        expected_parent = skeleton.parents[index[name]]
        assert parent == (skeleton.names[expected_parent] if expected_parent >= 0 else None)
        np.testing.assert_allclose(matrix[:3, 3], skeleton.positions_m[index[name]], atol=1e-5)
    visible_vertices = np.unique(body.faces[body.visible_faces])
    moving = body.skin_joints[visible_vertices][body.skin_weights[visible_vertices] > 0.0]
    assert {skeleton.names[joint] for joint in moving} <= set(glb.joint_names)


def test_a_joint_that_moves_only_hidden_faces_is_left_out() -> None:
    assert "jaw" in capsule_person().skeleton.names
    names = DecodedGlb(write_glb(capsule_person())).joint_names
    assert "jaw" not in names
    assert "head" in names


def test_normals_are_unit_smooth_and_the_same_on_both_sides_of_a_seam(body: Body, glb: DecodedGlb) -> None:
    written = glb.attribute("NORMAL")
    lengths = np.linalg.norm(written, axis=1, keepdims=True)
    assert np.abs(lengths - 1.0).max() < 0.007
    normals = written / lengths
    expected = vertex_normals(body.vertices_m, body.faces)
    for region, faces in glb.region_faces.items():
        cosines = np.einsum("fcx,fcx->fc", normals[faces], expected[_visible_corners(body, region)])
        assert cosines.min() > np.cos(np.radians(0.6))


def test_texture_coordinates_survive_with_v_turned_down(body: Body, glb: DecodedGlb) -> None:
    assert body.uv is not None
    assert body.face_uv is not None
    written = glb.attribute("TEXCOORD_0")
    for region, faces in glb.region_faces.items():
        chosen = body.visible_faces & (body.face_regions == Region[region.upper()])
        expected = body.uv[body.face_uv[chosen]]
        np.testing.assert_allclose(written[faces][..., 0], expected[..., 0], atol=0.51 / 65535)
        np.testing.assert_allclose(written[faces][..., 1], 1.0 - expected[..., 1], atol=0.51 / 65535)


def test_trimesh_reads_the_same_surface_and_the_same_girths(body: Body, glb: DecodedGlb, tmp_path: Path) -> None:
    path = tmp_path / "avatar.glb"
    path.write_bytes(glb.data)
    scene = trimesh.load_scene(path)
    assert len(scene.geometry) == len(glb.primitives)
    raw = scene.to_mesh()
    # trimesh shows what is stored; the root joint's matrices hold what scales it back to metres.
    to_metres = glb.joint_matrices()[0] @ glb.inverse_bind_matrices[0]
    read = trimesh.Trimesh(raw.vertices / 32767.0 @ to_metres[:3, :3].T + to_metres[:3, 3], raw.faces, process=False)
    written = trimesh.Trimesh(body.vertices_m, body.faces[body.visible_faces], process=False)
    np.testing.assert_allclose(read.bounds, written.bounds, atol=_POSITION_ERROR_M)
    assert read.area == pytest.approx(written.area, rel=1e-4)
    for height_m in (0.5, 1.0, 1.25):
        girth_m, expected_m = (_cut_length_m(mesh, height_m) for mesh in (read, written))
        assert girth_m == pytest.approx(expected_m, abs=1e-4)
        assert expected_m > 0.5


def _cut_length_m(mesh: trimesh.Trimesh, height_m: float) -> float:
    segments = trimesh.intersections.mesh_plane(mesh, (0.0, 1.0, 0.0), (0.0, height_m, 0.0))  # type: ignore[no-untyped-call]
    return float(np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1).sum())


def test_the_file_says_what_it_is(body: Body, glb: DecodedGlb) -> None:
    asset = glb.gltf.asset
    assert asset.generator == "tryon"
    assert asset.extras == {"units": "metres", "body_model": body.model}
    assert glb.gltf.extensionsRequired == ["KHR_mesh_quantization"]


def test_the_bounds_in_the_file_are_exact(glb: DecodedGlb) -> None:
    index = glb.primitives[0].attributes.POSITION
    accessor, values = glb.gltf.accessors[index], glb.raw(index)
    assert accessor.min == values.min(axis=0).tolist()
    assert accessor.max == values.max(axis=0).tolist()


def test_the_same_body_gives_the_same_bytes(body: Body, glb: DecodedGlb) -> None:
    assert write_glb(body) == glb.data


def test_an_avatar_is_quick_to_load() -> None:
    assert len(write_glb(anny_person())) <= 500_000


def test_without_texture_no_vertex_is_split() -> None:
    body = replace(capsule_person(), uv=None, face_uv=None)
    glb = DecodedGlb(write_glb(body))
    assert glb.primitives[0].attributes.TEXCOORD_0 is None
    assert len(glb.attribute("POSITION")) == len(np.unique(body.faces[body.visible_faces]))


def test_a_mesh_too_large_for_16_bit_indices_is_still_valid(tmp_path: Path) -> None:
    body = replace(capsule_person(segments=96, rings=64), uv=None, face_uv=None)
    path = tmp_path / "large.glb"
    path.write_bytes(write_glb(body))
    assert len(DecodedGlb(path.read_bytes()).attribute("POSITION")) > 65535
    assert validation_issues(path)["numErrors"] == 0


def test_a_region_without_faces_has_no_primitive() -> None:
    body = capsule_person()
    headless = replace(body, visible_faces=body.visible_faces & (body.face_regions != Region.HEAD))
    assert "head" not in DecodedGlb(write_glb(headless)).region_faces


def _with_vertex(body: Body, value: float) -> Body:
    vertices = body.vertices_m.copy()
    vertices[7, 1] = value
    return replace(body, vertices_m=vertices)


def _with_many_joints(body: Body) -> Body:
    # Every vertex is moved by a joint of its own, so that none can be left out.
    count = len(body.vertices_m)
    names = tuple(f"joint {joint}" for joint in range(count))
    parents = np.arange(-1, count - 1, dtype=np.int32)
    return replace(
        body,
        skeleton=Skeleton(names, np.minimum(parents, 0), body.vertices_m),
        skin_joints=np.arange(count, dtype=np.int32)[:, None],
        skin_weights=np.ones((count, 1)),
    )


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (_with_vertex(capsule_person(), np.nan), "not finite"),
        (_with_vertex(capsule_person(), np.inf), "not finite"),
        (replace(capsule_person(), visible_faces=np.zeros_like(capsule_person().visible_faces)), "no visible face"),
        (replace(capsule_person(), uv=np.full_like(capsule_person().uv, 1.5)), "texture coordinates"),
        (replace(capsule_person(), skin_weights=np.zeros_like(capsule_person().skin_weights)), "no joint moves"),
        (replace(capsule_person(), vertices_m=np.zeros_like(capsule_person().vertices_m)), "no extent"),
        (_with_many_joints(capsule_person()), "joints do not fit"),
    ],
)
def test_a_body_that_cannot_be_drawn_is_refused(broken: Body, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        write_glb(broken)
