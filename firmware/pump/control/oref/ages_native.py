# ruff: noqa: F821 - ptr8, ptr16 and ptr32 are words of viper
# ages.py in machine code. What it cannot run on says so when it is imported.
import micropython


@micropython.viper
def take(
    entries: ptr8, room: int, newest_s: int, joined: int, first: int, left: int, s: int, end: int, dose_mu: int,
    alone: int, ages: ptr16, amounts_mu: ptr32,
) -> int:  # fmt: skip
    old_s = 60 * end - 30
    count = 0
    last = -1
    while left:
        at = 3 * first
        age_s = s - newest_s + ((newest_s - (int(entries[at]) | int(entries[at + 1]) << 8)) & 0xFFFF)
        if 0 <= age_s:
            if age_s < old_s:
                age = (age_s + 30) // 60
                mu = (int(entries[at + 2]) - 128 + joined) * dose_mu
                if age == last and not alone:
                    amounts_mu[count - 1] = int(amounts_mu[count - 1]) + mu
                else:
                    amounts_mu[count] = mu
                    ages[count] = age
                    last = age
                    count += 1
        joined = 0
        first += 1
        if first == room:
            first = 0
        left -= 1
    return count
