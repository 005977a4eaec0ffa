"""Run the templates of variants in jinja's sandbox: the catalogue's, and those of a user's own folder within limits."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, TypedDict

from patchkit import resources
from patchkit.errors import BadVariantError
from patchkit.patching.csource.anchors import Anchors
from patchkit.patching.csource.file import MAX_SOURCE, CSource
from patchkit.patching.csource.whole_lines import Lines
from patchkit.patching.variants import Variant
from patchkit.printable import in_one_line

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment, Template

    class _Layout(TypedDict):
        trim_blocks: bool
        lstrip_blocks: bool
        keep_trailing_newline: bool
        autoescape: bool


_SHOWN = 200  # characters of an error that a message quotes
_MEMORY = 512 * 1024 * 1024  # bytes that a user's template may take; the catalogue's take some MB
_SECONDS = 20.0  # of processor time, for the same; the catalogue's take some tenths
_LAYOUT: _Layout = {
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "autoescape": False,
}
# What a template raises that takes a value for something else: a fault of the template, not of patchkit.
_CARELESS = (TypeError, ValueError, AttributeError, ArithmeticError, LookupError, RecursionError)


class _TooLongError(Exception):
    """A template has had its time."""


def yielded_by(part: Variant, file: str, source: CSource) -> str:
    """Return what the template of ``part`` for ``file`` yields for ``source``.

    Raises BadVariantError where it fails or a user's own takes too much time or memory, naming the line, and
    AnchorError where it does not find its place.
    """
    from jinja2 import TemplateError

    try:
        if not part.is_own:
            return _template_of(part, file).render(source=Anchors(source))
        if len(source.data) <= MAX_SOURCE:
            _ = source.root  # parsed outside of the limits: tree-sitter ends the process where it gets no memory
        with _within_limits():
            return _template_of(part, file).render(source=Anchors(source))
    except (TemplateError, *_CARELESS) as error:
        raise _failure(part, file, error, _told(error)) from error
    except MemoryError as error:
        raise _failure(part, file, error, f"it needs more than {_MEMORY >> 20} MiB of memory") from error
    except _TooLongError as error:
        raise _failure(part, file, error, f"it needs more than {_SECONDS:g} s of processor time") from error


def _failure(part: Variant, file: str, error: BaseException, why: str) -> BadVariantError:
    name, line = _where(error) or (template_name(file), None)
    place = f"{name}, line {line}: " if line is not None else f"{name}: "
    return BadVariantError(
        f"the template of {part.name} for {file} fails" + (f" in line {line}" if line is not None else ""),
        why=place + why,
        advice="docs/variants.md explains what templates can use",
    )


def _told(error: Exception) -> str:
    text = in_one_line(str(error).strip().partition("\n")[0])
    return text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")


def _where(error: BaseException) -> tuple[str, int] | None:
    """The file and the line of a template that ``error`` comes from: the innermost."""
    from jinja2 import TemplateSyntaxError

    if isinstance(error, TemplateSyntaxError):
        return _shown(error.filename or error.name or "?"), error.lineno
    frames = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    inside = [(name, line) for name, line in frames if name.endswith(".j2")]
    return (_shown(inside[-1][0]), inside[-1][1]) if inside else None


def _shown(path: str) -> str:
    return in_one_line(path.rpartition("/")[2])[:_SHOWN]


@contextmanager
def _within_limits() -> Iterator[None]:
    """Limit memory and processor time of what runs within. Raises MemoryError, or _TooLongError in the main thread."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0]) if Path("/proc/self/statm").exists() else 0
    limit = pages * resource.getpagesize() + _MEMORY
    is_lower = pages > 0 and (soft == resource.RLIM_INFINITY or limit < soft)
    is_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGVTALRM, _stop) if is_main else None
    try:
        if is_lower:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
        if is_main:
            signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS)
        yield
    finally:
        if is_main:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, handler)
        if is_lower:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _stop(*_: object) -> None:
    raise _TooLongError


def template_name(file: str) -> str:
    """Name the template for ``file``."""
    return f"{file}.diff.j2"


def _template_of(part: Variant, file: str) -> Template:
    if part.templates is None:
        return _template(part.folder.parent, f"{part.name}/{template_name(file)}", part.template(file))
    environment = _own_environment(part.templates, resources.folder("patches"))
    return _compiled(environment, template_name(file), part.template(file))


@lru_cache(maxsize=64)
def _template(folder: Path, name: str, text: str) -> Template:
    return _compiled(_environment(folder), name, text)


def _compiled(environment: Environment, name: str, text: str) -> Template:
    """Compile ``text`` under a name, which its errors have then."""
    code = environment.compile(text, name, name)
    return environment.template_class.from_code(environment, code, environment.make_globals(None))


@lru_cache(maxsize=4)
def _environment(folder: Path) -> Environment:
    """Templates of the catalogue in ``folder``, where all variants are: one may include another one's templates."""
    from jinja2 import FileSystemLoader

    return _sandbox(FileSystemLoader(folder))


def _own_environment(texts: Mapping[str, str], catalogue: Path) -> Environment:
    """Templates of a user's own folder, with what was read: they may include each other and the catalogue's.

    Nothing is opened for them.
    """
    from jinja2 import ChoiceLoader, FileSystemLoader, FunctionLoader

    def named(name: str) -> tuple[str, str, None] | None:
        return (texts[name], name, None) if name in texts else None

    return _sandbox(ChoiceLoader([FunctionLoader(named), FileSystemLoader(catalogue)]))


def _sandbox(loader: BaseLoader) -> Environment:
    """Templates in jinja's sandbox, without its global functions, the catalogue's as well as a user's own.

    They see bytes of unknown encoding as text by surrogate escapes, so nothing is lost.
    """
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(loader=loader, undefined=StrictUndefined, **_LAYOUT)
    environment.globals = {"namespace": environment.globals["namespace"]}
    environment.filters |= {
        "added": lambda lines: _signed("+", lines),
        "removed": lambda lines: _signed("-", lines),
        "kept": lambda lines: _signed(" ", lines),
    }
    return environment


def _signed(sign: str, given: Lines | Iterable[bytes]) -> str:
    lines = given.lines if isinstance(given, Lines) else given
    return "".join(sign + line.decode("utf-8", "surrogateescape") for line in lines).removesuffix("\n")
