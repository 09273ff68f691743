"""Goal: a pump that sends damaged frames does not pass (D-956), and what is no frame of a connection is not held
against it. A pump whose clock is its own, and wrong, does not pass either (D-959).

Method: firmware that puts octets of its own on the line, at a moment that is known, on a virtual board and over a
device, where the same octets may be noise. Firmware that counts its milliseconds wrongly, and a bench that was told of
another clock.
"""

from contextlib import ExitStack

import pytest

from hil.rig_bench import MANUAL, command, fault, firmware_copy, fit_run, pump
from pumplink.client import Client
from pumplink.serial_bearer import SerialBearer
from pumplink.virtual.board import VirtualBoard
from pumplink.virtual.clocks import Scaled
from pumprig.verdict import Verdict

NOISE = 'self._uart.write(b"\\x07\\x00")'
SENT = "        self._uart.write(view)\n"
OPENED = "        self.disconnect()\n        frame = self._in\n"
READ_RESPONSE = "kind == _ATT and self.pdu[1] == 0x0B"
TWICE = f"{SENT}        if {READ_RESPONSE}:\n            self._uart.write(view)\n"


def bearer(tmp_path, old, new):
    return firmware_copy(tmp_path, bearer__serial=(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [(SENT, f"        if self._waiting_ticks_ms > 700_000:\n            {NOISE}\n{SENT}"), (SENT, TWICE)],
    ids=["noise", "an answer twice"],
)
def test_a_frame_that_is_damaged_or_unasked_is_a_failure(bench, tmp_path, old, new):
    run = bench.run(MANUAL, pump(), firmware=bearer(tmp_path, old, new))
    (reason,) = run.outcome.reasons
    assert (run.verdict, reason.check, reason.rule) == (Verdict.FAIL, "frames", "D-956"), run.explain()
    assert "from the pump" in reason.message
    without = bench.run(MANUAL, pump(), firmware=tmp_path / "firmware", without=frozenset({"frames"}))
    assert without.verdict is Verdict.PASS, without.explain()


@pytest.mark.parametrize(
    ("old", "new"),
    [(SENT, f'        self._uart.write(b"\\x00")\n{SENT}'), (OPENED, f"        {NOISE}\n{OPENED}")],
    ids=["an empty frame", "before the answer to an open"],
)
def test_what_is_no_frame_of_a_connection_is_not_counted(bench, tmp_path, old, new):
    down = fault(600, "bearer_down", for_seconds=300)
    run = bench.run(MANUAL, pump(), down, firmware=bearer(tmp_path, old, new))
    assert run.verdict is Verdict.PASS, run.explain()


@pytest.fixture
def device():
    """Opens a board with some firmware at a device; it is gone when the test ends."""
    with ExitStack() as stack:

        def opened(firmware):
            board = VirtualBoard("virtual", firmware, Scaled(10))
            stack.callback(board.stop)
            pty = board.start().pty()
            stack.callback(pty.close)
            return pty.path

        yield opened


def test_over_a_device_the_same_octets_may_be_noise(bench, tmp_path, device):
    firmware = bearer(tmp_path, SENT, f"        if kind == _ATT:\n            {NOISE}\n{SENT}")
    run = bench.run(MANUAL, "hours = 0.02", pump(), clock="scaled:10", board=f"port:{device(firmware)}")
    rules = [reason.rule for reason in run.outcome.reasons]
    assert run.verdict is Verdict.INCONCLUSIVE, run.explain()
    if rules == ["D-955"]:
        pytest.skip(f"this machine is too busy for a run in real time: {run.explain()}")
    assert rules == ["D-956"], run.explain()


TICKS = "        now_ms = ticks_ms()\n"
SLOWER = "        now_ms = ticks_ms() - ticks_ms() // 100\n"
LATER = "        now_ms = ticks_ms() - (400 if ticks_ms() > 40_000 else 0)\n"


@pytest.mark.parametrize("ticks", [SLOWER, LATER], ids=["slow by 1 %", "0.4 s lost at once"])
def test_over_a_device_a_clock_that_goes_wrong_is_a_failure(bench, tmp_path, device, ticks):
    firmware = firmware_copy(tmp_path, clock=(TICKS, ticks))

    def over_device():
        return bench.run(MANUAL, "hours = 0.02", pump(), clock="scaled:10", board=f"port:{device(firmware)}")

    run = fit_run(over_device)
    assert ("clock", "D-959") in {(reason.check, reason.rule) for reason in run.outcome.reasons}, run.explain()
    assert run.verdict is Verdict.FAIL, run.explain()
    assert "the pump's clock has lost" in run.explain()


@pytest.mark.parametrize(("told", "least", "most"), [("scaled:5", 1.5, 2.5), ("scaled:20", 0.3, 0.7)])
def test_a_bench_that_was_told_of_another_clock_says_so_at_once(bench, device, told, least, most):
    run = fit_run(lambda: bench.run(MANUAL, "hours = 0.02", pump(), clock=told, board=f"port:{device(None)}"))
    (reason,) = run.outcome.reasons
    assert (run.verdict, reason.rule) == (Verdict.INCONCLUSIVE, "D-959"), run.explain()
    assert least <= float(reason.message.split()[4]) <= most, reason.message
    assert not run.doses


def test_a_host_that_holds_a_command_back_is_unfit_and_its_pump_not_wrong(bench, device, monkeypatch):
    # It is busy for two seconds of pump time, in the middle of the exchange, and the insulin comes that much later.
    write, procedure = SerialBearer.write, Client.procedure
    held = []

    def held_back(line, octets):
        until_s = line.now_s + (2 if held == ["SetBolus"] else 0)
        while line.now_s < until_s:
            held.append("until then")
        write(line, octets)

    def asked(client, name, **values):
        held.extend(["SetBolus"] * (name == "SetBolus"))
        return procedure(client, name, **values)

    monkeypatch.setattr(SerialBearer, "write", held_back)
    monkeypatch.setattr(Client, "procedure", asked)
    parts = (MANUAL, "hours = 0.02", pump(), command(10, "set_bolus", amount_iu=1))
    run = bench.run(*parts, clock="scaled:10", board=f"port:{device(None)}")
    assert run.verdict is Verdict.INCONCLUSIVE, run.explain()
    assert {reason.rule for reason in run.outcome.reasons} == {"D-955"}, run.explain()
