"""How many examples the property tests try."""

import os

from hypothesis import HealthCheck, settings

# Machines that run tests are slow and busy, so no example has a deadline; a part of tests/run has one.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
