# What a closed loop decides on, put together from the pump (D-1102), and the controllers that do: oref and own.
#
# Loaded when one of them is first chosen, so that a pump without them does not pay for it.
from pump.control import oref_settings as places
from pump.control.oref.buckets import Buckets
from pump.control.oref.decision import Decision
from pump.control.oref.glucose import COUNTED, Readings, status
from pump.control.oref.inputs import FLAT_DETECTED, FLAT_IGNORED, Inputs, Settings
from pump.control.oref.iob import BILINEAR, EXPONENTIAL, Curve, Insulin
from pump.control.oref.meal import Announced, Meals
from pump.control.oref.numbers import NOTHING, nearest
from pump.doses import Doses

# Words of pump/events.py.
_FLAT_CGM_DETECTED = 0x33
_OREF = 0x55
_TEMPLATE_BASAL = 0x33
_TEMPLATE_ICHO = 0x66
_TEMPLATE_ISF = 0x5A
_TEMPLATE_TARGET = 0x96

# The rules of oref from which on more is known.
RULE_CGM = 1014
RULE_LOW = 1041
RULE_LOW_TEMP_BESIDE_SMB = 1049

# What a controller can say at all, in U/h, minutes and U: no more than ControllerDetail can tell.
_RATE_MOST = 65
_MINUTES_MOST = 1440
_BOLUS_MOST = 65

_DAY_S = 86400
_ROOM = 1024
# What a zero temp leaves out: a row for each minute of 4 h.
_TO_COME_S = 14400
_TO_COME_ROWS = 242


# The block of a profile in force at a second of the day, and the seconds of it that are left.
def block_at(templates, number, second):
    block = 0
    end_s = 60 * templates.duration_minutes(number, 0)
    while end_s <= second:
        block += 1
        end_s += 60 * templates.duration_minutes(number, block)
    return block, end_s - second


# Numbers of ControllerDetail: what is not there has a word of its own.
def _s16(x):
    return int(max(-32768, min(32766, nearest(x)))) if x == x else 32767


def _u16(x):
    return int(max(0, min(65534, nearest(x)))) if x == x else 65535


