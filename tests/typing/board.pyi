# The module `board` as the firmware sees it. pumplink writes it when the firmware is put onto a board.

# Of the board and of this firmware; the stack from the [limits] table of board.toml.
NAME: str
FIRMWARE_HASH: bytes
BLE_STACK: str

# From the [firmware] table of the board's board.toml; all are whole numbers but the label; a pin may also have a name.
USB_LINE: int
BLE: int
UART_ID: int
BAUD: int
UART_RX_BYTES: int
REPL_WINDOW_MS: int
MOTOR_PIN: int | str
MOTOR_PULSE_MS: int
FORCE_ADC_PIN: int
FORCE_LIMIT_U16: int
WATCHDOG_MS: int
FLASH_LABEL: str
FLASH_START: int
FLASH_BLOCKS: int
FLASH_STATE_BLOCKS: int
FLASH_BLOCK_BYTES: int
FLASH_PROGRAM_BYTES: int
