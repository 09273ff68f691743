# Controller oref: from inputs to a decision (D-1014 to D-1050).
#
# decide() is pure: it reads inputs and settings and fills its decision. Every rule that ends a decision says its number
# in `rule`.
from pump.control.oref import smb
from pump.control.oref.carbs import Carbs
from pump.control.oref.forecast import Forecast
from pump.control.oref.inputs import FLAT_DETECTED, FLAT_TOLD
from pump.control.oref.numbers import (
    given,
    greater,
    hundredth,
    lesser,
    nearest,
    over,
    tenth,
    thousandth,
)  # fmt: skip
from pump.control.oref.set_temp import max_safe_basal, set_neutral, set_temp
from pump.control.oref.targets import Targets

_CGM_ERROR_MOST = 10
_CGM_ERROR = 38
_CGM_NOISE = 3
_CGM_OLD_MINUTES = 12
_CGM_AHEAD_MINUTES = 5

# The rules that end a decision; those from RULE_LOW on know where glucose goes.
RULE_CGM = 1014
RULE_OTHER_TEMP = 1025
RULE_TEMP_ENDED = 1026
RULE_LOW = 1041
RULE_TOP_OF_HOUR = 1042
RULE_EVENTUALLY_LOW = 1043
RULE_FALLING = 1044
RULE_IN_RANGE = 1045
RULE_IOB_LIMIT = 1046
RULE_LOW_TEMP_BESIDE_SMB = 1049
RULE_HIGH_TEMP = 1050


