# What the pump tells, and the words it tells it in.
#
# Events carry the code that the history gives the first record of their group (IDS 1.0.2, 3.10). The other words are
# the Hamming code words of IDS 1.0.2 and of the vendor services. Modules write those that they need as private
# constants, which MicroPython folds at compile time and which take no memory; a test holds them against these.
from micropython import const

# Later than any pump second: 34 years. One below 2**30, the first int that a 32-bit board would keep on its heap.
NEVER = const(0x3FFFFFFF)

# Events: emit(event, s, a, b, c, d, e); what is not named is 0.
REFERENCE_TIME = const(0x000F)  # reason
BOLUS_CALCULATED = const(0x003C)  # the amounts are read from pump.calculated
BOLUS_STARTED = const(0x005A)  # place in pump.boluses: the rest is read there
BOLUS_ENDED = const(0x0069)  # place in pump.boluses, end reason, annunciation id or 0
BASAL_CHANGED = const(0x0099)  # old_mu_per_h, new_mu_per_h, context
TBR_STARTED = const(0x00A5)  # 0; the TBR is read from pump.tbr
TBR_ENDED = const(0x00AA)  # effective_minutes, end reason, annunciation id or 0
TBR_CHANGED = const(0x00C3)  # elapsed_minutes
PROFILE_ACTIVATED = const(0x00CC)  # template type, old template or 0, new template
BLOCK_CHANGED = const(0x00F0)  # template, block from 1, duration_minutes, value, high
DAILY = const(0x00FF)  # bolus_mu, basal_mu, date changed 0 or 1, year, month * 32 + day
THERAPY = const(0x0303)  # old, new
OPERATIONAL = const(0x030C)  # old, new
RESERVOIR = const(0x0330)  # remaining_mu
ANNUNCIATION = const(0x033F)  # id, type, status
ISF_BLOCK_CHANGED = const(0x0359)  # as BLOCK_CHANGED
ICHO_BLOCK_CHANGED = const(0x0365)
TARGET_BLOCK_CHANGED = const(0x036A)
PRIMING_STARTED = const(0x0395)  # amount_mu
PRIMING_DONE = const(0x039A)  # delivered_mu, end reason, annunciation id or 0
POINTER = const(0x03A9)  # settings of the controllers or the guardrails were written
BOLUS_TEMPLATE_CHANGED = const(0x03C0)  # template
CARBS = const(0xF033)  # grams, minutes ago
TBR_TEMPLATE_CHANGED = const(0x03F3)  # template
MAX_BOLUS = const(0x03FC)  # old_mu, new_mu
GUARDRAIL = const(0xF00F)  # number, who asked (a context), asked, allowed
# No record in the history: the decision's fields are read from pump.decision.
DECISION = const(0x0000)
# Changes that are recorded nowhere and yet survive a power cut.
TEMPLATES_RESET = const(0x0001)
OPERATION_TIME_RESET = const(0x0002)

# Sources of a pulse.
NO_SOURCE = const(0x0F)
SOURCE_BASAL = const(0x33)
SOURCE_BOLUS = const(0x3C)  # the fast bolus
SOURCE_EXTENDED = const(0x55)  # the other bolus
SOURCE_PRIME = const(0x5A)

# Types of boluses and TBRs.
FAST = const(0x33)
EXTENDED = const(0x3C)
MULTIWAVE = const(0x55)
ABSOLUTE = const(0x33)
RELATIVE = const(0x3C)

# Types of templates.
TEMPLATE_BASAL = const(0x33)
TEMPLATE_TBR = const(0x3C)
TEMPLATE_BOLUS = const(0x55)
TEMPLATE_ISF = const(0x5A)
TEMPLATE_ICHO = const(0x66)
TEMPLATE_TARGET = const(0x96)

