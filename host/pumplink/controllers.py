"""The vendor service *controller*: the controllers on the pump, carbs, guardrails, and what they decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from pumplink.errors import AttError
from pumplink.procedures import Procedures
from pumplink.results import ControllerDetail, ControllerSettings, Decision, Guardrails, OrefSettings
from pumpwire import database
from pumpwire.att import AttErrorCode
from pumpwire.controller import NO_GLUCOSE, NO_PREDICTION, NONE_S16, NONE_U16
from pumpwire.enums import Controller
from pumpwire.layout import Field
from pumpwire.registry import MESSAGES

__all__ = ["Controllers"]

_NOT_SERVED = "the firmware of this pump does not have it: flash one that does"
_NONE = {"s16": NONE_S16, "u16": NONE_U16}
_DETAIL = MESSAGES["ControllerDetail"]


class Controllers(Procedures):
    """Chooses and sets the on-pump controller, tells it of carbs, bounds it, and reads what it decided and why."""

    def on_decision(self, callback: Callable[[Decision, float], None]) -> None:
        """Calls `callback(decision, at_s)` for every decision the controller notifies; `at_s` is its arrival."""
        self.client.on_message(database.CONTROLLER_DECISION, lambda got: callback(_decision(got.fields), got.at_s))

    def controller_settings(self) -> ControllerSettings:
        """The on-pump controller and its limits."""
        return ControllerSettings(**self.client.read("ControllerSettings"))

    def set_controller_settings(self, settings: ControllerSettings) -> None:
        """Chooses the on-pump controller and its limits (D-616).

        Raises:
            ValueError: a value that its field cannot say.
            AttError: 0xFF for values that contradict one another, or pass a guardrail; nothing changes.
        """
        self._tell(
            "ControllerSettings",
            asdict(settings),
            "the suspensions may not exceed their window, the peak two fifths of the DIA, or the age of a sample "
            "guardrail 7; an older firmware has fewer controllers",
        )

    def set_controller(self, controller: Controller) -> None:
        """Chooses the on-pump controller; its limits stay. Raises as `set_controller_settings`."""
        self.set_controller_settings(
            ControllerSettings(**{**asdict(self.controller_settings()), "controller": controller})
        )

    def decision(self) -> Decision:
        """The controller's last decision; sequence 0 before the first."""
        return _decision(self.client.read("ControllerDecision"))

    def controller_detail(self) -> ControllerDetail:
        """The numbers behind the last decision.

        Raises:
            AttError: 0x01 when the firmware does not have it.
        """
        return self.begin_controller_detail()()

    def begin_controller_detail(self) -> Callable[[], ControllerDetail]:
        """Asks for the numbers behind the last decision and returns at once; the pump works meanwhile.

        Returns:
            What `controller_detail` does after asking. The pump is not to be used before it has been called.
        """
        wait = self.client.begin_read("ControllerDetail")

        def answered() -> ControllerDetail:
            try:
                return _detail(wait())
            except AttError as error:
                raise _with_remedy(error, "ControllerDetail", "") from None

        return answered

    def oref_settings(self) -> OrefSettings:
        """Settings of the controller oref.

        Raises:
            AttError: 0x01 when the firmware does not have it.
        """
        return OrefSettings(**self._ask("OrefSettings"))

    def set_oref_settings(self, settings: OrefSettings) -> None:
        """Writes the settings of the controller oref, all or none.

        Raises:
            ValueError: a value that its field cannot say.
            AttError: 0xFF when max IOB or max basal is above its guardrail (D-1201); 0x01 when the firmware does not
                have it.
        """
        remedy = "max_iob_mu and max_basal_mu_per_h may not exceed guardrails 3 and 1: see guardrails()"
        self._tell("OrefSettings", asdict(settings), remedy)

    def announce_carbs(self, carbs_g: int, minutes_ago: int = 0) -> None:
        """Tells the controller of carbs. No insulin moves by itself.

        Args:
            carbs_g: 1 to 250 whole grams.
            minutes_ago: 0 to 360 minutes since they were eaten.

        Raises:
            ValueError: a value beyond these.
            AttError: 0xFF when the pump holds as many announcements as it can; 0x01 when the firmware does not have it.
        """
        remedy = "the pump holds no more announcements: wait until 6 hours have passed since the oldest was eaten"
        self._tell("CarbAnnouncement", {"carbs_g": carbs_g, "minutes_ago": minutes_ago}, remedy)

    def guardrails(self) -> Guardrails:
        """What neither a controller nor a client exceeds (D-1201).

        Raises:
            AttError: 0x01 when the firmware does not have it.
        """
        told = self._ask("ControllerGuardrails")
        return Guardrails(**{name.removeprefix("guard_"): value for name, value in told.items()})

    def set_guardrails(self, guardrails: Guardrails) -> None:
        """Writes the guardrails, all or none (D-1201).

        Raises:
            ValueError: a value that its field cannot say.
            AttError: 0xFF for one that is beyond the pump's own bound; 0x01 when the firmware does not have it.
        """
        values = {f"guard_{name}": value for name, value in asdict(guardrails).items()}
        self._tell("ControllerGuardrails", values, "a guardrail only becomes tighter than the pump's own bound")

    def _ask(self, name: str) -> Mapping[str, Any]:
        try:
            return self.client.read(name)
        except AttError as error:
            raise _with_remedy(error, name, "") from None

    def _tell(self, name: str, values: Mapping[str, Any], remedy: str) -> None:
        try:
            self.client.write(name, **values)
        except AttError as error:
            raise _with_remedy(error, name, remedy) from None


def _with_remedy(error: AttError, name: str, remedy: str) -> AttError:
    if error.code == AttErrorCode.INVALID_HANDLE:
        remedy = _NOT_SERVED
    elif error.code != AttErrorCode.OUT_OF_RANGE:
        return error
    return AttError(error.code, error.handle, f"value {name}", remedy)


def _decision(told: Mapping[str, Any]) -> Decision:
    glucose, predicted = told["glucose_mg_dl"], told["predicted_mg_dl"]
    return Decision(
        told["decision_sequence"],
        told["time_offset_minutes"],
        told["at_s"],
        None if glucose == NO_GLUCOSE else glucose,
        None if predicted == NO_PREDICTION else predicted,
        told["iob_mu"],
        told["action"],
        told["reason"],
    )


# What the rule did not reach is none: a word of its own for numbers, 0 for the rule and the guardrail.
def _detail(told: Mapping[str, Any]) -> ControllerDetail:
    values: dict[str, Any] = {
        field.name: None if told[field.name] == _none_of(field) else told[field.name] for field in _DETAIL.fields
    }
    return ControllerDetail(sequence=values.pop("decision_sequence"), **values)


def _none_of(field: Field) -> int | None:
    if field.name in ("rule", "guardrail"):
        return 0
    return None if field.name in ("decision_sequence", "small_bolus_mu") else _NONE[field.kind]
