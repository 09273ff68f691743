# The two vendor services: *controller* runs the on-pump controller, *emulator* has what only an emulator has. The last
# decision, which every sample brings, stands in gatt/status.py.
import gc

from micropython import const

from gatt import att, e2e, handles
from gatt import wire_tables as tables
from gatt.characteristic import READ, WRITE, Characteristic
from gatt.codec import BAD_STRUCTURE, OK
from gatt.encode import encode
from gatt.procedures import SUCCESS
from pump.seldom import announce_carbs, bolus_calculated, configure, configure_oref, guard, inject

_U8_MAX = const(0xFF)
_U16_MAX = const(0xFFFF)
_FIRMWARE_HASH_OCTETS = const(8)
_PREPARED_HEAP_S = const(60)


# Puts a number below 2**32 into the two slots of a u32.
def put_u32(fields, low_slot, value):
    fields[low_slot] = value & 0xFFFF
    fields[low_slot + 1] = value >> 16 & 0xFFFF


# A protected characteristic that is written as one message.
class Setting(Characteristic):
    def __init__(self, handle, properties, codec, program, pump):
        self._codec = codec
        self._program = program
        self._pump = pump
        super().__init__(handle, properties)

    def write(self, s, buf, start, end):
        error = self.check(buf, start, end)
        if error:
            return error
        outcome = self._codec.decode(self._program, buf, start, end - e2e.TRAILER_OCTETS)
        if outcome == BAD_STRUCTURE:
            return att.INVALID_LENGTH
        if outcome != OK or self.take(s) != SUCCESS:
            return att.OUT_OF_RANGE
        return att.OK

    # Hands what was decoded to the pump; returns its response code.
    def take(self, s):
        return SUCCESS


class ControllerSettings(Setting):
    octets_max = att.LONG_VALUE_OCTETS_MAX

    def __init__(self, codec, pump):
        super().__init__(handles.CONTROLLER_SETTINGS, READ | WRITE, codec, tables.CONTROLLER_SETTINGS, pump)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        settings = self._pump.control.settings
        fields[tables.CONTROLLER] = settings.controller
        fields[tables.SUSPEND_PREDICTED_MG_DL] = settings.suspend_predicted_mg_dl
        fields[tables.SUSPEND_NOW_MG_DL] = settings.suspend_now_mg_dl
        fields[tables.HORIZON_MINUTES] = settings.horizon_minutes
        fields[tables.SUSPEND_LIMIT_MINUTES] = settings.suspend_limit_minutes
        fields[tables.LIMIT_WINDOW_MINUTES] = settings.limit_window_minutes
        fields[tables.STALE_MINUTES] = settings.stale_minutes
        fields[tables.LOCKOUT_MINUTES] = settings.lockout_minutes
        fields[tables.DIA_MINUTES] = settings.dia_minutes
        fields[tables.PEAK_MINUTES] = settings.peak_minutes
        fields[tables.NEAR_MG_DL] = settings.near_mg_dl
        fields[tables.RESUME_MG_DL] = settings.resume_mg_dl
        fields[tables.RESUME_PREDICTED_MG_DL] = settings.resume_predicted_mg_dl
        fields[tables.MINIMUM_MINUTES] = settings.minimum_minutes
        fields[tables.PLGS_FLAGS] = settings.plgs_flags
        return encode(self._codec, self._program, buf, start)

    def take(self, s):
        fields = self._codec.fields
        return configure(
            self._pump, s, fields[tables.CONTROLLER], fields[tables.SUSPEND_PREDICTED_MG_DL],
            fields[tables.SUSPEND_NOW_MG_DL],
            fields[tables.HORIZON_MINUTES], fields[tables.SUSPEND_LIMIT_MINUTES], fields[tables.LIMIT_WINDOW_MINUTES],
            fields[tables.STALE_MINUTES], fields[tables.LOCKOUT_MINUTES], fields[tables.DIA_MINUTES],
            fields[tables.PEAK_MINUTES], fields[tables.NEAR_MG_DL], fields[tables.RESUME_MG_DL],
            fields[tables.RESUME_PREDICTED_MG_DL], fields[tables.MINIMUM_MINUTES], fields[tables.PLGS_FLAGS],
        )  # fmt: skip


