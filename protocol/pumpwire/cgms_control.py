"""CGM Service beyond the measurements: status, run time, stored records, specific operations (CGMS 1.0.2, 3.3 to 3.7).

The pump is the client here: what it writes goes *to the client* of the Insulin Delivery Service, the rig.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from construct import Struct

from pumpwire import database
from pumpwire.declare import TO_CLIENT, TO_PUMP, Example, Message
from pumpwire.enums import (
    CgmCalibrationStatusFlags,
    CgmCalibrationTemperatureFlags,
    CgmRacpFilter,
    CgmRacpOperator,
    CgmRacpResponseCode,
    CgmResponseCode,
    CgmStatusFlags,
    CgmWarningFlags,
)
from pumpwire.fields import Bits, Int8ul, Int16ul, PresentWhen, Rounding, Sfloat, Word

GLUCOSE_MG_DL = Sfloat(1, rounding=Rounding.HALF_UP)
RATE_MG_DL_PER_MINUTE = Sfloat(1000, rounding=Rounding.TOWARD_ZERO)


def _message(name: str, on: Any, body: Any, *, served: bool = False, **details: Any) -> Message:
    return Message(name, on=on, body=body, clause=on.clause, served=served, **details)


CGM_STATUS = _message(
    "CgmStatus", database.CGM_STATUS,
    Struct(
        "time_offset_minutes" / Int16ul * "of this status since the session's start",
        "sensor_status" / Bits(Int8ul, CgmStatusFlags),
        "sensor_calibration_temperature" / Bits(Int8ul, CgmCalibrationTemperatureFlags),
        "sensor_warning" / Bits(Int8ul, CgmWarningFlags),
    ),
    direction=TO_PUMP,
    examples=[
        Example(
            "0500" + "01" + "00" + "04", time_offset_minutes=5, sensor_status=CgmStatusFlags.SESSION_STOPPED,
            sensor_calibration_temperature=CgmCalibrationTemperatureFlags(0),
            sensor_warning=CgmWarningFlags.BELOW_HYPO,
        )
    ],
    served=True,
    doc="All three octets of the status are always there.",
)  # fmt: skip
CGM_SESSION_RUN_TIME = _message(
    "CgmSessionRunTime", database.CGM_SESSION_RUN_TIME,
    Struct("session_run_time_hours" / Int16ul * "expected, since the session's start"), direction=TO_PUMP,
    examples=[Example("f000", session_run_time_hours=240)],
)  # fmt: skip

# --- Record Access Control Point ---

_RACP = database.CGM_RECORD_ACCESS_CONTROL_POINT
_BOUNDED = (CgmRacpOperator.LESS_THAN_OR_EQUAL, CgmRacpOperator.GREATER_THAN_OR_EQUAL, CgmRacpOperator.WITHIN_RANGE)


def _selection() -> Any:
    return Struct(
        "operator" / Word(Int8ul, CgmRacpOperator),
        "filter" / PresentWhen("operator", _BOUNDED, Word(Int8ul, CgmRacpFilter)),
        "minimum_time_offset_minutes" / PresentWhen("operator", _BOUNDED[1:], Int16ul),
        "maximum_time_offset_minutes" / PresentWhen("operator", (_BOUNDED[0], _BOUNDED[2]), Int16ul),
    )


def _null() -> Any:
    return "operator" / Word(Int8ul, CgmRacpOperator) * "Null"


CGM_RACP_REPORT_STORED_RECORDS = _message(
    "CgmRacpReportStoredRecords", _RACP, _selection(), opcode=1, direction=TO_CLIENT, answer="CgmRacpResponseCode",
    examples=[
        Example("0101", operator=CgmRacpOperator.ALL),
        Example(
            "0104" + "01" + "0a00" + "1400", operator=CgmRacpOperator.WITHIN_RANGE, filter=CgmRacpFilter.TIME_OFFSET,
            minimum_time_offset_minutes=10, maximum_time_offset_minutes=20,
        ),
    ],
    served=True,
    doc="The records come as CGM Measurement first, oldest first.",
)  # fmt: skip
CGM_RACP_DELETE_STORED_RECORDS = _message(
    "CgmRacpDeleteStoredRecords", _RACP, _selection(), opcode=2, direction=TO_CLIENT, answer="CgmRacpResponseCode",
    examples=[
        Example(
            "0202" + "01" + "1400", operator=CgmRacpOperator.LESS_THAN_OR_EQUAL, filter=CgmRacpFilter.TIME_OFFSET,
            maximum_time_offset_minutes=20,
        )
    ],
)  # fmt: skip
CGM_RACP_ABORT = _message(
    "CgmRacpAbort", _RACP, Struct(_null()), opcode=3, direction=TO_CLIENT, answer="CgmRacpResponseCode",
    examples=[Example("0300", operator=CgmRacpOperator.NULL)],
)  # fmt: skip
CGM_RACP_REPORT_NUMBER_OF_STORED_RECORDS = _message(
    "CgmRacpReportNumberOfStoredRecords", _RACP, _selection(), opcode=4, direction=TO_CLIENT,
    answer="CgmRacpNumberOfStoredRecordsResponse",
    examples=[
        Example(
            "0403" + "01" + "0a00", operator=CgmRacpOperator.GREATER_THAN_OR_EQUAL,
            filter=CgmRacpFilter.TIME_OFFSET, minimum_time_offset_minutes=10,
        )
    ],
)  # fmt: skip
CGM_RACP_NUMBER_OF_STORED_RECORDS_RESPONSE = _message(
    "CgmRacpNumberOfStoredRecordsResponse", _RACP, Struct(_null(), "stored_record_count" / Int16ul), opcode=5,
    direction=TO_PUMP, examples=[Example("05002c01", operator=CgmRacpOperator.NULL, stored_record_count=300)],
)  # fmt: skip
CGM_RACP_RESPONSE_CODE = _message(
    "CgmRacpResponseCode", _RACP,
    Struct(_null(), "request_opcode" / Int8ul, "response_code" / Word(Int8ul, CgmRacpResponseCode)), opcode=6,
    direction=TO_PUMP,
    examples=[
        Example(
            "06000101", operator=CgmRacpOperator.NULL, request_opcode=1, response_code=CgmRacpResponseCode.SUCCESS
        )
    ],
    served=True,
)  # fmt: skip

# --- CGM Specific Ops Control Point ---

_SOCP = database.CGM_SPECIFIC_OPS_CONTROL_POINT


def _request(name: str, opcode: int, body: Any, answer: str, **details: Any) -> Message:
    return _message(name, _SOCP, body, opcode=opcode, direction=TO_CLIENT, answer=answer, **details)


def _response(name: str, opcode: int, body: Any, **details: Any) -> Message:
    return _message(name, _SOCP, body, opcode=opcode, direction=TO_PUMP, **details)


def _calibration() -> Any:
    return Struct(
        "calibration_glucose_mg_dl"
        / Sfloat(1, specials=True, rounding=Rounding.HALF_UP)
        * "mg/dL; NaN when no calibration is stored",
        "calibration_time_minutes" / Int16ul * "since the session's start",
        "type_and_location" / Int8ul * "CgmSampleType in the low, CgmSampleLocation in the high four bits",
        "next_calibration_minutes" / Int16ul * "since the session's start; 0 when it is due at once",
        "calibration_record_number" / Int16ul * "ignored when setting; 0 when none is stored",
        "calibration_status" / Bits(Int8ul, CgmCalibrationStatusFlags) * "ignored when setting",
    )


_CALIBRATION = {
    "calibration_glucose_mg_dl": Decimal(100), "calibration_time_minutes": 10, "type_and_location": 0x11,
    "next_calibration_minutes": 730, "calibration_record_number": 1,
    "calibration_status": CgmCalibrationStatusFlags(0),
}  # fmt: skip
_CALIBRATION_OCTETS = "6400" + "0a00" + "11" + "da02" + "0100" + "00"


def _level(set_opcode: int, title: str, field: str, kind: Any, octets: str, value: int) -> tuple[Message, ...]:
    # Set, get and the answer to get of one level at which the sensor warns.
    body = Struct(field / kind)
    set_octets, response_octets = f"{set_opcode:02x}{octets}", f"{set_opcode + 2:02x}{octets}"
    fields = {field: Decimal(value)}
    get = f"CgmGet{title}"
    return (
        _request(f"CgmSet{title}", set_opcode, body, "CgmResponseCode", examples=[Example(set_octets, **fields)]),
        _request(get, set_opcode + 1, Struct(), f"{get}Response", examples=[Example(f"{set_opcode + 1:02x}")]),
        _response(f"{get}Response", set_opcode + 2, body, examples=[Example(response_octets, **fields)]),
    )


CGM_SET_COMMUNICATION_INTERVAL = _request(
    "CgmSetCommunicationInterval", 0x01,
    Struct("communication_interval_minutes" / Int8ul * "0 off; 255 as often as the sensor can"), "CgmResponseCode",
    examples=[Example("0105", communication_interval_minutes=5)],
)  # fmt: skip
CGM_GET_COMMUNICATION_INTERVAL = _request(
    "CgmGetCommunicationInterval", 0x02, Struct(), "CgmGetCommunicationIntervalResponse", examples=[Example("02")]
)
CGM_GET_COMMUNICATION_INTERVAL_RESPONSE = _response(
    "CgmGetCommunicationIntervalResponse", 0x03, Struct("communication_interval_minutes" / Int8ul),
    examples=[Example("0305", communication_interval_minutes=5)],
)  # fmt: skip
CGM_SET_CALIBRATION = _request(
    "CgmSetCalibration", 0x04, _calibration(), "CgmResponseCode",
    examples=[Example("04" + _CALIBRATION_OCTETS, **_CALIBRATION)],
)  # fmt: skip
CGM_GET_CALIBRATION = _request(
    "CgmGetCalibration", 0x05, Struct("calibration_record_number" / Int16ul * "65535 for the last one"),
    "CgmGetCalibrationResponse", examples=[Example("05ffff", calibration_record_number=0xFFFF)],
    doc="A record that does not exist is answered by the code parameter out of range.",
)  # fmt: skip
CGM_GET_CALIBRATION_RESPONSE = _response(
    "CgmGetCalibrationResponse", 0x06, _calibration(),
    examples=[Example("06" + _CALIBRATION_OCTETS, **_CALIBRATION)],
)  # fmt: skip
CGM_SET_PATIENT_HIGH, CGM_GET_PATIENT_HIGH, CGM_GET_PATIENT_HIGH_RESPONSE = _level(
    0x07, "PatientHigh", "patient_high_mg_dl", GLUCOSE_MG_DL, "b400", 180
)
CGM_SET_PATIENT_LOW, CGM_GET_PATIENT_LOW, CGM_GET_PATIENT_LOW_RESPONSE = _level(
    0x0A, "PatientLow", "patient_low_mg_dl", GLUCOSE_MG_DL, "4600", 70
)
CGM_SET_HYPO, CGM_GET_HYPO, CGM_GET_HYPO_RESPONSE = _level(0x0D, "Hypo", "hypo_mg_dl", GLUCOSE_MG_DL, "3600", 54)
CGM_SET_HYPER, CGM_GET_HYPER, CGM_GET_HYPER_RESPONSE = _level(
    0x10, "Hyper", "hyper_mg_dl", GLUCOSE_MG_DL, "fa00", 250
)
CGM_SET_RATE_OF_DECREASE, CGM_GET_RATE_OF_DECREASE, CGM_GET_RATE_OF_DECREASE_RESPONSE = _level(
    0x13, "RateOfDecrease", "rate_of_decrease_mg_dl_per_minute", RATE_MG_DL_PER_MINUTE, "0300", 3
)
CGM_SET_RATE_OF_INCREASE, CGM_GET_RATE_OF_INCREASE, CGM_GET_RATE_OF_INCREASE_RESPONSE = _level(
    0x16, "RateOfIncrease", "rate_of_increase_mg_dl_per_minute", RATE_MG_DL_PER_MINUTE, "0300", 3
)
CGM_RESET_DEVICE_SPECIFIC_ALERT = _request(
    "CgmResetDeviceSpecificAlert", 0x19, Struct(), "CgmResponseCode", examples=[Example("19")]
)
CGM_START_SESSION = _request(
    "CgmStartSession", 0x1A, Struct(), "CgmResponseCode", examples=[Example("1a")],
    doc="Deletes what was stored before, and the start time.",
)  # fmt: skip
CGM_STOP_SESSION = _request(
    "CgmStopSession", 0x1B, Struct(), "CgmResponseCode", examples=[Example("1b")],
    doc="A session that is stopped already is answered by the code opcode not supported.",
)  # fmt: skip
CGM_RESPONSE_CODE = _response(
    "CgmResponseCode", 0x1C, Struct("request_opcode" / Int8ul, "response_code" / Word(Int8ul, CgmResponseCode)),
    examples=[Example("1c1a01", request_opcode=0x1A, response_code=CgmResponseCode.SUCCESS)],
)  # fmt: skip
