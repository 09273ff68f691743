# Which records of the history belong together (IDS 1.0.2, 3.10): those of one bolus, of one annunciation, of a TBR and
# its rate, of the blocks of one profile.
from micropython import const

_DELIVERED_BASAL_RATE_CHANGED = const(0x0099)

# The record that follows, by the first one of a group of two.
_FOLLOWING = {
    0x003C: 0x0055,  # bolus calculated
    0x005A: 0x0066,  # bolus programmed
    0x0069: 0x0096,  # bolus delivered
    0x033F: 0x0356,  # annunciation status changed
    0x03C0: 0x03CF,  # bolus template changed
    0x00A5: _DELIVERED_BASAL_RATE_CHANGED,  # TBR started
    0x00AA: _DELIVERED_BASAL_RATE_CHANGED,  # TBR ended
    0x00C3: _DELIVERED_BASAL_RATE_CHANGED,  # TBR changed
}
# Blocks of basal, ISF, I:CHO ratio and target profiles.
_BLOCKS = (0x00F0, 0x0359, 0x0365, 0x036A)
_BLOCK_NUMBER = const(1)


# Whether the record of a number and the one after it are stored and belong to one group. A profile begins with its
# block 1.
def together(history, sequence):
    if not history.load(sequence):
        return False
    event = history.event
    if not history.load(sequence + 1):
        return False
    if event in _BLOCKS:
        return history.event == event and history.data[_BLOCK_NUMBER] > 1
    return history.event == _FOLLOWING.get(event)
