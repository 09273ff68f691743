# The pump itself: dosing logic that takes the time as an argument, tells through `emit` and imports no hardware.