class Oref:
    def __init__(self):
        self.decision = None
        self.targets = Targets()
        self.carbs = Carbs()
        self.forecast = Forecast()
        self._min_delta = 0
        self._expected_delta = 0
        self._naive = 0
        self._smb = False
        self._carbs_required = 0

    # Fills a decision that is clear.
    def decide(self, inputs, settings, decision):
        self.decision = decision
        if _cgm_fault(inputs.glucose, settings):
            decision.rule = RULE_CGM
            _calm(inputs.temp, settings, decision)
            return
        self.targets.set(inputs, settings)
        decision.rule = _temp_mismatch(inputs)
        if decision.rule:
            set_temp(0, 0, inputs.temp, settings, decision)
            return
        self._foresee(inputs, settings)
        self._find_smb(inputs, settings)
        self._find_carbs_required(inputs, settings)
        decision.rule = self._low(inputs, settings) or self._moderate(inputs, settings) or self._high(inputs, settings)

    # What insulin, deviation and carbs lead to.
    def _foresee(self, inputs, settings):
        decision, targets, glucose, iob = self.decision, self.targets, inputs.glucose, inputs.iob
        self._min_delta = lesser(glucose.delta, glucose.short_delta)
        decision.bgi = hundredth(-iob.activity * targets.isf * 5)
        decision.deviation = _deviation(glucose, self._min_delta, decision.bgi)
        isf = targets.isf if iob.iob > 0 else lesser(targets.isf, settings.isf)
        self._naive = nearest(glucose.mg_dl - iob.iob * isf)
        eventual = self._naive + decision.deviation
        self._expected_delta = tenth(decision.bgi + (targets.target - eventual) / 24)
        self.carbs.set(inputs.meal, settings, targets, self._min_delta, decision.bgi)
        self.forecast.draw(inputs, settings, targets, self.carbs, eventual)
        self.forecast.read(glucose.mg_dl, inputs.meal, settings.uam, targets, self.carbs)
        decision.eventual = self.forecast.eventual

    def _find_smb(self, inputs, settings):
        self._smb = smb.chosen(inputs, settings, self.targets.target)
        if self.forecast.min_guard < self.targets.threshold:
            self._smb = False
        if smb.jumps(inputs.glucose, settings):
            self.decision.smb_jump = True
            self._smb = False

    # Carbs that would keep glucose above the threshold if insulin were stopped until it gets there.
    def _find_carbs_required(self, inputs, settings):
        threshold = self.targets.threshold
        lowest = self._naive
        if lowest < 40:
            lowest = lesser(self.forecast.min_guard, lowest)
        minutes = self.forecast.leading().minutes_above(threshold)
        saved = settings.current_basal * self.targets.isf * minutes / 60
        counted = greater(0, inputs.meal.cob - 0.25 * inputs.meal.carbs)
        self._carbs_required = nearest((threshold - lowest - saved) / self.carbs.per_gram - counted)
        if self._carbs_required >= settings.carbs_required_threshold and minutes <= 45:
            self.decision.carbs_required = self._carbs_required

    # --- the rules in their order; each gives its number, or 0 when it does not hold ---

    def _low(self, inputs, settings):
        targets, mg_dl, min_delta = self.targets, inputs.glucose.mg_dl, self._min_delta
        owed = inputs.iob.iob < -settings.current_basal * 20 / 60
        if mg_dl < targets.threshold and owed and min_delta > 0 and min_delta > self._expected_delta:
            return 0
        if not (mg_dl < targets.threshold or self.forecast.min_guard < targets.threshold):
            return 0
        minutes = self._zero_temp_minutes(targets.target - self.forecast.min_guard, settings)
        minutes = lesser(120, greater(30, nearest(minutes / 30) * 30))
        set_temp(0, minutes, inputs.temp, settings, self.decision)
        return RULE_LOW

    # Minutes without basal that bring glucose up by so much.
    def _zero_temp_minutes(self, mg_dl, settings):
        return nearest(over(60 * (mg_dl / self.targets.isf), settings.current_basal))

    def _moderate(self, inputs, settings):
        decision, temp, targets, forecast = self.decision, inputs.temp, self.targets, self.forecast
        if settings.skip_neutral_temps and inputs.minute_of_hour >= 55:
            set_temp(0, 0, temp, settings, decision)
            return RULE_TOP_OF_HOUR
        if forecast.eventual < targets.min_bg:
            self._eventually_low(temp, settings)
            return RULE_EVENTUALLY_LOW
        rule = 0
        if not self._smb and self._min_delta < self._expected_delta:
            rule = RULE_FALLING
        elif not self._smb and lesser(forecast.eventual, forecast.min_pred) < targets.max_bg:
            rule = RULE_IN_RANGE
        elif inputs.iob.iob > settings.max_iob:
            rule = RULE_IOB_LIMIT
        if rule:
            set_neutral(targets.basal, temp, settings, decision)
        return rule

    def _eventually_low(self, temp, settings):
        decision, basal = self.decision, self.targets.basal
        rising = self._min_delta > self._expected_delta and self._min_delta > 0
        if rising and not given(self._carbs_required):
            if self._naive < 40:
                set_temp(0, 30, temp, settings, decision)
            else:
                set_neutral(basal, temp, settings, decision)
            return
        required, naive_required = self._surplus()
        rate = settings.stepped(basal + 2 * required)
        scheduled = temp.minutes * (temp.rate - basal) / 60
        if scheduled < lesser(required, naive_required) - basal * 0.3:
            set_temp(rate, 30, temp, settings, decision)
        elif temp.minutes > 5 and rate >= temp.rate * 0.8:
            return
        else:
            minutes = self._zero_temp_minutes(self.targets.target - self._naive, settings) if rate <= 0 else 0
            minutes = lesser(120, nearest(minutes / 30) * 30)
            set_temp(rate, minutes if minutes > 0 else 30, temp, settings, decision)

    # Insulin that is too much, as a negative number: by the eventual glucose, doubled, and by insulin alone.
    def _surplus(self):
        isf, target = self.targets.isf, self.targets.target
        required = hundredth(2 * lesser(0, (self.forecast.eventual - target) / isf))
        naive_required = hundredth(lesser(0, (self._naive - target) / isf))
        if self._expected_delta < self._min_delta < 0:
            required = hundredth(required * (self._min_delta / self._expected_delta))
        return required, naive_required

    def _high(self, inputs, settings):
        decision, temp, targets, forecast = self.decision, inputs.temp, self.targets, self.forecast
        required = hundredth((lesser(forecast.min_pred, forecast.eventual) - targets.target) / targets.isf)
        room = settings.max_iob - inputs.iob.iob
        if required > room:
            required = room
        rate = settings.stepped(targets.basal + 2 * required)
        decision.insulin_required = thousandth(required)
        if self._smb and inputs.glucose.mg_dl > targets.threshold and self._give_smb(inputs, settings):
            return RULE_LOW_TEMP_BESIDE_SMB
        most = max_safe_basal(settings)
        if rate > most:
            rate = settings.stepped(most)
        scheduled = temp.minutes * (temp.rate - targets.basal) / 60
        enough = temp.minutes > 5 and settings.stepped(rate) <= settings.stepped(temp.rate)
        if scheduled >= decision.insulin_required * 2 or not enough:
            set_temp(rate, 30, temp, settings, decision)
        return RULE_HIGH_TEMP

    # Gives a small bolus when it is time, and says whether a low temp goes with it.
    def _give_smb(self, inputs, settings):
        decision, targets = self.decision, self.targets
        amount = smb.amount(decision.insulin_required, inputs, settings)
        if tenth(inputs.iob.last_bolus_age_ms / 60000) > smb.interval_minutes(settings) and amount > 0:
            decision.smb = amount
        if 0 < decision.insulin_required and amount < smb.increment(settings):
            return False
        lowest = (self._naive + self.forecast.iob.lowest_later) / 2
        minutes = self._zero_temp_minutes(targets.target - lowest, settings)
        if minutes <= 0:
            return False
        if minutes >= 30:
            decision.set(0, lesser(60, nearest(minutes / 30) * 30))
        else:
            decision.set(hundredth(targets.basal * minutes / 30), 30)
        return True


