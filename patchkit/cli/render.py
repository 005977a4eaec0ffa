"""``patchkit render``."""

from __future__ import annotations

from patchkit.cli.error_handling import command
from patchkit.cli.options import (
    GitOption,
    GuardOption,
    NetworkTimeoutOption,
    OfflineOption,
    OptionalVersionOption,
    PatchOption,
    SourceOption,
    VariantOption,
)


@command
def render(
    *,
    version: OptionalVersionOption = None,
    variant: VariantOption = None,
    patch: PatchOption = None,
    guard: GuardOption = False,
    git: GitOption = None,
    source: SourceOption = None,
    offline: OfflineOption = False,
    _: NetworkTimeoutOption = None,
) -> None:
    """Print a variant's diff for a release, with a DEP-3 header.

    \b
    Example: patchkit render --version 2.6.14 --variant retransmit --guard
    """
    from patchkit.cli.output.known_bad import warn_known_bad
    from patchkit.context import Context
    from patchkit.patching.combination import combination
    from patchkit.patching.own.choose import one
    from patchkit.patching.render import render as rendered
    from patchkit.source.obtain import SourceRequest, obtain
    from patchkit.ui import data

    context = Context.default(offline=offline)
    combined = combination(one(variant, patch))
    warn_known_bad(combined, context.ui)
    request = SourceRequest(version or "", git, source)
    request.check_named()
    obtained = obtain(request, context)
    diff = rendered(combined, obtained.tree, obtained.label, series=obtained.series, guard=guard).diff
    data(diff.decode("utf-8", "surrogateescape"))
