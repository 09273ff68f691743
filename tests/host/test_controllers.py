"""Settings, guardrails, carbs and decisions of the controllers are said and understood as the wire declares them.

The other end is a scripted pump, which keeps what it is told; the real firmware's own answers are looked at where it
serves them.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from pumplink import Pump, VirtualBoard, VirtualPump
from pumplink.errors import AttError, E2EError, ProcedureError
from pumplink.results import CarbsEvent, ControllerDetail, ControllerSettings, GuardrailEvent, Guardrails, OrefSettings
from pumplink_tools import ScriptedPump, att
from pumpwire import database, e2e
from pumpwire.enums import (
    AskedBy,
    Controller,
    FlatCgm,
    OrefFlags,
    PlgsFlags,
    RacpOperator,
    RacpResponseCode,
    TbrKindsFlags,
)
from pumpwire.registry import MESSAGES

BOUNDS = Guardrails(30000, 25000, 50000, 60000, 300000, 1, 60, 240)
DETAIL = dict(
    decision_sequence=7, rule=1049, target_mg_dl=110, threshold_mg_dl=75, eventual_mg_dl=-20, guard_mg_dl=39,
    pred_mg_dl=401, bgi_hundredths=-94, deviation_mg_dl=-3, insulin_required_mu=-450, net_iob_mu=-20, cob_tenths=305,
    carbs_required_g=12, decided_mu_per_h=0, decided_minutes=30, small_bolus_mu=0, guardrail=8,
)  # fmt: skip
NUMBERS = [name for name in DETAIL if name not in ("decision_sequence", "rule", "small_bolus_mu", "guardrail")]
NONE = {field.name: 0x7FFF if field.kind == "s16" else 0xFFFF for field in MESSAGES["ControllerDetail"].fields}


class Keeper(ScriptedPump):
    """Keeps each written message, and tells it when it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[int, bytes] = {}
        self.on_write = self._keep
        self.on_read = lambda handle: self.value(_by_handle(handle), self.kept[handle])
        self.pump = Pump(self.link)
        self.link.open()

    def _keep(self, handle: int, value: bytes) -> list[bytes]:
        if handle in self.refuses:
            return [att(bytes((0x01, 0x12, handle & 0xFF, handle >> 8, self.refuses[handle])))]
        self.kept[handle] = e2e.check(value).payload
        return [att(b"\x13")]

    def tells(self, name: str, **fields: Any) -> None:
        """What is read of the characteristic of a message."""
        self.kept[MESSAGES[name].on.handle] = MESSAGES[name].build(**fields)


def _by_handle(handle: int) -> database.Characteristic:
    return next(item for item in database.CHARACTERISTICS.values() if item.handle == handle)


@pytest.fixture
def keeper() -> Keeper:
    """A scripted pump with a connection open."""
    return Keeper()


# --- There and back ---------------------------------------------------------------------------------------------


def test_oref_settings_come_back_as_they_were_written(keeper: Keeper) -> None:
    greatest = OrefSettings(
        oref_flags=OrefFlags(0x7FFF), flat_cgm=FlatCgm.IGNORED, max_iob_mu=0xFFFF, max_basal_mu_per_h=0xFFFF,
        autosens_thousandths=2000, autosens_max_thousandths=2000, temp_target_mg_dl=250, half_basal_target_mg_dl=250,
        smb_high_bg_mg_dl=400, smb_basal_minutes=120, uam_smb_basal_minutes=120, smb_interval_minutes=10, max_cob_g=250,
        min_carb_impact_tenths=250, remaining_carbs_cap_g=90, remaining_carbs_percent=100,
        carbs_required_threshold_g=250, delta_share_percent=30, noisy_target_percent=200,
        daily_basal_multiplier_tenths=100, current_basal_multiplier_tenths=100,
    )  # fmt: skip
    for settings in (OrefSettings(), greatest):
        keeper.pump.set_oref_settings(settings)
        assert keeper.pump.oref_settings() == settings


def test_the_defaults_are_those_of_the_worked_example() -> None:
    (example,) = MESSAGES["OrefSettings"].examples
    assert asdict(OrefSettings()) == example.fields


def test_guardrails_come_back_as_they_were_written(keeper: Keeper) -> None:
    for guardrails in (BOUNDS, Guardrails(50, 50, 50, 50, 50, 240, 5, 5), replace(BOUNDS, day_mu=0xFFFFFFFF)):
        keeper.pump.set_guardrails(guardrails)
        assert keeper.pump.guardrails() == guardrails


def test_settings_of_the_controller_come_back_as_they_were_written(keeper: Keeper) -> None:
    settings = ControllerSettings(
        Controller.OREF, near_mg_dl=140, resume_mg_dl=90, resume_predicted_mg_dl=110, minimum_minutes=30,
        plgs_flags=PlgsFlags.RISING_HOLDS,
    )  # fmt: skip
    keeper.pump.set_controller_settings(settings)
    assert keeper.pump.controller_settings() == settings
    keeper.pump.set_controller(Controller.OWN)
    assert keeper.pump.controller_settings() == replace(settings, controller=Controller.OWN)


