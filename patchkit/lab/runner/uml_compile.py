"""Compile the runner and what it imports with the guest's own Python, once for each image."""

from __future__ import annotations

import sys

_AT_START = set(sys.modules)
from . import uml_guest  # noqa: E402 - what it imports, each trial does

_OF_EACH_TRIAL = set(sys.modules) - _AT_START | {__package__}
import importlib._bootstrap_external as bootstrap  # noqa: E402
import marshal  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402, F401 - for soaks
import signal  # noqa: E402, F401 - for crashes
import traceback  # noqa: E402, F401 - for faults

from . import crowd  # noqa: E402, F401

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType

_START = "/lab/runner/uml_start.py"
# Read before the bundle can be: Python looks for them on its way up.
_EARLY = ("encodings", "encodings.aliases", "encodings.utf_8", "os")


def main() -> None:
    """Write two things, marshalled: files by path, and the paths of compiled extensions."""
    modules = [module for module in list(sys.modules.values()) if getattr(module, "__file__", None)]
    sources = [module for module in modules if str(module.__file__).endswith(".py") and module.__name__ != "__main__"]
    bundle = {
        module.__name__: (hasattr(module, "__path__"), marshal.dumps(_code(str(module.__file__)))) for module in sources
    }
    files = {_compiled(module): _pyc(str(module.__file__)) for module in sources if module.__name__ in _EARLY}
    files["lab/start.pyc"] = _pyc(_START)
    rare = {name: module for name, module in bundle.items() if name not in _OF_EACH_TRIAL}
    often = {name: module for name, module in bundle.items() if name in _OF_EACH_TRIAL}
    files["lab/bundle"], files["lab/rare"] = marshal.dumps((often, frozenset(rare))), marshal.dumps(rare)
    extensions = [str(module.__file__).lstrip("/") for module in modules if str(module.__file__).endswith(".so")]
    data = marshal.dumps((files, sorted(extensions)), 2)
    uml_guest.answer_with(data)


def _compiled(module: ModuleType) -> str:
    return f"{str(module.__file__).lstrip('/')}c"


def _code(path: str) -> CodeType:
    with open(path, "rb") as file:  # noqa: PTH123
        return compile(file.read(), path, "exec", dont_inherit=True)


def _pyc(path: str) -> bytes:
    return bytes(bootstrap._code_to_hash_pyc(_code(path), bytes(8), False))  # type: ignore[attr-defined]


if __name__ == "__main__":
    os.chdir("/lab")
    main()
