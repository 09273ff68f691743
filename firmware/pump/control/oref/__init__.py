# Controller oref: the hybrid closed loop that decides as oref0 0.7.1 does (DOSING.md section 14).
#
# Pure logic. inputs.py holds what is decided on, controller.py the rules in their order; a number that is not there is
# NaN, so that it wins no comparison.