@pytest.mark.parametrize(("carbs_g", "minutes_ago"), [(1, 0), (250, 360)])
def test_carbs_are_told_in_whole_grams(keeper: Keeper, carbs_g: int, minutes_ago: int) -> None:
    keeper.pump.announce_carbs(carbs_g, minutes_ago)
    told = MESSAGES["CarbAnnouncement"].parse(keeper.kept[database.CARB_ANNOUNCEMENT.handle])
    assert told.fields == {"carbs_g": carbs_g, "minutes_ago": minutes_ago}


@pytest.mark.parametrize(("name", "value", "allowed"), [
    ("max_iob_mu", 0x10000, "0 to 65535"), ("autosens_thousandths", 499, "500 to 2000, or 0"),
    ("autosens_max_thousandths", 999, "1000 to 2000"), ("temp_target_mg_dl", 59, "60 to 250, or 0"),
    ("half_basal_target_mg_dl", 100, "101 to 250"), ("smb_high_bg_mg_dl", 99, "100 to 400, or 0"),
    ("smb_basal_minutes", 121, "0 to 120"), ("smb_interval_minutes", 0, "1 to 10"), ("max_cob_g", 251, "0 to 250"),
    ("remaining_carbs_cap_g", 91, "0 to 90"), ("carbs_required_threshold_g", 0, "1 to 250"),
    ("delta_share_percent", 31, "1 to 30"), ("noisy_target_percent", 109, "110 to 200"),
    ("daily_basal_multiplier_tenths", 9, "10 to 100"), ("current_basal_multiplier_tenths", 101, "10 to 100"),
])  # fmt: skip
def test_a_setting_of_oref_beyond_its_limits_is_refused_here(
    keeper: Keeper, name: str, value: int, allowed: str
) -> None:
    with pytest.raises(ValueError, match=rf"OrefSettings\.{name}.*{allowed}"):
        keeper.pump.set_oref_settings(replace(OrefSettings(), **{name: value}))
    assert keeper.kept == {}


@pytest.mark.parametrize(("carbs_g", "minutes_ago"), [(0, 0), (251, 0), (1, 361), (1, -1)])
def test_carbs_that_nobody_announces_are_refused_here(keeper: Keeper, carbs_g: int, minutes_ago: int) -> None:
    with pytest.raises(ValueError, match="CarbAnnouncement"):
        keeper.pump.announce_carbs(carbs_g, minutes_ago)
    assert keeper.kept == {}


# --- What a decision rests on -----------------------------------------------------------------------------------


def test_a_detail_is_told_with_its_numbers(keeper: Keeper) -> None:
    keeper.tells("ControllerDetail", **DETAIL)
    numbers = {name: value for name, value in DETAIL.items() if name != "decision_sequence"}
    assert keeper.pump.controller_detail() == ControllerDetail(sequence=7, **numbers)


@pytest.mark.parametrize("name", NUMBERS)
def test_each_number_that_was_not_reached_is_none(keeper: Keeper, name: str) -> None:
    keeper.tells("ControllerDetail", **{**DETAIL, name: NONE[name]})
    told = asdict(keeper.pump.controller_detail())
    assert [item for item in told if told[item] is None] == [name]


def test_before_the_first_decision_there_is_no_rule_and_no_guardrail(keeper: Keeper) -> None:
    nothing = {**NONE, "decision_sequence": 0, "rule": 0, "small_bolus_mu": 0, "guardrail": 0}
    keeper.tells("ControllerDetail", **nothing)
    told = asdict(keeper.pump.controller_detail())
    assert {name: value for name, value in told.items() if value is not None} == {"sequence": 0, "small_bolus_mu": 0}


# --- What the pump recorded -------------------------------------------------------------------------------------


def test_its_own_events_are_found_in_the_history(keeper: Keeper) -> None:
    carbs = {"carbs_g": 45, "minutes_ago": 15}
    refused = {"guardrail": 5, "asked_by": AskedBy.CONTROLLER, "asked": 300_050, "allowed": 300_000}

    def answer(_handle: int, _value: bytes) -> list[bytes]:
        done = {"operator": RacpOperator.NULL, "request_opcode": 0x33, "response_code": RacpResponseCode.SUCCESS}
        return [
            att(b"\x13"),
            keeper.indicate("HistoryCarbsEvent", opcode=0x1B, sequence=4, relative_offset_s=9, **carbs),
            keeper.indicate("HistoryPointerEvent", opcode=0x1B, sequence=5, relative_offset_s=9),
            keeper.indicate("HistoryGuardrailEvent", opcode=0x1B, sequence=6, relative_offset_s=9, **refused),
            keeper.indicate("RacpResponseCode", **done),
        ]

    keeper.on_write = answer
    assert keeper.pump.carbs_events() == [CarbsEvent(4, 45, 15)]
    assert keeper.pump.guardrail_events(4) == [GuardrailEvent(6, 5, AskedBy.CONTROLLER, 300_050, 300_000)]


