"""Hypothesis for the pure core: no deadline for one example, because a busy machine is no fault."""

from hypothesis import settings

settings.register_profile("core", deadline=None)
settings.load_profile("core")
