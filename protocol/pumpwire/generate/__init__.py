"""Writes from the declarations what must agree with them: firmware tables, handles, the interface document."""
