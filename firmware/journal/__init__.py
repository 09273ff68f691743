# The journal: what a power cut must not take away, on flash of its own (DOSING.md section 12).
