# Starts the board that one plugs in: hides the host's files behind a littlefs of its own, and runs main.py as a board
# does. What ends it, Ctrl-C too, leaves the REPL, which is MicroPython's own.
import os
import sys

import micropython
import vfs

_BLOCK_BYTES = 4096


# The flash of the board: a file of the host.
class _Flash:
    def __init__(self, path):
        self._file = open(path, "r+b")
        self._blocks = os.stat(path)[6] // _BLOCK_BYTES

    def readblocks(self, block, buf, offset=0):
        self._file.seek(block * _BLOCK_BYTES + offset)
        self._file.readinto(buf)

    def writeblocks(self, block, buf, offset=0):
        self._file.seek(block * _BLOCK_BYTES + offset)
        self._file.write(buf)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._blocks
        if operation == 5:
            return _BLOCK_BYTES
        return 0


# micropython, with the interrupt key where this board has it: in the terminal that its supervisor keeps.
class _Micropython:
    def __init__(self, control):
        self._control = control
        for name in dir(micropython):
            if name[0] != "_" and name != "kbd_intr":
                setattr(self, name, getattr(micropython, name))

    def kbd_intr(self, char):
        self._control.write(b"I" if char == 3 else b"i")
        interrupt = None
        while True:
            try:
                self._control.readinto(bytearray(1))
                break
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt:
            raise interrupt

    def program_starts(self):
        self._control.write(b"P")


def _start():
    flash = _Flash(os.getenv("PUMPRIG_FLASH"))
    shims = vfs.VfsPosix(os.getenv("PUMPRIG_SHIMS"))
    control = open(int(os.getenv("PUMPRIG_CONTROL_FD")), "r+b")
    try:
        files = vfs.VfsLfs2(flash)
    except OSError:
        vfs.VfsLfs2.mkfs(flash)
        files = vfs.VfsLfs2(flash)
    vfs.umount("/")
    vfs.mount(files, "/")
    # Where a board has what came with it.
    vfs.mount(shims, "/rom", readonly=True)
    os.chdir("/")
    sys.path[:] = ["/rom", "", "/lib", ".frozen"]
    sys.modules["micropython"] = _Micropython(control)
    import machine

    machine.control = control
    machine.cause = int(os.getenv("PUMPRIG_RESET_CAUSE"))


def _run(name):
    try:
        with open(name) as file:
            code = compile(file.read(), name, "exec")
    except OSError:
        return
    # A board has its interrupt key while a program runs: not while it is compiled, and before it has done anything.
    try:
        sys.modules["micropython"].program_starts()
    except KeyboardInterrupt:
        # A board has no line of its own here that it could end: it would be the program's first.
        pass
    exec(code, {"__name__": "__main__", "__file__": name})
    sys.modules["micropython"].kbd_intr(-1)


# Without its own file system the board would have the host's: rather none at all.
try:
    _start()
except Exception as _error:  # noqa: BLE001 - whatever it was, the board shows it
    sys.print_exception(_error)
    sys.exit(1)
try:
    # From here on the line is there.
    sys.modules["micropython"].kbd_intr(-1)
    _run("boot.py")
    _run("main.py")
except Exception as _error:  # noqa: BLE001 - whatever it was, the board shows it
    sys.print_exception(_error)
except KeyboardInterrupt as _error:
    sys.print_exception(_error)
# The program has ended: its interrupt key is that of the REPL again.
sys.modules["micropython"].kbd_intr(3)
