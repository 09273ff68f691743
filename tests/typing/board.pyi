# The module `board` that a board's board.toml becomes when the firmware is put onto it.
UART_ID: int
BAUD: int
MOTOR_PIN: int
FORCE_ADC_PIN: int
WATCHDOG_MS: int
