# Controller own: decides what you like. This one keeps what runs; CONTRIBUTING.md shows how to put another one here.
#
# decide() reads inputs and settings (oref/inputs.py) and fills decision (oref/decision.py): set(rate, minutes) for a
# TBR in U/h, of 0 min to cancel the one that runs; smb for a small bolus in U.


def decide(inputs, settings, decision):
    pass