# --- Refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "call", "remedy"), [
    ("OREF_SETTINGS", lambda pump: pump.set_oref_settings(OrefSettings()), "guardrails 3 and 1"),
    ("CARB_ANNOUNCEMENT", lambda pump: pump.announce_carbs(10), "wait until 6 hours"),
    ("CONTROLLER_GUARDRAILS", lambda pump: pump.set_guardrails(BOUNDS), "tighter than the pump's own bound"),
    ("CONTROLLER_SETTINGS", lambda pump: pump.set_controller_settings(ControllerSettings()), "guardrail 7"),
])  # fmt: skip
def test_a_refused_write_says_what_to_do(keeper: Keeper, name: str, call: Any, remedy: str) -> None:
    handle = database.CHARACTERISTICS[name].handle
    keeper.refuses[handle] = 0xFF
    with pytest.raises(AttError, match=rf"0x{handle:04X} .*0xFF \(out of range\); .*{remedy}") as caught:
        call(keeper.pump)
    assert (caught.value.code, caught.value.handle) == (0xFF, handle)
    keeper.refuses[handle] = 0x82
    with pytest.raises(AttError, match=r"0x82 \(invalid counter\)$"):
        call(keeper.pump)


@pytest.mark.parametrize(("name", "call"), [
    ("OREF_SETTINGS", Pump.oref_settings), ("CONTROLLER_GUARDRAILS", Pump.guardrails),
    ("CONTROLLER_DETAIL", Pump.controller_detail), ("CARB_ANNOUNCEMENT", lambda pump: pump.announce_carbs(10)),
])  # fmt: skip
def test_a_firmware_without_it_is_told_as_one(keeper: Keeper, name: str, call: Any) -> None:
    keeper.refuses[database.CHARACTERISTICS[name].handle] = 0x01
    with pytest.raises(AttError, match="the firmware of this pump does not have it"):
        call(keeper.pump)


# --- Room for longer values -------------------------------------------------------------------------------------


def test_room_for_a_longer_value_is_made_once_in_a_connection(keeper: Keeper) -> None:
    keeper.pump.announce_carbs(10)
    assert keeper.exchanges == []
    keeper.pump.set_oref_settings(OrefSettings())
    keeper.pump.set_controller_settings(ControllerSettings())
    assert keeper.exchanges == [65]
    keeper.link.open()
    keeper.pump.oref_settings()
    assert keeper.exchanges == [65, 65]


def test_who_has_room_already_asks_for_none(keeper: Keeper) -> None:
    keeper.link.exchange_mtu(185)
    keeper.pump.set_oref_settings(OrefSettings())
    assert keeper.exchanges == [185]


def test_a_pump_without_room_is_asked_once_and_its_cut_value_is_none(keeper: Keeper) -> None:
    keeper.mtu = 23
    keeper.pump.set_oref_settings(OrefSettings())
    whole = keeper.on_read
    keeper.on_read = lambda handle: whole(handle)[:22]
    with pytest.raises(E2EError):
        keeper.pump.oref_settings()
    assert keeper.exchanges == [65]


# --- The real firmware ------------------------------------------------------------------------------------------


def test_the_board_keeps_the_settings_of_plgs_and_tells_what_can_be_set() -> None:
    with VirtualPump(VirtualBoard().start()) as pump:
        settings = replace(
            pump.controller_settings(), controller=Controller.PLGS, near_mg_dl=140, resume_mg_dl=90,
            resume_predicted_mg_dl=110, minimum_minutes=30, plgs_flags=PlgsFlags(0),
        )  # fmt: skip
        pump.set_controller_settings(settings)
        assert pump.controller_settings() == settings
        data = pump.pump_data()
        assert (data.basal_min_mu_per_h, data.bolus_min_mu, data.basal_adjustable) == (1, data.pulse_mu, 1)
        assert (data.basal_fixed_mu_per_h, data.tbr_kinds) == (0, TbrKindsFlags.ABSOLUTE | TbrKindsFlags.RELATIVE)
        with pytest.raises(AttError, match="0xFF"):
            pump.set_controller_settings(replace(settings, suspend_limit_minutes=151))
        assert pump.controller_settings() == settings


def test_the_board_takes_tighter_guardrails_and_tells_what_they_refused() -> None:
    """D-1201, D-1203: nobody passes the pump's own bounds, a client neither its tighter ones."""
    with VirtualPump(VirtualBoard().start()) as pump:
        bounds = pump.guardrails()
        tight = replace(bounds, bolus_mu=2000)
        pump.set_guardrails(tight)
        assert pump.guardrails() == tight
        with pytest.raises(AttError, match="tighter than the pump's own bound"):
            pump.set_guardrails(replace(tight, day_mu=bounds.day_mu + 1))
        assert pump.guardrails() == tight
        pump.write_basal_profile([(1440, 1)])
        pump.activate(1)
        pump.start()
        with pytest.raises(ProcedureError, match="0x73"):
            pump.set_bolus("2.05")
        (event,) = pump.guardrail_events()
        assert event == GuardrailEvent(event.sequence, 2, AskedBy.CLIENT, 2050, 2000)
        assert pump.set_bolus(2)
