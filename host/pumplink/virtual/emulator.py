"""The process of an emulated RP2040: `python -m pumplink.virtual.emulator FILE.uf2`.

Prints one line of JSON with the devices of its USB line and of its UART 0, and runs until its standard input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tty
from pathlib import Path
from typing import Any

__all__ = ["main"]

_READ_OCTETS = 16
_AGAIN_S = 0.002


def _mend_uart(uart: Any) -> None:
    """Of the emulator's 0.3.6: its model raises the interrupt of an empty sender each time it looks, so that a driver
    which sends by that interrupt never leaves it. A chip raises it when an octet has gone."""
    model, write = uart.RPUART, uart.RPUART.write_uint32

    def told(self: Any) -> None:
        self.rp2040.set_interrupt(self.irq, bool(self._interrupt_status & self._interrupt_mask))

    def written(self: Any, offset: int, value: int) -> None:
        write(self, offset, value)
        if offset == uart.UARTDR:
            self._interrupt_status |= uart.UARTTXINTR
            told(self)

    model.check_interrupts = told
    model.write_uint32 = written


class _Uart:
    """A UART of the chip behind a pty."""

    def __init__(self, uart: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._uart, self._loop = uart, loop
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        uart.on_byte = self._said
        self._listen()

    def _said(self, octet: int) -> None:
        # What nobody reads is lost in the end, as on a wire.
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, bytes([octet]))

    def _listen(self) -> None:
        self._loop.add_reader(self._master, self._heard)

    def _heard(self) -> None:
        fifo = self._uart.rx_fifo
        free = fifo.size - fifo.item_count
        if free <= 0:
            self._loop.remove_reader(self._master)
            self._loop.call_later(_AGAIN_S, self._listen)
            return
        for octet in os.read(self._master, min(free, _READ_OCTETS)):
            self._uart.feed_byte(octet)


async def _run(image: Path) -> None:
    from rp2040py.boards import BoardSpec
    from rp2040py.cli.pty_repl import PtyInteractiveRepl
    from rp2040py.device.base_device import BaseDevice
    from rp2040py.memory_map import FLASH_START_ADDRESS
    from rp2040py.peripherals import uart

    _mend_uart(uart)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    device = BaseDevice(board=BoardSpec(image=image))
    device.simulator.bind_loop()
    usb = PtyInteractiveRepl(device.cdc, device.simulator, lambda code: ended.set())
    await usb.start()
    line = _Uart(device.mcu.uart[0], loop)
    device.mcu.core.pc = FLASH_START_ADDRESS
    device.simulator.start_execution()
    sys.stdout.write(json.dumps({"usb": usb.slave_path, "uart": line.path}) + "\n")
    sys.stdout.flush()
    loop.add_reader(sys.stdin.fileno(), lambda: ended.set() if not os.read(sys.stdin.fileno(), 1) else None)
    await ended.wait()
    device.stop()


def main() -> None:
    """Runs the chip whose flash holds the file named on the command line."""
    asyncio.run(_run(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
