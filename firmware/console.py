# The board's console.
import board


# What a person at the console wants to know. Where frames travel on the console's line it is not for persons.
def say(text):
    if not board.USB_LINE:
        print(text)