# Response codes of the control points.
SUCCESS = const(0x0F)
INVALID_OPERAND = const(0x71)
NOT_COMPLETED = const(0x72)
OUT_OF_RANGE = const(0x73)
NOT_APPLICABLE = const(0x74)
NOT_PLAUSIBLE = const(0x75)
NO_MORE_BOLUSES = const(0x76)

# Therapy control state.
UNDETERMINED = const(0x0F)
STOP = const(0x33)
PAUSE = const(0x3C)
RUN = const(0x55)

# Operational state.
PRIMING = const(0x5A)
READY = const(0x96)

# Annunciation types that the pump raises by itself; the last two are its own.
SYSTEM_ISSUE = const(0x000F)
OCCLUSION_DETECTED = const(0x003C)
RESERVOIR_EMPTY = const(0x005A)
RESERVOIR_LOW = const(0x0066)
MAX_DELIVERY = const(0x0356)
BATTERY_EMPTY = const(0x00AA)
BATTERY_LOW = const(0x00C3)
CGM_STALE = const(0xF00F)
PAUSE_OVER = const(0xF033)

# Annunciation status.
PENDING = const(0x33)
SNOOZED = const(0x3C)
CONFIRMED = const(0x55)

# Why a TBR or a bolus ended.
COMPLETE = const(0x33)
CANCELED = const(0x3C)
ERROR_ABORT = const(0x55)
# Why a priming ended; ERROR_ABORT stands for both.
STOPPED_BY_USER = const(0x33)
AMOUNT_REACHED = const(0x3C)

# Delivery context of a basal rate, and who asked what a guardrail forbids.
DEVICE = const(0x33)
REMOTE_CONTROL = const(0x3C)
AP_CONTROLLER = const(0x55)

# Why a reference time was recorded.
SET_DATE_TIME = const(0x33)
PERIODIC = const(0x3C)
DATE_TIME_LOSS = const(0x55)

# Controllers, and what one decided on a sample.
MANUAL = const(0x33)
PLGS = const(0x3C)
OREF = const(0x55)
OWN = const(0x5A)
ACTION_NONE = const(0x0F)
ACTION_KEEP = const(0x33)
ACTION_SUSPEND = const(0x3C)
ACTION_RESUME = const(0x55)
ACTION_SET_TBR = const(0x5A)
ACTION_CANCEL_TBR = const(0x66)

# Why it decided so.
REASON_MANUAL = const(0x0F)
REASON_NO_PREDICTION = const(0x33)
REASON_PREDICTED_LOW = const(0x3C)
REASON_LOW_NOW = const(0x55)
REASON_RISING = const(0x5A)
REASON_NOT_LOW = const(0x66)
REASON_LIMIT_REACHED = const(0x69)
REASON_LOCKOUT = const(0x96)
REASON_STALE = const(0x99)
REASON_MINIMUM_TIME = const(0xA5)
REASON_NOT_RUNNING = const(0xAA)
REASON_INVALID_SAMPLE = const(0xC3)
REASON_CONTROLLER_RULE = const(0xCC)
REASON_NOT_CONFIGURED = const(0xF0)
REASON_IOB_UNKNOWN = const(0xFF)

# What a glucose that does not change means to oref.
FLAT_CGM_DETECTED = const(0x33)
FLAT_CGM_IGNORED = const(0x3C)

# A prediction that does not exist.
NO_PREDICTION_MG_DL = const(0x7FFF)

# What counters count, and what is asked of them.
COUNTER_LIFETIME = const(0x0F)
COUNTER_WARRANTY = const(0x33)
COUNTER_LOANER = const(0x3C)
COUNTER_OPERATION = const(0x55)
COUNTER_REMAINING = const(0x0F)
COUNTER_ELAPSED = const(0x33)

# What the emulator service injects.
FAULT_OCCLUSION = const(0x33)
FAULT_RESERVOIR_LEVEL = const(0x3C)
FAULT_RESERVOIR_DETACHED = const(0x55)
BATTERY_LEVEL = const(0x5A)
INJECTED_ANNUNCIATION = const(0x66)
