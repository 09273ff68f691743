"""A day of a pump under oref, the same on every port: samples, carbs, small boluses, and a client beside it."""

import settings as product
from pump import events
from pump.control import oref_settings as places

SMB = places.FLAG_SMB | places.FLAG_SMB_ALWAYS | places.FLAG_UAM | places.FLAG_SENSITIVITY_RAISES_TARGET
PROFILES = (
    (1, (360, 800), (361, 1250), (719, 1000)),
    (10, (700, 450), (740, 500)),
    (12, (1440, 95)),
    (14, (1440, 1000, 1100)),
)
SAMPLE_S = 300
DAY_SAMPLES = 288


def begin(bench, bilinear):
    """A pump in Run under oref with all profiles, whose session starts at second 0."""
    for number, *blocks in PROFILES:
        bench.profile(0, *blocks, template=number)
    values = list(product.OREF_SETTINGS)
    values[places.FLAGS] = SMB | (places.FLAG_BILINEAR_CURVE if bilinear else 0)
    values[places.MAX_IOB_MU] = 6000
    codes = [
        bench.do(0, "configure_oref", *values),
        bench.do(0, "configure", events.OREF, 80, 70, 30, 120, 150, 15, 30, 300, 75, 0, 0, 0, 5, 3),
        bench.do(0, "set_therapy_state", events.RUN),
    ]
    bench.pump.cgm_session(0, 0)
    assert codes == [events.SUCCESS] * 3


def beside(bench, dice, s):
    """What a client does between two samples, mostly nothing; a list of response codes."""
    kind = dice.roll(30)
    if kind == 0:
        return [bench.do(s, "announce_carbs", 5 + dice.roll(60), dice.pick(0, 0, 7, 20))]
    if kind == 1:
        return [bench.tbr(s, dice.pick(0, 300, 2400), dice.pick(15, 30, 60), change=dice.pick(False, True))]
    if kind == 2:
        return [bench.do(s, "cancel_tbr")]
    if kind == 3:
        return [bench.bolus(s, fast_mu=dice.pick(200, 1500), extended_mu=dice.pick(0, 500), minutes=30)]
    if kind == 4 and dice.roll(4) == 0:
        return [bench.do(s, "set_therapy_state", events.STOP), bench.do(s + 40, "set_therapy_state", events.RUN)]
    if kind == 5 and dice.roll(4) == 0:
        dia = dice.pick(240, 300, 360)
        return [bench.do(s, "configure", events.OREF, 80, 70, 30, 120, 150, 15, 30, dia, 70, 0, 0, 0, 5, 3)]
    return []


def walk(bench, dice, samples, bilinear):
    """Let a pump that has just begun do a day; dice: the Dice of pump_walk.py.

    Returns the response codes, and of each sample its code, action and detail.
    """
    begin(bench, bilinear)
    mg_dl, slope = 120 + dice.roll(60), 0
    codes, decided = [], []
    for number in range(samples):
        offset = 5 * number + dice.pick(0, 0, 0, 0, 1, 2)
        s = 60 * offset + dice.roll(30)
        if dice.roll(20):
            code = bench.do(s, "cgm_sample", offset, mg_dl, 0)
            decision = bench.pump.decision
            decided.append([code, decision.action] + list(decision.detail))  # noqa: RUF005
        codes += beside(bench, dice, s + 31 + dice.roll(60))
        slope = max(-8, min(8, slope + dice.roll(7) - 3))
        mg_dl = max(45, min(320, mg_dl + slope))
    return codes, decided
