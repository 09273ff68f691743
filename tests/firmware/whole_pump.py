"""A pump with all its commands as methods, and a store that keeps nothing when there is no other.

What gatt/ loads late are functions of a pump; the tests of the core ask for every command in one way.
"""

from pump import preparing, seldom, template_commands
from pump.core import Pump as Core
from pump.volatile import Volatile


class Pump(Core):
    """Takes what the core takes; store may be left away."""

    announce_carbs = seldom.announce_carbs
    bolus_calculated = seldom.bolus_calculated
    configure = seldom.configure
    configure_oref = seldom.configure_oref
    guard = seldom.guard
    inject = seldom.inject
    set_clock = seldom.set_clock
    reset_operation_time = preparing.reset_operation_time
    set_fill_level = preparing.set_fill_level
    set_max_bolus = preparing.set_max_bolus
    start_priming = preparing.start_priming
    activate = template_commands.activate
    complete_profile = template_commands.complete_profile
    reset_templates = template_commands.reset_templates
    set_bolus_template = template_commands.set_bolus_template
    set_tbr_template = template_commands.set_tbr_template
    write_block = template_commands.write_block

    def __init__(self, settings, emit, motor, store=None):
        super().__init__(settings, emit, motor, store or Volatile())