class ControllerGuardrails(Setting):
    def __init__(self, codec, pump):
        super().__init__(handles.CONTROLLER_GUARDRAILS, READ | WRITE, codec, tables.CONTROLLER_GUARDRAILS, pump)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        guardrails = self._pump.guardrails
        fields[tables.GUARD_BASAL_MU_PER_H] = guardrails.basal_mu_per_h
        fields[tables.GUARD_BOLUS_MU] = guardrails.bolus_mu
        fields[tables.GUARD_IOB_MU] = guardrails.iob_mu
        fields[tables.GUARD_HOUR_MU] = guardrails.hour_mu
        put_u32(fields, tables.GUARD_DAY_MU_LOW, guardrails.day_mu)
        fields[tables.GUARD_INTERVAL_MINUTES] = guardrails.interval_minutes
        fields[tables.GUARD_STALE_MINUTES] = guardrails.stale_minutes
        fields[tables.GUARD_DECISION_MINUTES] = guardrails.decision_minutes
        return encode(self._codec, self._program, buf, start)

    def take(self, s):
        fields = self._codec.fields
        return guard(
            self._pump, s, fields[tables.GUARD_BASAL_MU_PER_H], fields[tables.GUARD_BOLUS_MU],
            fields[tables.GUARD_IOB_MU],
            fields[tables.GUARD_HOUR_MU], fields[tables.GUARD_DAY_MU_LOW] | fields[tables.GUARD_DAY_MU_HIGH] << 16,
            fields[tables.GUARD_INTERVAL_MINUTES], fields[tables.GUARD_STALE_MINUTES],
            fields[tables.GUARD_DECISION_MINUTES],
        )  # fmt: skip


# In the order of the values that the pump keeps.
_OREF_FIELDS = (
    tables.OREF_FLAGS, tables.FLAT_CGM, tables.MAX_IOB_MU, tables.MAX_BASAL_MU_PER_H, tables.AUTOSENS_THOUSANDTHS,
    tables.AUTOSENS_MAX_THOUSANDTHS, tables.TEMP_TARGET_MG_DL, tables.HALF_BASAL_TARGET_MG_DL,
    tables.SMB_HIGH_BG_MG_DL, tables.SMB_BASAL_MINUTES, tables.UAM_SMB_BASAL_MINUTES, tables.SMB_INTERVAL_MINUTES,
    tables.MAX_COB_G, tables.MIN_CARB_IMPACT_TENTHS, tables.REMAINING_CARBS_CAP_G, tables.REMAINING_CARBS_PERCENT,
    tables.CARBS_REQUIRED_THRESHOLD_G, tables.DELTA_SHARE_PERCENT, tables.NOISY_TARGET_PERCENT,
    tables.DAILY_BASAL_MULTIPLIER_TENTHS, tables.CURRENT_BASAL_MULTIPLIER_TENTHS,
)  # fmt: skip


class OrefSettings(Setting):
    octets_max = att.LONG_VALUE_OCTETS_MAX

    def __init__(self, codec, pump):
        super().__init__(handles.OREF_SETTINGS, READ | WRITE, codec, tables.OREF_SETTINGS, pump)

    def encode(self, s, buf, start):
        values = self._pump.control.oref.values
        for i in range(len(values)):
            self._codec.fields[_OREF_FIELDS[i]] = values[i]
        return encode(self._codec, self._program, buf, start)

    def take(self, s):
        fields = self._codec.fields
        return configure_oref(self._pump, s, *[fields[slot] for slot in _OREF_FIELDS])


class CarbAnnouncement(Setting):
    def __init__(self, codec, pump):
        super().__init__(handles.CARB_ANNOUNCEMENT, WRITE, codec, tables.CARB_ANNOUNCEMENT, pump)

    def take(self, s):
        fields = self._codec.fields
        return announce_carbs(self._pump, s, fields[tables.CARBS_G], fields[tables.MINUTES_AGO])


