"""The radio: BLE as a bearer, over a Bluetooth host of our own (Bumble) or the operating system's (bleak).

    BleBearer        the frames of the serial line on one side, a port on the other
      BumblePort     both roles, on the virtual radio or on an HCI transport
      BleakPort      a client only, on the operating system's adapter
    SplitBearer      Insulin Delivery over one bearer, the sensor over another

The packages come with the extra `ble`; nothing here imports them before a port is made.
"""
