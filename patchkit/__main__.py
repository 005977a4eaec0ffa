"""``python -m patchkit`` is the same as the ``patchkit`` command."""

from patchkit.cli import main

if __name__ == "__main__":
    main()
