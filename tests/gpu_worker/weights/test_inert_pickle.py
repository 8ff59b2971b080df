"""Hostile pickles run nothing; harmless ones keep what they hold."""

import io
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gpu_worker.weights.faults import WeightsRefused
from gpu_worker.weights.inert_pickle import Inert, StoredArray, unpickle
from tests.gpu_worker.weights.made_up_files import pretended


class Calls:
    """Pickled, it asks whoever reads it to call this."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.asked = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.asked


def read(content: bytes) -> Any:
    return unpickle(io.BytesIO(content))


def named(module: str, name: str, *, text: bytes = b"(I1\ntR.") -> bytes:
    """A pickle, as text, that calls what it names with 1."""
    return f"c{module}\n{name}\n".encode() + text


class TestHostile:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    @pytest.mark.parametrize("function", ["system", "eval", "exec", "popen", "import", "getattr", "open"])
    def test_nothing_is_run(self, tmp_path: Path, protocol: int, function: str) -> None:
        import os
        import subprocess

        marker = tmp_path / "was-here"
        program = f"open({str(marker)!r}, 'w')"
        asked = {
            "system": Calls(os.system, f"touch {marker}"),
            "eval": Calls(eval, program),
            "exec": Calls(exec, program),
            "popen": Calls(subprocess.Popen, ["touch", str(marker)]),
            "import": Calls(__import__, "this"),
            "getattr": Calls(getattr, "text", "upper"),
            "open": Calls(open, str(marker), "w"),
        }[function]
        content = pickle.dumps({"state_dict": OrderedDict(a=[asked])}, protocol=protocol)
        with pytest.raises(WeightsRefused, match="do not trust this file"):
            read(content)
        assert not marker.exists()

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("__builtin__", "eval"),
            ("posix", "system"),
            ("nt", "system"),
            ("__main__", "anything"),
            ("importlib", "import_module"),
            ("pickle", "loads"),
            ("functools", "reduce"),
            ("operator", "attrgetter"),
            ("collections", "namedtuple"),
            ("builtins", "bytearray"),
            ("codecs", "decode"),
            ("ctypes", "CDLL"),
        ],
    )
    def test_other_ways_to_the_same_are_refused(self, module: str, name: str) -> None:
        with pytest.raises(WeightsRefused, match="do not trust this file"):
            read(named(module, name))

    def test_a_foreign_package_is_not_even_imported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "hostile_package.py").write_text("raise SystemExit('imported')\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        found = read(named("hostile_package", "run"))
        assert isinstance(found, Inert)
        assert (found.origin, found.arguments) == (("hostile_package", "run"), (1,))
        assert "hostile_package" not in sys.modules

    def test_functions_of_installed_packages_are_not_run(self) -> None:
        for module, name in (("numpy", "load"), ("torch", "load"), ("numpy.f2py", "compile"), ("torch.hub", "load")):
            assert isinstance(read(named(module, name)), Inert)

    @pytest.mark.parametrize("state", [b"}b.", b"(dS'_function'\nI1\nsb."])
    def test_the_reader_itself_cannot_be_changed(self, state: bytes) -> None:
        with pytest.raises(WeightsRefused, match="tries to change the program"):
            read(named("numpy", "dtype", text=state))

    def test_the_records_class_cannot_be_changed(self) -> None:
        with pytest.raises(WeightsRefused):
            read(named("yacs.config", "CfgNode", text=b"(dS'append'\nI1\nsb."))

    @pytest.mark.parametrize("content", [b"", b"\x80", b"not a pickle", pickle.dumps([1, 2, 3])[:-3], b"\x80\x02R."])
    def test_damage_is_refused(self, content: bytes) -> None:
        with pytest.raises(WeightsRefused, match="damaged"):
            read(content)

    def test_arrays_of_objects_are_refused(self) -> None:
        with pytest.raises(WeightsRefused, match=r"not (of|made of) numbers"):
            read(pickle.dumps(np.array([{}, None], dtype=object)))


class TestHarmless:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    @pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i4", "<u4", "|u1", "|b1", "<f2"])
    def test_arrays_come_back_as_they_were(self, protocol: int, dtype: str) -> None:
        array = (np.arange(12).reshape(3, 4) % 5).astype(dtype)
        for given in (array, np.asfortranarray(array), array[::2, 1:], np.zeros((0, 3), dtype)):
            stored = read(pickle.dumps({"a": given}, protocol=protocol))["a"]
            assert isinstance(stored, StoredArray)
            assert stored.array.dtype == given.dtype
            np.testing.assert_array_equal(stored.array, given)

    def test_an_array_that_python_2_wrote(self) -> None:
        values = struct.pack("<2d", 1.5, -200.25)
        content = (
            b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
            b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10"
            + values
            + b"tb."
        )
        stored: NDArray[Any] = read(content).array
        assert stored.tolist() == [1.5, -200.25]

    def test_an_object_that_python_2_wrote(self) -> None:
        content = b"ccopy_reg\n_reconstructor\n(cchumpy.ch\nCh\nc__builtin__\nobject\nNtR(dS'x'\nI7\nsb."
        found = read(content)
        assert isinstance(found, Inert)
        assert (found.origin, dict(found.attributes)) == (("chumpy.ch", "Ch"), {"x": 7})

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_settings_become_records(self, protocol: int) -> None:
        with pretended("yacs.config", CfgNode=dict) as classes:
            node = classes["CfgNode"]({"SIZE": 256})
            node.__dict__["frozen"] = True
            content = pickle.dumps(node, protocol=protocol)
        found = read(content)
        assert isinstance(found, Inert)
        assert found.origin == ("yacs.config", "CfgNode")
        assert found.attributes["frozen"] is True

    def test_plain_values_and_containers_stay(self) -> None:
        plain = {"a": [1, 2.5, "text", None, True], "b": OrderedDict(c=(1, 2)), "d": {1, 2}, "e": frozenset({3})}
        assert read(pickle.dumps(plain)) == plain

    def test_numpy_scalars_and_paths(self) -> None:
        found = read(pickle.dumps({"rate": np.float64(0.25), "path": Path("a/b")}))
        assert found["rate"] == 0.25
        assert isinstance(found["path"], Inert)
