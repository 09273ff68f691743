"""Changes of the wire.

Goal: every change is told with its level and whether it breaks those who keep the old wire, the same change in the two
directions is judged by who must understand whom, and drafts are exempt.
Method: the wire as it is declared, changed in one place at a time.
"""

import copy

import pytest

from pumpwire import describe
from pumpwire.declare import Message
from pumpwire.generate.enumerations import enumerations
from pumpwire.registry import MESSAGES
from pumpwire.tools.lock import Level, announced, compare, worst
from pumpwire.tools.lookup import InputError

WIRE, SOURCE, DOCS = Level.WIRE, Level.SOURCE, Level.DOCS


@pytest.fixture(scope="module")
def wire():
    """The wire as it is declared."""
    return describe.wire(MESSAGES, enumerations())


def field(wire, message, name):
    return next(item for item in wire["messages"][message]["fields"] if item["name"] == name)


def rename(table, old, new):
    table[new] = table.pop(old)


def bound(message, at, /, **limits):
    return lambda wire: field(wire, message, at).update(limits)


def fields(message, change):
    return lambda wire: change(wire["messages"][message]["fields"])


U8 = {"name": "spare", "kind": "u8", "octets": 1}
BEHIND_A_NEW_FLAG = U8 | {"present_when": {"field": "flags", "mask": 0x80}}
BEHIND_A_KNOWN_FLAG = U8 | {"present_when": {"field": "flags", "mask": 0x01}}

