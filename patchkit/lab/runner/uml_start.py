"""What Python runs first in User-Mode Linux: modules come compiled, in one file, instead of from a search on disk."""

import marshal
import sys
from _frozen_importlib import ModuleSpec

BUNDLE, RARE = "/lab/bundle", "/lab/rare"
"""Of each module by name: whether it is a package, and its code, marshalled; and the same of what few trials import."""


class Bundle:
    """Finds and loads the modules of :data:`BUNDLE`."""

    def __init__(self) -> None:
        with open(BUNDLE, "rb") as file:  # noqa: PTH123
            self._modules, self._rare = marshal.load(file)  # noqa: S302 - patchkit made it

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """See importlib.abc.MetaPathFinder."""
        if name in self._rare:
            with open(RARE, "rb") as file:  # noqa: PTH123
                self._modules |= marshal.load(file)  # noqa: S302
            self._rare = ()
        if name not in self._modules:
            return None
        return ModuleSpec(name, self, is_package=self._modules[name][0])  # type: ignore[arg-type]

    def create_module(self, spec):  # type: ignore[no-untyped-def]  # noqa: ARG002
        """As Python does it by itself."""
        return

    def exec_module(self, module):  # type: ignore[no-untyped-def]
        """Run its code."""
        exec(marshal.loads(self._modules[module.__name__][1]), module.__dict__)  # noqa: S102, S302


if __name__ == "__main__":
    sys.meta_path.insert(0, Bundle())
    from runner import uml_guest  # type: ignore[import-not-found]

    uml_guest.main()
