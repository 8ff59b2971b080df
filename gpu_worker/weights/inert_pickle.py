"""Reads pickles that strangers made without ever running what they name, and without the packages they came from.

A pickle is a program that may call anything importable. Here it can reach only what this module lists: containers, and
records of arrays. A class of any other package (yacs, chumpy, scipy, Lightning) becomes an `Inert` record that keeps
what was stored and does nothing. Anything of the standard library that is not listed (`os.system`, `builtins.eval`)
makes the whole file refused: a file of weights has no reason to name it.
"""

import pickle
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from gpu_worker.weights.faults import WeightsRefused

_PYTHON_2_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_STANDARD = sys.stdlib_module_names | {"__main__", "nt", "posix", "commands", "pip", "setuptools"}
# Containers that pickles build by calling; none of them calls anything in turn.
_CONTAINERS: dict[tuple[str, str], type] = {
    ("collections", "OrderedDict"): OrderedDict,
    **{("builtins", kind.__name__): kind for kind in (set, frozenset, list, dict, tuple)},
}
# Standard classes that settings hold; kept as records, so that a path or a date is never made.
_INERT_STANDARD_MODULES = {"pathlib", "pathlib._local", "argparse", "datetime", "typing", "enum"}
_INERT_STANDARD_NAMES = {
    *(("builtins", name) for name in ("bool", "int", "float", "str", "complex", "slice", "range", "object")),
    ("collections", "defaultdict"),
    ("collections", "deque"),
    ("functools", "partial"),
}
_NUMPY_CORES = ("numpy.core", "numpy._core")


class Inert:
    """What stands in for an object of an unknown class. origin: its module and name.

    arguments: what it would have been made with. state: what it would have been filled with. items: its entries if it
    was a dictionary, its members if it was a list.
    """

    origin: tuple[str, str] = ("", "")

    # All in __new__, for a pickle may make an object without __init__.
    def __new__(cls, *arguments: Any, **_: Any) -> "Inert":
        record = super().__new__(cls)
        record.arguments = arguments
        record.state = None
        record.items = {}
        record.members = []
        return record

    def __init__(self, *arguments: Any, **_: Any) -> None:
        self.arguments: tuple[Any, ...]
        self.state: Any
        self.items: dict[Any, Any]
        self.members: list[Any]

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, member: Any) -> None:
        self.members.append(member)

    def extend(self, members: Iterable[Any]) -> None:
        self.members.extend(members)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """What was stored as the object's attributes; empty where it was stored in some other way."""
        return self.state if isinstance(self.state, dict) else {}


class Callee:
    """A function of ours that a pickle may call in place of the one it names."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise WeightsRefused("it tries to change the program that reads it")


class StoredDtype:
    """A numpy dtype as a pickle stores it: a code such as `f8`, then the byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = code if isinstance(code, str) else ""
        self.byte_order = "|"

    def __setstate__(self, state: Any) -> None:
        self.byte_order = state[1]

    def dtype(self) -> np.dtype[Any]:
        """Raises WeightsRefused for anything but plain numbers."""
        if self.code[:1] not in {"f", "i", "u", "b"} or self.byte_order not in {"<", ">", "|", "="}:
            raise WeightsRefused(f"it holds an array of {self.code or 'objects'}, not of numbers")
        try:
            return np.dtype(f"{self.byte_order}{self.code}")
        except TypeError as error:
            raise WeightsRefused(f"it holds an array of an unknown type, {self.code}") from error


class StoredArray:
    """A numpy array as a pickle stores it: shape, dtype, order and bytes, read without numpy's own unpickling."""

    _array: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, is_fortran, content = state
        # Python 2's bytes arrive as text, one character a byte.
        content = content.encode("latin1") if isinstance(content, str) else content
        if not isinstance(dtype, StoredDtype) or not isinstance(content, bytes):
            raise WeightsRefused("it holds an array that is not made of numbers")
        flat = np.frombuffer(content, dtype=dtype.dtype())
        self._array = flat.reshape(shape, order="F" if is_fortran else "C")

    @property
    def array(self) -> NDArray[Any]:
        """Raises WeightsRefused where the pickle never filled it."""
        if self._array is None:
            raise WeightsRefused("it holds an array without content")
        return self._array