def _cgm_fault(glucose, settings):
    age_minutes = tenth(glucose.age_ms / 60 / 1000)
    return (
        glucose.mg_dl <= _CGM_ERROR_MOST
        or glucose.mg_dl == _CGM_ERROR
        or glucose.noise >= _CGM_NOISE
        or age_minutes > _CGM_OLD_MINUTES
        or age_minutes < -_CGM_AHEAD_MINUTES
        or _flat(glucose, settings)
    )


def _flat(glucose, settings):
    if settings.flat_cgm != FLAT_DETECTED:
        return settings.flat_cgm == FLAT_TOLD and glucose.flat
    still = glucose.delta == 0 and -1 < glucose.short_delta < 1 and -1 < glucose.long_delta < 1
    return glucose.mg_dl > 60 and still and not glucose.simulated


# Without a reading nothing runs that does more, or for longer, than the basal would.
def _calm(temp, settings, decision):
    basal = settings.stepped(settings.current_basal)
    if temp.rate > basal:
        decision.set(basal, 30)
    elif temp.rate == 0 and temp.minutes > 30:
        decision.set(0, 30)


# The rule by which what runs is not what the history says; 0 when they agree.
def _temp_mismatch(inputs):
    temp, iob = inputs.temp, inputs.iob
    if not iob.last_temp:
        return 0
    age_minutes = nearest(iob.last_temp_age_ms / 60000)
    if inputs.micro_bolus_allowed and temp.rate != iob.last_temp_rate and age_minutes > 10 and temp.minutes:
        return RULE_OTHER_TEMP
    if temp.minutes > 0 and age_minutes - iob.last_temp_minutes > 5 and age_minutes > 10:
        return RULE_TEMP_ENDED
    return 0


# How much of 30 min of change insulin does not explain; a fall has to last to count.
def _deviation(glucose, min_delta, bgi):
    deviation = nearest(6 * (min_delta - bgi))
    if deviation < 0:
        deviation = nearest(6 * (lesser(glucose.short_delta, glucose.long_delta) - bgi))
    if deviation < 0:
        deviation = nearest(6 * (glucose.long_delta - bgi))
    return deviation
