"""Rules of the whole repository that no linter holds: what is imported, what ships, what the front door promises."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

REPOSITORY = Path(__file__).resolve().parent.parent
PRODUCT = ("api", "gpu_worker", "shared", "local_stack")
HEAVY = {"torch", "mediapipe", "anny", "tensorflow", "jax"}


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def project() -> dict[str, Any]:
    content: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    return content


def imported_by(*names: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after importing these modules."""
    program = "import importlib, json, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    program += "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    ran = subprocess.run(
        [sys.executable, "-c", program, *names], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return set(json.loads(ran.stdout))


def closure(requirements: Iterable[str]) -> set[str]:
    """Names of all installed packages that these requirements pull in on this machine."""
    found: set[str] = set()
    waiting = [Requirement(line) for line in requirements]
    while waiting:
        requirement = waiting.pop()
        extras = requirement.extras or {""}
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        if name in found:
            continue
        found.add(name)
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting += [needs for line in needed if wanted(needs := Requirement(line), requirement.extras)]
    return found


def wanted(needs: Requirement, extras: set[str]) -> bool:
    if needs.marker is None:
        return True
    return any(needs.marker.evaluate({"extra": extra}) for extra in extras or {""})


class TestImports:
    @pytest.mark.parametrize("package", ["glb", "measurement", "preview"])
    def test_what_knows_only_a_body_loads_no_model(self, package: str) -> None:
        names = [dotted(path) for path in modules(f"gpu_worker/{package}")]
        assert imported_by(*names) & HEAVY == set()

    @pytest.mark.parametrize("name", ["gpu_worker.photos", "gpu_worker.rejections", "gpu_worker.pipeline"])
    def test_the_pipeline_starts_without_torch(self, name: str) -> None:
        assert "torch" not in imported_by(name)

    def test_the_embedded_body_runs_without_torch(self) -> None:
        program = (
            "import sys\n"
            "from gpu_worker.pipeline import AvatarPipeline, AvatarRequest\n"
            "from shared.person import Sex\n"
            "AvatarPipeline.load().run(AvatarRequest(height_cm=170.0, sex=Sex.FEMALE))\n"
            "sys.exit('torch' in sys.modules)\n"
        )
        ran = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr.decode()

    def test_the_command_answers_wrong_usage_without_loading_the_worker(self) -> None:
        assert imported_by("local_stack.command_line") & (HEAVY | {"numpy", "cv2", "gpu_worker"}) == set()

    def test_the_control_plane_and_the_wire_know_no_arrays(self) -> None:
        names = [dotted(path) for path in modules("api", "shared")]
        assert imported_by(*names) & (HEAVY | {"numpy", "cv2", "runpod", "gpu_worker"}) == set()

    def test_the_control_plane_never_installs_torch(self) -> None:
        described = project()["project"]
        listed = described["dependencies"] + described.get("optional-dependencies", {}).get("api", [])
        installed = closure(listed)
        assert "pydantic-core" in installed
        assert installed & {*HEAVY, "numpy", "opencv-contrib-python", "runpod"} == set()

    def test_the_worker_does_install_it(self) -> None:
        """So that the test above cannot pass because nothing is ever found."""
        assert {"torch", "numpy", "mediapipe"} <= closure(project()["project"]["optional-dependencies"]["worker"])


class TestSources:
    @pytest.mark.parametrize("path", modules(*PRODUCT, "bench", "scripts"), ids=dotted)
    def test_a_module_says_why_it_exists(self, path: Path) -> None:
        tree = ast.parse(path.read_text())
        if path.name == "__init__.py" and not tree.body:
            return
        docstring = ast.get_docstring(tree)
        assert docstring
        assert docstring.split("\n\n")[0].rstrip().endswith((".", ":"))

    @pytest.mark.parametrize("path", modules(*PRODUCT), ids=dotted)
    def test_a_module_is_short_enough_to_read(self, path: Path) -> None:
        assert len(path.read_text().splitlines()) <= 330

    def test_no_module_is_a_drawer_of_odds_and_ends(self) -> None:
        paths = modules(*PRODUCT, "bench", "scripts", "tests")
        names = {path.stem for path in paths} | {path.parent.name for path in paths}
        assert names & {"utils", "helpers", "common", "core", "misc", "base"} == set()

    def test_nothing_of_ours_is_mocked(self) -> None:
        this_file = Path(__file__).name
        for path in modules("tests"):
            if path.name != this_file:
                assert not re.search(r"unittest\.mock|mocker\b|time\.sleep", path.read_text()), path

    def test_tests_and_migrations_are_no_packages(self) -> None:
        assert list((REPOSITORY / "tests").rglob("__init__.py")) == []

    def test_everything_that_a_package_reads_at_run_time_ships_with_it(self) -> None:
        patterns = project()["tool"]["setuptools"]["package-data"]["*"]
        listed = subprocess.run(
            ["git", "ls-files", *PRODUCT],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        if listed.returncode:
            pytest.skip("not a git checkout")
        # What builds and starts the image is read by Docker, not by the package.
        data = [Path(line) for line in listed.stdout.splitlines() if not line.endswith((".py", ".sh", "Dockerfile"))]
        assert data
        assert [path for path in data if not any(path.match(pattern) for pattern in patterns)] == []


class TestFrontDoor:
    def test_make_help_lists_every_target(self) -> None:
        makefile = (REPOSITORY / "Makefile").read_text()
        (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
        shown = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        listed = re.findall(r"^\s+make (\S+)\s+\S", shown, re.MULTILINE)
        assert sorted(listed) == sorted(phony.split())
        targets = re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE)
        assert sorted(targets) == sorted(phony.split())

    def test_ci_runs_what_a_developer_runs(self) -> None:
        commands = (REPOSITORY / ".ci" / "run").read_text().splitlines()
        assert "make check" in commands
        assert "make test" in commands
        assert ".ci/run" in (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text()

    def test_the_readme_names_the_two_commands(self) -> None:
        readme = (REPOSITORY / "README.md").read_text()
        for command in ("make demo", "make test"):
            assert command in readme

    def test_every_make_command_that_a_page_names_exists(self) -> None:
        (phony,) = re.findall(r"^\.PHONY: (.+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
        pages = [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]
        for page in pages:
            for target in re.findall(r"`(?:\$ )?make ([a-z-]+)", page.read_text()):
                assert target in phony.split(), f"{page.name} names make {target}"

    def test_every_file_that_a_page_links_to_exists(self) -> None:
        for page in [REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")]:
            for link in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
                if "://" not in link and not link.startswith("mailto:"):
                    assert (page.parent / link).exists(), f"{page.name} links to {link}"

    def test_everything_is_locked(self) -> None:
        locked = {
            canonicalize_name(re.split(r"[=<>~! ;@]", line, maxsplit=1)[0])
            for line in (REPOSITORY / "requirements.lock").read_text().splitlines()
            if line and not line.startswith(("#", " ", "-"))
        }
        content = project()
        listed = [*content["project"]["dependencies"]]
        for extra in content["project"]["optional-dependencies"].values():
            listed += extra
        for group in content["dependency-groups"].values():
            listed += group
        missing = {canonicalize_name(Requirement(line).name) for line in listed} - locked
        assert missing == set()


@pytest.mark.parametrize("dockerfile", ["api/Dockerfile", "gpu_worker/Dockerfile"])
def test_every_path_that_an_image_is_built_from_exists_and_is_not_ignored(dockerfile: str) -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (REPOSITORY / dockerfile).read_text(), flags=re.MULTILINE)
    sources = [source for line in copied for source in line.split()]
    ignored = {line.rstrip("/") for line in (REPOSITORY / ".dockerignore").read_text().splitlines()}
    assert sources
    for source in sources:
        assert (REPOSITORY / source).exists(), source
        assert f"!{source}" in ignored or Path(source).parts[0] not in ignored, source


def test_the_worker_image_starts_a_module_that_exists() -> None:
    dockerfile = (REPOSITORY / "gpu_worker/Dockerfile").read_text()
    command = re.search(r'^CMD \["python", "-m", "([\w.]+)"\]$', dockerfile, re.MULTILINE)
    assert command is not None
    assert importlib.util.find_spec(command[1]) is not None
