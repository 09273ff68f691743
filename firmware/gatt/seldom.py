# What a client asks for seldom, or never: its first request for any of it brings all of it along. Until then it takes
# no memory.
from gatt.current_time import CurrentTime
from gatt.device import device_information
from gatt.radio import EmulatorRadio, EmulatorRadioCommand, NoRadio
from gatt.seldom_records import record
from gatt.vendor import (
    CarbAnnouncement,
    ControllerDetail,
    ControllerGuardrails,
    ControllerSettings,
    EmulatorBolusCalculation,
    EmulatorCounters,
    EmulatorFault,
    EmulatorHealth,
    EmulatorIdentity,
    EmulatorPumpData,
    OrefSettings,
)


# of: the peripheral that they are for.
def characteristics(of):
    of.recorder.seldom = record
    codec, pump, settings, identity = of.codec, of.pump, of.settings, of.identity
    radio = of.radio or NoRadio()
    return (
        ControllerSettings(codec, pump), OrefSettings(codec, pump), CarbAnnouncement(codec, pump),
        ControllerDetail(codec, pump.decision), ControllerGuardrails(codec, pump),
        EmulatorFault(codec, pump, of.recorder), EmulatorBolusCalculation(codec, pump), EmulatorCounters(codec, pump),
        EmulatorIdentity(codec, identity.firmware_hash), EmulatorPumpData(codec, settings, identity.motor_pulse_ms),
        EmulatorHealth(codec, of.clock, of.bearer, identity.reset_cause, of.server, of.client, pump.delivery),
        EmulatorRadio(codec, radio), EmulatorRadioCommand(codec, pump, radio),
        CurrentTime(codec, pump, of.recorder.clock_set),
    ) + device_information(settings, identity)  # fmt: skip