# What is changed: level, whether it breaks, where it is told, a word of what is told.
CHANGES = {
    "a message goes": (lambda w: w["messages"].pop("SetBolus"), WIRE, True, "SetBolus", "gone"),
    "a message comes": (
        lambda w: w["messages"].update(Twin=w["messages"]["SetBolus"] | {"opcode": 0x0F}), WIRE, False, "Twin", "added",
    ),
    "a message is renamed": (
        lambda w: rename(w["messages"], "SetBolus", "OrderBolus"), SOURCE, True, "SetBolus", "OrderBolus",
    ),
    "an opcode changes": (lambda w: w["messages"]["SetBolus"].update(opcode=0x0F), WIRE, True, "SetBolus", "opcode"),
    "another answer": (
        lambda w: w["messages"]["SetBolus"].update(answer="CommandResponseCode"), WIRE, True, "SetBolus", "answered",
    ),
    "served no longer": (lambda w: w["messages"]["SetBolus"].update(served=False), WIRE, True, "SetBolus", "serves"),
    "one direction less": (
        lambda w: w["messages"]["ControllerSettings"].update(direction="to_pump"), WIRE, True, "ControllerSettings",
        "direction",
    ),
    "one direction more": (
        lambda w: w["messages"]["ControllerDecision"].update(direction="both"), WIRE, False, "ControllerDecision",
        "direction",
    ),
    "changes delivery": (
        lambda w: w["messages"]["SetFlightMode"].update(changes_delivery=True), SOURCE, False, "SetFlightMode",
        "insulin",
    ),
    "a clause": (lambda w: w["messages"]["SetBolus"].update(clause="x 1"), DOCS, False, "SetBolus", "clause"),
    "a field at the end of what the pump sends": (
        fields("EmulatorHealth", lambda f: f.append(U8)), WIRE, True, "EmulatorHealth.spare", "added",
    ),
    "a field at the end of what the pump is sent": (
        fields("SetBolus", lambda f: f.append(U8)), WIRE, True, "SetBolus.spare", "added",
    ),
    "a field behind a flag nobody sets": (
        fields("SetBolus", lambda f: f.append(BEHIND_A_NEW_FLAG)), WIRE, False, "SetBolus.spare", "not used",
    ),
    "a field behind a flag in use": (
        fields("SetBolus", lambda f: f.append(BEHIND_A_KNOWN_FLAG)), WIRE, True, "SetBolus.spare", "added",
    ),
    "a field in front": (
        fields("EmulatorCounters", lambda f: f.insert(0, U8)), WIRE, True, "EmulatorCounters.spare", "moved",
    ),
    "the last field goes": (
        fields("EmulatorCounters", lambda f: f.pop()), WIRE, True, "EmulatorCounters.reservoir_pulses", "gone",
    ),
    "the first field goes": (
        fields("EmulatorHealth", lambda f: f.pop(0)), WIRE, True, "EmulatorHealth.reset_cause", "gone",
    ),
    "two fields change places": (
        fields("EmulatorCounters", lambda f: f.reverse()), WIRE, True, "EmulatorCounters", "fields were",
    ),
    "a field grows": (
        bound("EmulatorPumpData", "pulse_mu", kind="u32", octets=4), WIRE, True, "EmulatorPumpData.pulse_mu", "u32",
    ),
    "a field is renamed": (
        bound("EmulatorPumpData", "pulse_mu", name="step_mu"), SOURCE, True, "EmulatorPumpData.pulse_mu", "step_mu",
    ),
    "a remark": (
        bound("EmulatorPumpData", "pulse_mu", doc="other"), DOCS, False, "EmulatorPumpData.pulse_mu", "other",
    ),
    "narrower limits of what is sent": (
        bound("SetTbrAdjustment", "duration_minutes", high=720), WIRE, True, "SetTbrAdjustment.duration_minutes",
        "refused",
    ),
    "wider limits of what is sent": (
        bound("SetTbrAdjustment", "duration_minutes", high=2880), WIRE, False, "SetTbrAdjustment.duration_minutes",
        "limits",
    ),
    "wider limits of what is read": (
        bound("EmulatorHealth", "uptime_ms", high=1999), WIRE, True, "EmulatorHealth.uptime_ms", "readers",
    ),
    "narrower limits of what is read": (
        bound("EmulatorHealth", "uptime_ms", high=500), WIRE, False, "EmulatorHealth.uptime_ms", "limits",
    ),
    "more elements than readers take": (
        bound("GetActiveBolusIdsResponse", "bolus_ids", count_high=9), WIRE, True,
        "GetActiveBolusIdsResponse.bolus_ids", "readers",
    ),
    "coarser steps of what is sent": (
        bound("SetBolus", "fast_amount_iu", scale=100), WIRE, True, "SetBolus.fast_amount_iu", "refused",
    ),
    "finer steps of what is sent": (
        bound("SetBolus", "fast_amount_iu", scale=10000), WIRE, False, "SetBolus.fast_amount_iu", "steps",
    ),
    "NaN for readers": (
        bound("GetInsulinOnBoardResponse", "insulin_on_board_iu", specials=True), WIRE, True,
        "GetInsulinOnBoardResponse.insulin_on_board_iu", "NaN",
    ),
    "digits refused that were rounded": (
        bound("CgmMeasurement", "glucose_mg_dl", rounding="refuse"), WIRE, True, "CgmMeasurement.glucose_mg_dl",
        "rounding",
    ),
    "another condition": (
        bound("SetBolus", "delay_minutes", present_when={"field": "flags", "mask": 32}), WIRE, True,
        "SetBolus.delay_minutes", "there when",
    ),
    "an enumeration value changes": (
        lambda w: w["enumerations"]["BolusType"]["members"].update(FAST=0x99), WIRE, True, "BolusType.FAST", "0x0099",
    ),
    "an enumeration value is renamed": (
        lambda w: rename(w["enumerations"]["BolusType"]["members"], "FAST", "STANDARD"), SOURCE, True,
        "BolusType.FAST", "STANDARD",
    ),
    "an enumeration value that is sent goes": (
        lambda w: w["enumerations"]["RacpOperator"]["members"].pop("FIRST"), WIRE, True, "RacpOperator.FIRST", "gone",
    ),
    "an enumeration value that is only read goes": (
        lambda w: w["enumerations"]["ResetCause"]["members"].pop("SOFT"), WIRE, False, "ResetCause.SOFT", "gone",
    ),
    "an enumeration value for readers comes": (
        lambda w: w["enumerations"]["ResetCause"]["members"].update(NEW=0x99), WIRE, True, "ResetCause.NEW", "readers",
    ),
    "an enumeration value to send comes": (
        lambda w: w["enumerations"]["FaultKind"]["members"].update(NEW=0x99), WIRE, False, "FaultKind.NEW", "added",
    ),
    "a flag comes": (
        lambda w: w["enumerations"]["StatusFlags"]["members"].update(NEW=0x40), WIRE, False, "StatusFlags.NEW",
        "ignore",
    ),
    "a handle changes": (
        lambda w: w["characteristics"]["IDD_STATUS"].update(handle=99), WIRE, True, "IDD_STATUS", "handle",
    ),
    "a UUID changes": (
        lambda w: w["characteristics"]["IDD_STATUS"].update(uuid="0"), WIRE, True, "IDD_STATUS", "uuid",
    ),
    "a protection changes": (
        lambda w: w["characteristics"]["IDD_STATUS"].update(protection="none"), WIRE, True, "IDD_STATUS", "protection",
    ),
    "a property goes": (
        lambda w: w["characteristics"]["IDD_STATUS"].update(properties=["read"]), WIRE, True, "IDD_STATUS", "indicate",
    ),
    "a property comes": (
        lambda w: w["characteristics"]["IDD_FEATURES"].update(properties=["read", "indicate"]), WIRE, False,
        "IDD_FEATURES", "indicate",
    ),
    "a bearer goes": (
        lambda w: w["characteristics"]["IDD_STATUS"].update(bearers=["serial"]), WIRE, True, "IDD_STATUS", "ble",
    ),
    "a bearer comes": (
        lambda w: w["characteristics"]["EMULATOR_RADIO"].update(bearers=["serial", "ble"]), WIRE, False,
        "EMULATOR_RADIO", "ble",
    ),
    "a characteristic goes": (
        lambda w: w["characteristics"].pop("EMULATOR_FAULT"), WIRE, True, "EMULATOR_FAULT", "gone",
    ),
    "a characteristic is titled anew": (
        lambda w: w["characteristics"]["IDD_STATUS"].update(name="Status"), DOCS, False, "IDD_STATUS", "name",
    ),
    "a service moves": (
        lambda w: w["services"]["Emulator"].update(first_handle=0xA0), WIRE, True, "Emulator", "first_handle",
    ),
    "a frame type changes": (lambda w: w["frames"].update(att=9), WIRE, True, "frame type att", "9"),
    "a frame type comes": (lambda w: w["frames"].update(ping=9), WIRE, False, "frame type ping", "added"),
    "an ATT error is renamed": (
        lambda w: rename(w["att"]["errors"], "invalid_crc", "crc_invalid"), SOURCE, True, "ATT error invalid_crc",
        "crc_invalid",
    ),
    "a version is taken back": (lambda w: w.update(wire_version=0), WIRE, True, "wire version", "never"),
}  # fmt: skip


