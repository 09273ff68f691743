# What the rules aim at: sensitivity, basal, ISF, the target range and the suspend threshold (D-1021 to D-1024).
from pump.control.oref.numbers import NOTHING, given, greater, hundredth, lesser, nearest, over, tenth

# A temp target is high or low against this, not against the schedule.
_NORMAL_TARGET = 100
_HALF_BASAL_TARGET = 160
_TARGET_LEAST = 80
_TARGET_MOST_WHEN_NOISY = 200
# Where a sensor has no glucose to show: what the range is stretched about.
_STRETCH_FROM = 60


class Targets:
    def __init__(self):
        self.basal = NOTHING
        self.isf = NOTHING
        self.ratio = NOTHING
        self.min_bg = NOTHING
        self.max_bg = NOTHING
        self.target = NOTHING
        self.threshold = NOTHING

    def set(self, inputs, settings):
        self.min_bg = settings.min_bg
        self.max_bg = settings.max_bg
        self.target = (settings.min_bg + settings.max_bg) / 2
        self.ratio = _sensitivity_ratio(inputs.autosens_ratio, settings, self.target)
        self.basal = settings.stepped(
            settings.current_basal * self.ratio if given(self.ratio) else settings.current_basal
        )
        if not settings.temp_target:
            self._follow_autosens(inputs.autosens_ratio, settings)
        if inputs.glucose.noise >= 2:
            self._raise_for_noise(settings)
        self.threshold = self.min_bg - 0.5 * (self.min_bg - 40)
        autosens = inputs.autosens_ratio == inputs.autosens_ratio
        self.isf = tenth(over(settings.isf, self.ratio)) if autosens else settings.isf

    def _follow_autosens(self, ratio, settings):
        if settings.sensitivity_raises_target and ratio < 1 or settings.resistance_lowers_target and ratio > 1:
            self.min_bg = _stretched(self.min_bg, ratio)
            self.max_bg = _stretched(self.max_bg, ratio)
            self.target = max(_TARGET_LEAST, _stretched(self.target, ratio))

    def _raise_for_noise(self, settings):
        multiplier = greater(1.1, settings.noisy_target_multiplier)
        self.min_bg = nearest(lesser(_TARGET_MOST_WHEN_NOISY, self.min_bg * multiplier))
        self.target = nearest(lesser(_TARGET_MOST_WHEN_NOISY, self.target * multiplier))
        self.max_bg = nearest(lesser(_TARGET_MOST_WHEN_NOISY, self.max_bg * multiplier))


def _stretched(mg_dl, ratio):
    return nearest((mg_dl - _STRETCH_FROM) / ratio) + _STRETCH_FROM


# NaN when neither a temp target nor autosens says anything.
def _sensitivity_ratio(autosens_ratio, settings, target):
    high_counts = settings.exercise_mode or settings.high_target_raises_sensitivity
    if settings.temp_target and (
        high_counts and target > _NORMAL_TARGET or settings.low_target_lowers_sensitivity and target < _NORMAL_TARGET
    ):
        return _ratio_of_target(settings, target)
    return autosens_ratio


# At the half-basal target half of the basal is left, at the normal target all of it.
def _ratio_of_target(settings, target):
    half_basal_target = settings.half_basal_target if given(settings.half_basal_target) else _HALF_BASAL_TARGET
    reach = half_basal_target - _NORMAL_TARGET
    stretch = reach + target - _NORMAL_TARGET
    ratio = settings.autosens_ratio_max if reach * stretch <= 0 else reach / stretch
    return hundredth(lesser(ratio, settings.autosens_ratio_max))
