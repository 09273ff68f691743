# What a start does once: it puts the firmware together. A board loads this when it starts, and lets go of it.
import select
import sys

import board

import machine
import settings
from bearer.serial import ATT_MTU_MAX, SerialBearer
from clock import Clock
from console import say
from flash import Flash, device
from gatt.peripheral import Peripheral
from gatt.recorder import Recorder
from journal.history import History
from journal.ring import Ring
from journal.store import Store
from motor import Motor, NoForce
from pump.core import Pump

# Names of the causes in `machine`, of which no board has all, and the words of the wire for them.
_RESET_CAUSES = (
    ("PWRON_RESET", 0x33), ("HARD_RESET", 0x3C), ("WDT_RESET", 0x55), ("DEEPSLEEP_RESET", 0x5A), ("SOFT_RESET", 0x66),
)  # fmt: skip


# What the board says of itself. Without a method: one would keep this module.
class _Identity:
    firmware_hash = board.FIRMWARE_HASH
    motor_pulse_ms = board.MOTOR_PULSE_MS
    name = board.NAME
    unique_id = b""
    reset_cause = 0x0F


# Lets go of this module.
def forget():
    del sys.modules[__name__]


# Puts the parts of the firmware together: clock, store, motor, radio, bearer, pump, server, client, the last two over
# the air, what is waited for, and how.
def parts():
    clock = Clock()
    pin = machine.Pin(board.MOTOR_PIN, machine.Pin.OUT)
    force = machine.ADC(machine.Pin(board.FORCE_ADC_PIN)) if board.FORCE_ADC_PIN >= 0 else NoForce()
    flash = Flash(device(board), board.FLASH_BLOCKS, board.FLASH_BLOCK_BYTES, board.FLASH_PROGRAM_BYTES)
    _reset_to_factory(flash)
    store = Store(Ring(flash, 0, board.FLASH_STATE_BLOCKS))
    history_ring = Ring(flash, board.FLASH_STATE_BLOCKS, board.FLASH_BLOCKS - board.FLASH_STATE_BLOCKS)
    motor = Motor(clock, pin, force, board.MOTOR_PULSE_MS, board.FORCE_LIMIT_U16, store)
    # Before the line is taken, as what cannot be had from this radio is said on it.
    radio = _new_radio(clock)
    if board.USB_LINE:
        from bearer.usb import UsbLine

        line = UsbLine()
        stream = line.stream
    else:
        line = stream = machine.UART(board.UART_ID, board.BAUD, rxbuf=board.UART_RX_BYTES)
    bearer = SerialBearer(line, board.BAUD, clock)
    history = History(history_ring, store)
    recorder = Recorder(history)
    pump = Pump(settings, recorder.emit, motor, store)
    _recover(store, pump, history)
    identity = _identity()
    security = radio.security if radio else None
    peripheral = Peripheral(clock, bearer, pump, history, recorder, settings, identity, ATT_MTU_MAX, security)
    server, client = peripheral.server, peripheral.client
    server.before_loading = motor.finish
    waiting = [motor, bearer, server, client]
    poller = select.poll()
    poller.register(stream, select.POLLIN)
    air_server = air_client = None
    # The pump has a second client: what it is to one it is to the other, but for connection and procedures.
    if radio:
        from gatt.air import AirPeripheral

        air = AirPeripheral(
            clock, radio, pump, history, recorder, settings, identity, ATT_MTU_MAX, security, peripheral
        )  # fmt: skip
        air_server, air_client = air.server, air.client
        air_server.others.append(server)
        server.others.append(air_server)
        air_server.before_loading = motor.finish
        waiting += (radio, air_server, air_client)
        poller.register(radio.stream, select.POLLIN)
    return clock, store, motor, radio, bearer, pump, server, client, air_server, air_client, tuple(waiting), poller


def _identity():
    identity = _Identity()
    identity.unique_id = machine.unique_id()
    cause = machine.reset_cause()
    for name, word in _RESET_CAUSES:
        if getattr(machine, name, None) == cause:
            identity.reset_cause = word
    return identity


# Before anything reads the journal.
def _reset_to_factory(flash):
    import factory

    if factory.due():
        factory.carry_out(flash)
    factory.forget()


# Reads the journal. What that needs leaves the memory again, too.
def _recover(store, pump, history):
    from journal import recovery

    store.connect(pump, history)
    recovery.forget()


# None on a board without one, or that does not use it: then nothing of it is loaded. A pump whose radio does not
# start goes on without: its cable tells that it is off.
def _new_radio(clock):
    if not board.BLE:
        return None
    try:
        from bearer.ble import BleBearer

        return BleBearer(clock, board.NAME, board.BLE_STACK != "btstack", say)
    except (ImportError, OSError) as error:
        print("pumprig: the radio does not start:", error)
        return None