def _scalar(dtype: StoredDtype, content: bytes | str) -> Any:
    stored = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(stored, dtype=dtype.dtype())[0]


def _from_buffer(content: bytes | bytearray, dtype: StoredDtype, shape: tuple[int, ...], order: str) -> StoredArray:
    """How newer pickles store an array."""
    array = StoredArray()
    array.__setstate__((1, shape, dtype, order == "F", bytes(content)))
    return array


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    if encoding != "latin1":
        raise WeightsRefused(f"it holds text in {encoding}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Older pickles store an empty array's content as a call of `bytes`."""
    return b""


def _reconstructed(kind: Any, *_: Any) -> Any:
    """Python 2's way of making an object of a class without calling the class."""
    if isinstance(kind, type) and issubclass(kind, Inert):
        return kind()
    raise WeightsRefused("it makes an object in a way that weights need not")


def _callees() -> dict[tuple[str, str], Callable[..., Any]]:
    known: dict[tuple[str, str], Callable[..., Any]] = {
        ("copyreg", "_reconstructor"): _reconstructed,
        ("copyreg", "__newobj__"): _reconstructed,
        ("_codecs", "encode"): _encoded,
        ("builtins", "bytes"): _no_bytes,
        ("numpy", "dtype"): StoredDtype,
    }
    for core in _NUMPY_CORES:
        known[f"{core}.multiarray", "_reconstruct"] = lambda *_: StoredArray()
        known[f"{core}.multiarray", "scalar"] = _scalar
        known[f"{core}.numeric", "_frombuffer"] = _from_buffer
    return known


class InertUnpickler(pickle.Unpickler):
    """An unpickler that runs nothing from the file. more: further callables by module and name, all of them ours.

    `load` raises WeightsRefused where the file asks for more than weights need; damage shows as in any unpickler.
    """

    def __init__(self, file: IO[bytes], more: Mapping[tuple[str, str], Callable[..., Any]] | None = None) -> None:
        # Files that Python 2 wrote hold bytes where Python 3 expects text.
        super().__init__(file, encoding="latin1")
        self._callees = {name: Callee(function) for name, function in {**_callees(), **(more or {})}.items()}
        self._inert: dict[tuple[str, str], type[Inert]] = {}

    def find_class(self, module: str, name: str) -> Any:
        module = _PYTHON_2_MODULES.get(module, module)
        named = (module, name)
        if named in self._callees:
            return self._callees[named]
        if named in _CONTAINERS:
            return _CONTAINERS[named]
        is_standard = module.partition(".")[0] in _STANDARD
        if is_standard and module not in _INERT_STANDARD_MODULES and named not in _INERT_STANDARD_NAMES:
            raise WeightsRefused(f"it asks for {module}.{name}, which weights have no use for; do not trust this file")
        if named not in self._inert:
            self._inert[named] = type("InertRecord", (Inert,), {"origin": named})
        return self._inert[named]


def unpickle(file: IO[bytes]) -> Any:
    """A pickle's content, foreign objects as `Inert`, arrays as `StoredArray`. Raises WeightsRefused."""
    return load_inert(InertUnpickler(file))


def load_inert(unpickler: InertUnpickler) -> Any:
    """What the unpickler reads. Raises WeightsRefused, also for damage."""
    try:
        return unpickler.load()
    except WeightsRefused:
        raise
    # What a damaged or hostile pickle can raise is not limited: its opcodes act on whatever lies on its stack.
    except Exception as error:
        raise WeightsRefused(f"its pickle is damaged: {type(error).__name__}: {error}") from error
