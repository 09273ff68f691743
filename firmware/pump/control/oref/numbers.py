# Numbers as oref0 reckons with them (D-1001, D-1002).
#
# A number that is not there is NaN. It goes through every sum, is never lesser, greater or equal, and counts as zero
# where it is only asked whether there is anything.
import math

NOTHING = float("nan")
# Beyond this a double has no fractions left; it also keeps what is no number away from math.floor.
_WHOLE_FROM = 1e15
_WHOLE_TO = -1e15
_TWICE_FROM = 2e15
_TWICE_TO = -2e15


# To the nearest whole number, half up: -2.5 becomes -2. Twice a float is exact, and a float less to make than its half.
def nearest(x):
    if not _WHOLE_TO < x < _WHOLE_FROM:
        return x
    return math.floor(x + x) + 1 >> 1


def tenth(x):
    x *= 20
    return (math.floor(x) + 1 >> 1) / 10 if _TWICE_TO < x < _TWICE_FROM else x / 20


def hundredth(x):
    x *= 200
    return (math.floor(x) + 1 >> 1) / 100 if _TWICE_TO < x < _TWICE_FROM else x / 200


def thousandth(x):
    x *= 2000
    return (math.floor(x) + 1 >> 1) / 1000 if _TWICE_TO < x < _TWICE_FROM else x / 2000


def whole_below(x):
    return math.floor(x) if _WHOLE_TO < x < _WHOLE_FROM else x


# NaN when either is NaN, whichever stands first.
def lesser(a, b):
    return a if a < b or a != a else b


def greater(a, b):
    return a if a > b or a != a else b


# A quotient that a divisor of zero makes infinite, or nothing when it divides zero.
def over(a, b):
    return a / b if b != 0 else a * float("inf")


# Whether there is a number, and not zero.
def given(x):
    return x != 0 and x == x
