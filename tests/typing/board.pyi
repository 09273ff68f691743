# The module `board` that the [firmware] table of a board's board.toml becomes when the firmware is put onto it.
UART_ID: int
BAUD: int
UART_RX_BYTES: int
MOTOR_PIN: int
MOTOR_PULSE_MS: int
FORCE_ADC_PIN: int
FORCE_LIMIT_U16: int
WATCHDOG_MS: int