# In the order of the numbers that a decision keeps.
_DETAIL_FIELDS = (
    tables.RULE, tables.TARGET_MG_DL, tables.THRESHOLD_MG_DL, tables.EVENTUAL_MG_DL, tables.GUARD_MG_DL,
    tables.PRED_MG_DL, tables.BGI_HUNDREDTHS, tables.DEVIATION_MG_DL, tables.INSULIN_REQUIRED_MU, tables.NET_IOB_MU,
    tables.COB_TENTHS, tables.CARBS_REQUIRED_G, tables.DECIDED_MU_PER_H, tables.DECIDED_MINUTES, tables.SMALL_BOLUS_MU,
    tables.GUARDRAIL,
)  # fmt: skip


class ControllerDetail(Characteristic):
    def __init__(self, codec, decision):
        self._codec = codec
        self._decision = decision
        super().__init__(handles.CONTROLLER_DETAIL, READ)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        fields[tables.DECISION_SEQUENCE] = self._decision.sequence
        for i in range(len(_DETAIL_FIELDS)):
            fields[_DETAIL_FIELDS[i]] = self._decision.detail[i]
        return encode(self._codec, tables.CONTROLLER_DETAIL, buf, start)


class EmulatorIdentity(Characteristic):
    def __init__(self, codec, firmware_hash):
        self._codec = codec
        self._firmware_hash = firmware_hash
        super().__init__(handles.EMULATOR_IDENTITY, READ)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        fields[tables.WIRE_VERSION_SLOT] = tables.WIRE_VERSION
        for i in range(_FIRMWARE_HASH_OCTETS):
            fields[tables.FIRMWARE_HASH + i] = self._firmware_hash[i]
        return encode(self._codec, tables.EMULATOR_IDENTITY, buf, start)


class EmulatorPumpData(Characteristic):
    def __init__(self, codec, settings, motor_pulse_ms):
        self._codec = codec
        self._settings = settings
        self._motor_pulse_ms = motor_pulse_ms
        super().__init__(handles.EMULATOR_PUMP_DATA, READ)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        settings = self._settings
        fields[tables.PULSE_MU] = settings.PULSE_MU
        fields[tables.BOLUS_SPEED_MU_PER_MINUTE] = settings.BOLUS_SPEED_MU_PER_MINUTE
        put_u32(fields, tables.RESERVOIR_CAPACITY_MU_LOW, settings.RESERVOIR_CAPACITY_MU)
        fields[tables.BASAL_RATE_LIMIT_MU_PER_H] = settings.BASAL_LIMIT_MU_PER_H
        fields[tables.BOLUS_LIMIT_MU] = settings.BOLUS_LIMIT_MU
        fields[tables.MOTOR_PULSE_MS] = self._motor_pulse_ms
        fields[tables.BASAL_MIN_MU_PER_H] = settings.BASAL_MIN_MU_PER_H
        fields[tables.BOLUS_MIN_MU] = settings.BOLUS_MIN_MU
        fields[tables.BASAL_ADJUSTABLE] = settings.BASAL_ADJUSTABLE
        fields[tables.BASAL_FIXED_MU_PER_H] = settings.BASAL_FIXED_MU_PER_H
        fields[tables.TBR_KINDS] = settings.TBR_KINDS
        return encode(self._codec, tables.EMULATOR_PUMP_DATA, buf, start)


