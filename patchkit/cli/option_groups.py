"""Groups of options that a command takes as one parameter, so that a new option is added in one place."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from patchkit.cli.options import (
    CflagOption,
    CryptoOption,
    EngineChoice,
    EngineOption,
    FeatureOption,
    JobsOption,
    OpensslSourceOption,
    TimeoutOption,
)

if TYPE_CHECKING:
    from patchkit.building.settings import BuildSettings


@dataclass(frozen=True)
class CompileOptions:
    """How a command compiles."""

    engine: EngineOption = EngineChoice.auto
    crypto: CryptoOption = None
    openssl_source: OpensslSourceOption = None
    features: FeatureOption = None
    cflag: CflagOption = None
    jobs: JobsOption = None
    timeout: TimeoutOption = None

    def settings(self, *, allow_known_bad: bool = False) -> BuildSettings:
        """Return the settings that these options ask for. Raises BadUsageError for those that never make sense."""
        from patchkit import limits
        from patchkit.building.settings import BuildSettings
        from patchkit.processors import cores

        if self.timeout is not None:
            os.environ[limits.BUILD] = str(self.timeout)  # for all that compiles, also in threads and other processes
        settings = BuildSettings(
            engine=self.engine.value,
            crypto=self.crypto,
            openssl_sources=self.openssl_source or [],
            features=self.features or [],
            cflags=self.cflag or [],
            jobs=self.jobs or cores(),
            timeout=self.timeout,
            allow_known_bad=allow_known_bad,
        )
        settings.check()
        return settings

    @property
    def given(self) -> dict[str, object]:
        """The options by name, with a false value where an option was not given."""
        return {
            "--engine": self.engine is not EngineChoice.auto,
            "--crypto": self.crypto,
            "--openssl-source": self.openssl_source,
            "--with": self.features,
            "--cflag": self.cflag,
            "--jobs": self.jobs,
            "--timeout": self.timeout,
        }


def with_option_groups(function: Callable[..., None]) -> Callable[..., None]:
    """Return ``function`` with each parameter that is an option group replaced by the options of the group.

    typer reads a command's options from its signature, and knows no groups.
    """
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in groups:
            parameters += _parameters(groups[parameter.name])
        else:
            parameters.append(parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hints[parameter.name]))

    @functools.wraps(function)
    def flat(**values: Any) -> None:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        function(**values)

    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(group)
    ]
