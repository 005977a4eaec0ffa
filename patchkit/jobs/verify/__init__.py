"""``patchkit verify``: the steps that judge one upstream release."""
