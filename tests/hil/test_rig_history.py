"""Goal: a pump whose records tell more, or other, than the rules give fails, whatever the field.

Method: firmware that is right in all but some fields of one record, in whole runs of an hour in lockstep.
"""

import pytest

from hil.rig_bench import MANUAL, fault, firmware_copy, pump
from pumprig.verdict import Verdict

REFERENCE = "        self.append(_REFERENCE_TIME, s)\n"
ANNUNCIATION = "        self.append(_ANNUNCIATION, s)\n"
PART_2 = "        self.append(_HISTORY_ANNUNCIATION_STATUS_CHANGED_2, s)\n"
SHOWN = "_ANNUNCIATION_STATUS_FLAGS_ANNUNCIATION_PRESENT\n"


def told(record, **fields):
    """The line that writes a record, with other fields before it."""
    return record, "".join(f"        fields[tables.{name}] = {value}\n" for name, value in fields.items()) + record


# Module, what is replaced, check, rule, fields that the violation names.
WRONG = {
    "zone": ("recorder", told(REFERENCE, TIME_ZONE_QUARTER_HOURS=20), "reference-time", "D-906",
             ["time_zone_quarter_hours=20"]),
    "dst": ("recorder", told(REFERENCE, DST_OFFSET=8), "reference-time", "D-906", ["dst_offset=TWO_HOURS"]),
    "aux1 and aux2": ("recorder", told(ANNUNCIATION, FLAGS=3, AUX1=4711, AUX2=815), "history", "D-841",
                      ["flags=AUX1_PRESENT|AUX2_PRESENT", "aux1=4711", "aux2=815"]),
    "aux5": ("recorder", told(PART_2, FLAGS=4, AUX5=7), "history", "D-841", ["flags=AUX5_PRESENT", "aux5=7"]),
    "aux1 as shown": ("status", (SHOWN, "3\n            fields[tables.AUX1] = 4711\n"), "annunciation", "D-831",
                      ["BATTERY_LOW PENDING 4711"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_field_that_no_rule_gives_fails_the_run(bench, tmp_path, name):
    module, edit, check, rule, said = WRONG[name]
    wrong = firmware_copy(tmp_path, **{f"gatt__{module}": edit})
    run = bench.run(MANUAL, pump(), fault(600, "battery_level", percent=10), firmware=wrong)
    assert run.verdict is Verdict.FAIL, run.explain()
    assert {(reason.check, reason.rule) for reason in run.outcome.reasons} == {(check, rule)}
    observed = str(run.events("violation")[0]["observed"])
    assert [text for text in said if text not in observed] == []


def test_a_pump_that_tells_what_is_due_passes(bench):
    run = bench.run(MANUAL, pump(), fault(600, "battery_level", percent=10))
    assert run.verdict is Verdict.PASS, run.explain()
    assert "HistoryAnnunciationStatusChanged1" in {event["event"] for event in run.events("history")}
