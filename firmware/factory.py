# The factory reset: a pump that keeps nothing of its past. Bonds are no past of the pump, and stay.
#
# Who wants it puts a mark beside the firmware and resets the board. A start that finds the mark erases all blocks of
# the journal before anything reads them, and takes the mark away last: so a power cut in the middle leaves the mark,
# with which the next start does all of it again, and no start takes what is left of the journal for a pump's past.
import os
import sys

MARK = "factory_reset"


# Lets go of this module.
def forget():
    del sys.modules[__name__]


# Whether a factory reset is asked for, or not done to its end.
def due():
    return MARK in os.listdir()


def carry_out(flash):
    for block in range(flash.blocks):
        flash.erase(block)
    _make_durable()
    os.remove(MARK)
    _make_durable()


# Some file systems keep what they write for a while.
def _make_durable():
    if hasattr(os, "sync"):
        os.sync()
