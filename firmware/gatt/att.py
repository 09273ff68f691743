# Numbers of the Attribute Protocol, and of the error codes that services add to it.
from micropython import const

ERROR_RESPONSE = const(0x01)
EXCHANGE_MTU_REQUEST = const(0x02)
EXCHANGE_MTU_RESPONSE = const(0x03)
READ_REQUEST = const(0x0A)
READ_RESPONSE = const(0x0B)
WRITE_REQUEST = const(0x12)
WRITE_RESPONSE = const(0x13)
NOTIFICATION = const(0x1B)
INDICATION = const(0x1D)
CONFIRMATION = const(0x1E)
COMMAND_FLAG = const(0x40)

OK = const(0)
INVALID_HANDLE = const(0x01)
READ_NOT_PERMITTED = const(0x02)
WRITE_NOT_PERMITTED = const(0x03)
INVALID_PDU = const(0x04)
REQUEST_NOT_SUPPORTED = const(0x06)
INSUFFICIENT_AUTHORIZATION = const(0x08)
INVALID_LENGTH = const(0x0D)
VALUE_NOT_ALLOWED = const(0x13)
INVALID_CRC = const(0x81)
INVALID_COUNTER = const(0x82)
CONFIGURATION_IMPROPER = const(0xFD)
PROCEDURE_IN_PROGRESS = const(0xFE)
OUT_OF_RANGE = const(0xFF)

MTU_DEFAULT = const(23)
VALUE_OCTETS_MAX = const(20)
# Of some values of the vendor services, which need a greater MTU.
LONG_VALUE_OCTETS_MAX = const(62)
