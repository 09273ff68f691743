# How old doses are: those that still work, with their age in whole minutes.
#
# ages_native.py has the same in machine code. It is taken where the port can run it.


# Fills ages and mU of `left` doses from `first` on, in a room that goes round; returns how many there are. Ages are
# those at s, rounded half up, below `end`. Those of one age become one, unless each stays alone. entries, newest_s and
# joined are those of pump/doses.py.
def take(entries, room, newest_s, joined, first, left, s, end, dose_mu, alone, ages, amounts_mu):
    count = 0
    last = -1
    while left:
        at = 3 * first
        age_s = s - newest_s + (newest_s - (entries[at] | entries[at + 1] << 8) & 0xFFFF)
        if 0 <= age_s < 60 * end - 30:
            age = (age_s + 30) // 60
            mu = (entries[at + 2] - 128 + joined) * dose_mu
            if age == last and not alone:
                amounts_mu[count - 1] += mu
            else:
                amounts_mu[count] = mu
                ages[count] = last = age
                count += 1
        joined = 0
        first = first + 1 if first + 1 < room else 0
        left -= 1
    return count


try:
    from pump.control.oref.ages_native import take  # noqa: F401
except (AttributeError, ImportError, SyntaxError, ValueError):
    pass