class Loop:
    def __init__(self, pump):
        self._pump = pump
        self.inputs = Inputs()
        self.settings = Settings()
        self.decision = Decision()
        self.announced = Announced()
        self._buckets = Buckets()
        self._meals = Meals()
        self._readings = Readings()
        self._to_come = Doses(_TO_COME_ROWS, pump.settings.PULSE_MU)
        self._curve = (EXPONENTIAL, 300, 75)
        self._insulin = Insulin(Curve(*self._curve), _ROOM)
        self._oref = None
        self._decided = _OREF
        # Net IOB and carbs on board of the last look, in the units of ControllerDetail.
        self._net_iob_mu = 0
        self._cob_tenths = 0
        self._session = pump.control.cgm.sessions
        self._follow_curve()
        pump.iob.scheduled.advance(pump.now_s)
        for n in range(pump.control.cgm.count - 1, -1, -1):
            self._add(n)

    # Loads a controller.
    def prepare(self, controller):
        if controller != _OREF:
            from pump.control import own

            return own.decide
        if self._oref is None:
            from pump.control.oref.controller import Oref

            self._oref = Oref()
        return self._oref.decide

    # Takes the newest usable sample, at s.
    def take(self, s):
        cgm = self._pump.control.cgm
        if cgm.sessions != self._session:
            self._session = cgm.sessions
            self._buckets.clear()
        self._follow_curve()
        self._pump.iob.scheduled.advance(s)
        self._add(0)

    def _add(self, n):
        cgm = self._pump.control.cgm
        self._buckets.add(cgm.measured_s(n), cgm.measured_mg_dl(n), self._activity)

    def _activity(self, s):
        return self._insulin.activity(self._pump.iob.scheduled.doses, s)

    def _follow_curve(self):
        control = self._pump.control
        kind = BILINEAR if control.oref.has(places.FLAG_BILINEAR_CURVE) else EXPONENTIAL
        curve = (kind, control.settings.dia_minutes, control.settings.peak_minutes)
        if curve != self._curve:
            self._insulin.follow(*curve)
            self._curve = curve

    # How long a dose works: an exponential curve never for less than 300 min (D-1012).
    def insulin_minutes(self):
        return self._insulin.curve.minutes

    # Whether all profiles are activated.
    def configured(self):
        templates = self._pump.templates
        for kind in (_TEMPLATE_BASAL, _TEMPLATE_ISF, _TEMPLATE_ICHO, _TEMPLATE_TARGET):
            if not templates.activated(kind):
                return False
        return True

    # Decides at s. What a controller is handed belongs to it alone, and nothing of it to the pump: whatever it changes
    # there, the next controller gets others.
    def decide(self, s, controller):
        decide = self.prepare(controller)
        if controller != self._decided:
            self._decided = controller
            self.inputs = Inputs()
            self.settings = Settings()
            self.decision = Decision()
        self._look(s)
        self._net_iob_mu = _s16(1000 * self.inputs.iob.iob)
        self._cob_tenths = _u16(10 * self.inputs.meal.cob)
        self.decision.clear()
        decide(self.inputs, self.settings, self.decision)

    # What was decided, as the pump takes it: mU/h, minutes (below 0: no TBR) and mU of a bolus. What no pump could take
    # is an error of the controller.
    def wanted(self):
        decision = self.decision
        rate, minutes, smb = decision.rate, decision.minutes, decision.smb
        if not (0 <= rate <= _RATE_MOST and 0 <= minutes <= _MINUTES_MOST and 0 <= smb <= _BOLUS_MOST):
            raise ValueError("%s U/h for %s min, small bolus %s U: no dose" % (rate, minutes, smb))
        minutes = int(nearest(minutes)) if decision.acts else -1
        return int(nearest(1000 * rate)), minutes, int(nearest(1000 * smb))

    # Puts the numbers of the decision into those of ControllerDetail.
    def tell(self, detail, controller):
        decision = self.decision
        if controller == _OREF:
            self._tell_reasons(detail)
        if decision.acts:
            detail[12] = _u16(1000 * decision.rate)
            detail[13] = _u16(decision.minutes)
        detail[14] = _u16(1000 * decision.smb)
        detail[9] = self._net_iob_mu
        detail[10] = self._cob_tenths

    def _tell_reasons(self, detail):
        decision = self.decision
        rule = detail[0] = decision.rule
        if rule != RULE_CGM:
            targets, forecast = self._oref.targets, self._oref.forecast
            detail[1] = _u16(targets.target)
            detail[2] = _s16(targets.threshold)
            if rule >= RULE_LOW:
                detail[3] = _s16(decision.eventual)
                detail[4] = _s16(forecast.min_guard)
                detail[5] = _s16(forecast.min_pred)
                detail[6] = _s16(100 * decision.bgi)
                detail[7] = _s16(decision.deviation)
                detail[11] = _s16(decision.carbs_required)
            if rule >= RULE_LOW_TEMP_BESIDE_SMB:
                detail[8] = _s16(1000 * decision.insulin_required)

    # Fills inputs and settings for a decision at s.
    def _look(self, s):
        self._set_settings()
        self._set_profile(s)
        inputs, pump = self.inputs, self._pump
        inputs.s = s
        self._set_glucose(s)
        tbr = pump.tbr
        inputs.temp.minutes = tbr.remaining_minutes(s)
        inputs.temp.rate = pump.delivery.rate_mu_per_h / 1000 if tbr.active else 0.0
        self._set_insulin(s)
        self._meals.fill(s, self.announced, self._buckets, self._isf, self.settings, inputs.meal)
        inputs.minute_of_hour = pump.wall.second_of_day(s) // 60 % 60

    def _set_glucose(self, s):
        cgm, readings, glucose = self._pump.control.cgm, self._readings, self.inputs.glucose
        newest_s = cgm.measured_s(0)
        readings.count = cgm.count
        for n in range(cgm.count):
            readings.mg_dl[n] = cgm.measured_mg_dl(n)
            readings.ages_ms[n] = 1000 * (newest_s - cgm.measured_s(n))
            readings.kinds[n] = COUNTED
        glucose.age_ms = 1000 * (s - newest_s) + status(readings, glucose)
        glucose.noise = NOTHING

    def _set_insulin(self, s):
        pump, iob = self._pump, self.inputs.iob
        scheduled = pump.iob.scheduled
        scheduled.advance(s)
        scheduled.forget(s, self._insulin.curve.minutes)
        scheduled.to_come(s, self._rates(s), self._to_come)
        self._insulin.fill(scheduled.doses, self._to_come, s, iob)
        last_s = pump.last_fast_bolus_s()
        age_s = _DAY_S if last_s < 0 else min(s - last_s, _DAY_S)
        iob.last_bolus_age_ms = 1000 * age_s

    # The rates of the activated profile in the next hours, as (seconds, mU/h).
    def _rates(self, s):
        templates = self._pump.templates
        number = templates.activated(_TEMPLATE_BASAL)
        second, left_s = self._pump.wall.second_of_day(s), _TO_COME_S
        while left_s > 0:
            block, seconds = block_at(templates, number, second)
            seconds = min(seconds, left_s)
            yield seconds, templates.value(number, block)
            left_s -= seconds
            second = (second + seconds) % _DAY_S

    # mg/dL/U at a second.
    def _isf(self, s):
        return self._value(_TEMPLATE_ISF, s)

    def _value(self, kind, s):
        templates = self._pump.templates
        number = templates.activated(kind)
        block, _ = block_at(templates, number, self._pump.wall.second_of_day(s))
        return templates.value(number, block) / 10

    def _set_profile(self, s):
        pump, settings = self._pump, self.settings
        templates, guardrails, values = pump.templates, pump.guardrails, pump.control.oref.values
        settings.current_basal = pump.basal.rate_mu_per_h / 1000
        number = templates.activated(_TEMPLATE_BASAL)
        most = 0
        for block in range(templates.count(number)):
            most = max(most, templates.value(number, block))
        settings.max_daily_basal = most / 1000
        settings.max_basal = min(values[places.MAX_BASAL_MU_PER_H], guardrails.basal_mu_per_h) / 1000
        settings.max_iob = min(values[places.MAX_IOB_MU], guardrails.iob_mu) / 1000
        settings.isf = self._isf(s)
        settings.carb_ratio = self._value(_TEMPLATE_ICHO, s)
        number = templates.activated(_TEMPLATE_TARGET)
        block, _ = block_at(templates, number, pump.wall.second_of_day(s))
        temp_target = values[places.TEMP_TARGET_MG_DL]
        settings.temp_target = temp_target != 0
        settings.min_bg = temp_target or templates.value(number, block) / 10
        settings.max_bg = temp_target or templates.high(number, block) / 10
        settings.bolus_increment = self._least_step() / 1000

    def _least_step(self):
        settings = self._pump.settings
        least = settings.BOLUS_STEPS[0][1]
        for pair in settings.BOLUS_STEPS:
            least = min(least, pair[1])
        return max(least, settings.PULSE_MU)

    def _set_settings(self):
        oref, settings = self._pump.control.oref, self.settings
        values = oref.values
        self.inputs.micro_bolus_allowed = oref.has(places.FLAG_SMB)
        settings.skip_neutral_temps = oref.has(places.FLAG_SKIP_NEUTRAL_TEMPS)
        settings.smb_always = oref.has(places.FLAG_SMB_ALWAYS)
        settings.smb_with_cob = oref.has(places.FLAG_SMB_WITH_COB)
        settings.smb_after_carbs = oref.has(places.FLAG_SMB_AFTER_CARBS)
        settings.smb_with_low_target = oref.has(places.FLAG_SMB_WITH_LOW_TARGET)
        settings.smb_with_high_target = oref.has(places.FLAG_SMB_WITH_HIGH_TARGET)
        settings.smb_at_high_bg = oref.has(places.FLAG_SMB_AT_HIGH_BG)
        settings.uam = oref.has(places.FLAG_UAM)
        settings.exercise_mode = oref.has(places.FLAG_EXERCISE_MODE)
        settings.high_target_raises_sensitivity = oref.has(places.FLAG_HIGH_TARGET_RAISES_SENSITIVITY)
        settings.low_target_lowers_sensitivity = oref.has(places.FLAG_LOW_TARGET_LOWERS_SENSITIVITY)
        settings.sensitivity_raises_target = oref.has(places.FLAG_SENSITIVITY_RAISES_TARGET)
        settings.resistance_lowers_target = oref.has(places.FLAG_RESISTANCE_LOWERS_TARGET)
        settings.flat_cgm = FLAT_DETECTED if values[places.FLAT_CGM] == _FLAT_CGM_DETECTED else FLAT_IGNORED
        self.inputs.autosens_ratio = values[places.AUTOSENS_THOUSANDTHS] / 1000 or NOTHING
        settings.autosens_ratio_max = values[places.AUTOSENS_MAX_THOUSANDTHS] / 1000
        settings.half_basal_target = values[places.HALF_BASAL_TARGET_MG_DL]
        settings.smb_high_bg = values[places.SMB_HIGH_BG_MG_DL] or NOTHING
        settings.smb_basal_minutes = values[places.SMB_BASAL_MINUTES]
        settings.uam_smb_basal_minutes = values[places.UAM_SMB_BASAL_MINUTES]
        settings.smb_interval_minutes = values[places.SMB_INTERVAL_MINUTES]
        settings.max_cob = values[places.MAX_COB_G]
        settings.min_carb_impact = values[places.MIN_CARB_IMPACT_TENTHS] / 10
        settings.remaining_carbs_cap = values[places.REMAINING_CARBS_CAP_G]
        settings.remaining_carbs_fraction = values[places.REMAINING_CARBS_PERCENT] / 100
        settings.carbs_required_threshold = values[places.CARBS_REQUIRED_THRESHOLD_G]
        settings.delta_share_max = values[places.DELTA_SHARE_PERCENT] / 100
        settings.noisy_target_multiplier = values[places.NOISY_TARGET_PERCENT] / 100
        settings.daily_basal_multiplier = values[places.DAILY_BASAL_MULTIPLIER_TENTHS] / 10
        settings.current_basal_multiplier = values[places.CURRENT_BASAL_MULTIPLIER_TENTHS] / 10
