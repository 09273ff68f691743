# Where a board starts.
#
# Compiling leaves much behind. Collected early and often, it leaves the heap in one piece for the buffers.
import gc

gc.threshold(8192)

from loop import Firmware  # noqa: E402

gc.threshold(-1)
Firmware().run()