class EmulatorHealth(Characteristic):
    # reset_cause: a word of the wire. server, client: count E2E failures.
    def __init__(self, codec, clock, bearer, reset_cause, server, client, delivery):
        self._codec = codec
        self._delivery = delivery
        self._clock = clock
        self._bearer = bearer
        self._reset_cause = reset_cause
        self._server = server
        self._client = client
        self._free_octets = 0
        self._free_s = -_PREPARED_HEAP_S
        super().__init__(handles.EMULATOR_HEALTH, READ)

    # Free heap without garbage. A collection takes ten times as long as the rest of the answer: one a second will do,
    # and one a minute where the value is made each second.
    def _free_heap(self):
        if self._clock.s - self._free_s >= (_PREPARED_HEAP_S if self._bearer.over_air else 1):
            gc.collect()
            self._free_octets = gc.mem_free()
            self._free_s = self._clock.s
        return self._free_octets

    def encode(self, s, buf, start):
        fields = self._codec.fields
        failures = self._server.e2e_failures() + self._client.e2e_failures
        for other in self._server.others:
            failures += other.e2e_failures()
        fields[tables.RESET_CAUSE] = self._reset_cause
        put_u32(fields, tables.UPTIME_S_LOW, self._clock.s)
        fields[tables.UPTIME_MS] = self._clock.ms
        put_u32(fields, tables.FREE_HEAP_OCTETS_LOW, self._free_heap())
        fields[tables.DROPPED_FRAMES] = min(self._bearer.dropped_frames, _U16_MAX)
        fields[tables.E2E_FAILURES] = min(failures, _U16_MAX)
        fields[tables.PULSES_IN_DOUBT] = min(self._delivery.pulses_in_doubt, _U8_MAX)
        fields[tables.DOUBT_SOURCE] = self._delivery.doubt_source
        return encode(self._codec, tables.EMULATOR_HEALTH, buf, start)


class EmulatorCounters(Characteristic):
    def __init__(self, codec, pump):
        self._codec = codec
        self._pump = pump
        super().__init__(handles.EMULATOR_COUNTERS, READ)

    def encode(self, s, buf, start):
        fields = self._codec.fields
        delivery = self._pump.delivery
        put_u32(fields, tables.BASAL_PULSES_LOW, delivery.basal_pulses)
        put_u32(fields, tables.BOLUS_PULSES_LOW, delivery.bolus_pulses)
        put_u32(fields, tables.PRIME_PULSES_LOW, delivery.prime_pulses)
        put_u32(fields, tables.RESERVOIR_PULSES_LOW, self._pump.reservoir.remaining_pulses)
        return encode(self._codec, tables.EMULATOR_COUNTERS, buf, start)


class EmulatorFault(Setting):
    # recorder: tells when the level of the battery has changed.
    def __init__(self, codec, pump, recorder):
        self._recorder = recorder
        super().__init__(handles.EMULATOR_FAULT, WRITE, codec, tables.EMULATOR_FAULT, pump)

    def take(self, s):
        fields = self._codec.fields
        percent = self._pump.battery_percent
        value = fields[tables.FAULT_VALUE_LOW] | fields[tables.FAULT_VALUE_HIGH] << 16
        code = inject(self._pump, s, fields[tables.FAULT_KIND], value)
        if self._pump.battery_percent != percent:
            self._recorder.battery_changed(s)
        return code


# The pump's own bolus calculator, of which the emulator takes the part (D-909).
class EmulatorBolusCalculation(Setting):
    def __init__(self, codec, pump):
        program = tables.EMULATOR_BOLUS_CALCULATION
        super().__init__(handles.EMULATOR_BOLUS_CALCULATION, WRITE, codec, program, pump)

    def take(self, s):
        fields = self._codec.fields
        return bolus_calculated(
            self._pump, s, fields[tables.FAST_MEAL_AMOUNT_IU], fields[tables.FAST_CORRECTION_AMOUNT_IU],
            fields[tables.EXTENDED_MEAL_AMOUNT_IU], fields[tables.EXTENDED_CORRECTION_AMOUNT_IU],
            fields[tables.CONFIRMED_FAST_MEAL_AMOUNT_IU], fields[tables.CONFIRMED_FAST_CORRECTION_AMOUNT_IU],
            fields[tables.CONFIRMED_EXTENDED_MEAL_AMOUNT_IU], fields[tables.CONFIRMED_EXTENDED_CORRECTION_AMOUNT_IU],
        )  # fmt: skip