def test_the_same_wire_has_no_changes(wire):
    assert compare(wire, copy.deepcopy(wire)) == []


@pytest.mark.parametrize("what", CHANGES)
def test_one_change_is_told_and_judged(wire, what):
    change, level, breaking, where, word = CHANGES[what]
    new = copy.deepcopy(wire)
    change(new)
    found = compare(wire, new)
    told = [item for item in found if item.where == where and word in item.text]
    assert told, [str(item) for item in found]
    assert (told[0].level, told[0].breaking) == (level, breaking), str(told[0])
    # Nothing graver is told of it, and what breaks stands first.
    assert max(item.level for item in found if item.breaking == breaking) == level
    assert [item.breaking for item in found] == sorted((item.breaking for item in found), reverse=True)
    assert worst(found) == (level if breaking else None)


def test_an_enumeration_that_only_changes_its_name_is_a_matter_of_source(wire):
    new = copy.deepcopy(wire)
    rename(new["enumerations"], "BolusType", "KindOfBolus")
    for message in new["messages"].values():
        for item in message["fields"]:
            if item.get("enumeration") == "BolusType":
                item["enumeration"] = "KindOfBolus"
    found = compare(wire, new)
    assert found and worst(found) is SOURCE


def test_a_draft_may_change_as_it_likes(wire):
    old = copy.deepcopy(wire)
    old["messages"]["EmulatorHealth"]["draft"] = True
    for what in ("a field at the end of what the pump sends", "the first field goes", "wider limits of what is read"):
        new = copy.deepcopy(old)
        CHANGES[what][0](new)
        found = compare(old, new)
        assert found and worst(found) is None, [str(item) for item in found]
    new = copy.deepcopy(old)
    del new["messages"]["EmulatorHealth"]
    assert worst(compare(old, new)) is None
    # Once it is no draft, it binds.
    assert worst(compare(wire, new)) is WIRE


def test_a_declaration_says_that_it_is_a_draft():
    good = MESSAGES["EmulatorHealth"]
    details = {name: getattr(good, name) for name in ("on", "direction", "body", "clause", "examples")}
    assert describe.message(Message("EmulatorHealth", **details, draft=True))["draft"] is True
    assert "draft" not in describe.message(good)


def test_a_raised_version_announces_a_break(wire):
    new = copy.deepcopy(wire)
    new["wire_version"] += 1
    assert announced(wire, new) and worst(compare(wire, new)) is None
    assert not announced(wire, wire)


@pytest.mark.parametrize("part", ["wire_version", "messages", "att"])
def test_what_is_no_description_is_refused(wire, part):
    with pytest.raises(InputError, match=part):
        compare(wire, {key: value for key, value in wire.items() if key != part})
