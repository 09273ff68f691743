# What the pump tells, and the words it tells it in.
#
# Events carry the code that the history gives the first record of their group (IDS 1.0.2, 3.10). The other words are
# the Hamming code words of IDS 1.0.2 and of the vendor services; MicroPython folds `const` at compile time.
from micropython import const

# Later than any pump second: 34 years. One below 2**30, the first int that a 32-bit board would keep on its heap.
NEVER = const(0x3FFFFFFF)

# Events: emit(event, s, a, b, c, d, e); what is not named is 0.
REFERENCE_TIME = const(0x000F)  # reason
BOLUS_STARTED = const(0x005A)  # id, amount_mu
BOLUS_ENDED = const(0x0069)  # id, delivered_mu, end reason, annunciation id or 0, start_s
BASAL_CHANGED = const(0x0099)  # old_mu_per_h, new_mu_per_h, context
TBR_STARTED = const(0x00A5)  # rate_mu_per_h, duration_minutes, context
TBR_ENDED = const(0x00AA)  # effective_minutes, end reason, annunciation id or 0
TBR_CHANGED = const(0x00C3)  # rate_mu_per_h, duration_minutes, elapsed_minutes
PROFILE_ACTIVATED = const(0x00CC)  # old template or 0, new template
BLOCK_CHANGED = const(0x00F0)  # template, block, duration_minutes, rate_mu_per_h
DAILY = const(0x00FF)  # bolus_mu, basal_mu, date changed 0 or 1, year, month * 32 + day
THERAPY = const(0x0303)  # old, new
OPERATIONAL = const(0x030C)  # old, new
RESERVOIR = const(0x0330)  # remaining_mu
ANNUNCIATION = const(0x033F)  # id, type, status
MAX_BOLUS = const(0x03FC)  # old_mu, new_mu
# No record in the history: the decision's fields are read from pump.decision.
DECISION = const(0x0000)
# Changes that are recorded nowhere and yet survive a power cut.
CONTROLLER_SETTINGS = const(0x0001)
TEMPLATES_RESET = const(0x0002)

# Sources of a pulse.
NO_SOURCE = const(0x0F)
SOURCE_BASAL = const(0x33)
SOURCE_BOLUS = const(0x3C)

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
READY = const(0x96)

# Annunciation types; the last two are this pump's own.
SYSTEM_ISSUE = const(0x000F)
OCCLUSION_DETECTED = const(0x003C)
RESERVOIR_EMPTY = const(0x005A)
RESERVOIR_LOW = const(0x0066)
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

# Delivery context of a basal rate.
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
ACTION_NONE = const(0x0F)
ACTION_KEEP = const(0x33)
ACTION_SUSPEND = const(0x3C)
ACTION_RESUME = const(0x55)

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

# A prediction that does not exist.
NO_PREDICTION_MG_DL = const(0x7FFF)

# Injected hardware faults.
FAULT_OCCLUSION = const(0x33)
FAULT_RESERVOIR_LEVEL = const(0x3C)
FAULT_RESERVOIR_DETACHED = const(0x55)
