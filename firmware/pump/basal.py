# Basal profile: the block in force of the activated template (D-202 to D-204).
#
# Pure logic: rate_mu_per_h holds from the last refresh(s) until boundary_s, where the caller refreshes it again.
from micropython import const

# Words of pump/events.py.
_NEVER = const(0x3FFFFFFF)
_TEMPLATE_BASAL = const(0x33)


class Basal:
    # fixed_mu_per_h: the rate without a template.
    def __init__(self, templates, wall, fixed_mu_per_h):
        self._templates = templates
        self._wall = wall
        # The template in force, 0 when none is activated.
        self.template = 0
        self._fixed_mu_per_h = self.rate_mu_per_h = fixed_mu_per_h
        self.boundary_s = _NEVER

    # Finds the block in force at s. The boundary second belongs to the later block.
    def refresh(self, s):
        self.template = self._templates.activated(_TEMPLATE_BASAL)
        if self.template == 0:
            self.rate_mu_per_h = self._fixed_mu_per_h
            self.boundary_s = _NEVER
            return
        templates = self._templates
        second = self._wall.second_of_day(s)
        block = 0
        end_s = 60 * templates.duration_minutes(self.template, block)
        while end_s <= second:
            block += 1
            end_s += 60 * templates.duration_minutes(self.template, block)
        self.rate_mu_per_h = templates.value(self.template, block)
        self.boundary_s = s + end_s - second
