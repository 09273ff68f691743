# Starts the firmware on the virtual board: hides the host's files, puts the shims before the built-in modules,
# connects the link and runs main.py as a board does.
#
# Afterwards `/` is the board's own directory (the only one that can be written), `/firmware` the firmware.
import gc
import os
import sys

import vfs


def _hide_host_files(work, firmware, shims):
    board, code, library = vfs.VfsPosix(work), vfs.VfsPosix(firmware), vfs.VfsPosix(shims)
    vfs.umount("/")
    vfs.mount(board, "/")
    vfs.mount(code, "/firmware", readonly=True)
    vfs.mount(library, "/shims", readonly=True)
    os.chdir("/")
    sys.path[:] = ["/shims", "/", "/firmware", ".frozen"]
    sys.argv[:] = ["main.py"]


def _connect():
    gc.collect()
    before = gc.mem_alloc()
    import select  # noqa: F401
    import time  # noqa: F401

    import esp32  # noqa: F401
    import machine  # noqa: F401
    import virtual_link as link

    gc.collect()
    link.connect(
        int(os.getenv("PUMPRIG_LINK_FD")),
        int(os.getenv("PUMPRIG_CLOCK_SCALE")),
        int(os.getenv("PUMPRIG_TICKS_START_MS")),
        int(os.getenv("PUMPRIG_RESET_CAUSE")),
        gc.mem_alloc() - before,
        int(os.getenv("PUMPRIG_BLE_STACK")),
        int(os.getenv("PUMPRIG_NOTIFY_QUEUE")),
    )


_hide_host_files(os.getenv("PUMPRIG_WORK"), os.getenv("PUMPRIG_FIRMWARE"), os.getenv("PUMPRIG_SHIMS"))
_connect()
with open("/firmware/main.py") as _file:
    _code = compile(_file.read(), "/firmware/main.py", "exec")
exec(_code, {"__name__": "__main__", "__file__": "/firmware/main.py"})
