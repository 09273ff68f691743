# Steps: which rates and amounts a pump can give (D-109).
#
# Pure logic on small ints. steps: pairs of (below, step), ascending; the step of a value is that of the first pair
# whose `below` exceeds it.


class Steps:
    def __init__(self, least, steps):
        self._least = least
        self._steps = steps

    # Whether a value is on a step; 0 is for the caller to judge.
    def on(self, value):
        if value < self._least:
            return False
        for pair in self._steps:
            if value < pair[0]:
                return value % pair[1] == 0
        return False

    # The greatest value on a step that is not above this one; 0 when that is below the least.
    def cut(self, value):
        found = low = 0
        for pair in self._steps:
            top = min(value, pair[0] - 1)
            top -= top % pair[1]
            if top >= low:
                found = top
            low = pair[0]
            if value < low:
                break
        return found if found >= self._least else 0
