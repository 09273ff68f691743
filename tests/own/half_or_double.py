# A controller of one's own: half of the basal below 100 mg/dL, double from 180 on, else what the profile says.
HALF_BELOW = 100
DOUBLE_FROM = 180


def decide(inputs, settings, decision):
    mg_dl = inputs.glucose.mg_dl
    if mg_dl < HALF_BELOW:
        decision.set(settings.current_basal / 2, 30)
    elif mg_dl >= DOUBLE_FROM:
        decision.set(2 * settings.current_basal, 30)
    else:
        decision.set(0, 0)
