# How a wanted rate becomes a TBR (D-1051 to D-1053).
from pump.control.oref.numbers import lesser


def max_safe_basal(settings):
    daily = settings.daily_basal_multiplier
    current = settings.current_basal_multiplier
    daily = 3 if daily != daily else daily
    current = 4 if current != current else current
    return lesser(settings.max_basal, lesser(daily * settings.max_daily_basal, current * settings.current_basal))


# Sets the TBR, keeps the running one, or cancels it.
def set_temp(rate, minutes, temp, settings, decision):
    if rate < 0:
        rate = 0
    else:
        most = max_safe_basal(settings)
        rate = most if rate > most else rate
    rate = settings.stepped(rate)
    if minutes > 0 and minutes - 10 < temp.minutes <= 120 and temp.rate * 0.8 <= rate <= temp.rate * 1.2:
        return
    if rate == settings.current_basal and settings.skip_neutral_temps:
        if temp.minutes > 0:
            decision.set(0, 0)
        return
    decision.set(rate, minutes)


# Runs the basal for half an hour, or lets it run that runs already.
def set_neutral(basal, temp, settings, decision):
    if temp.minutes > 15 and settings.stepped(basal) == settings.stepped(temp.rate):
        return
    set_temp(basal, 30, temp, settings, decision)
