# Encoding what the pump has to say. A field that cannot be said is a fault of the pump, which must not go unseen.
class UnsayableField(ValueError):
    pass


def encode(codec, program, buf, start):
    end = codec.encode(program, buf, start)
    if end < 0:
        raise UnsayableField("slot %d cannot say %d" % (codec.bad_slot, codec.fields[codec.bad_slot]))
    return end
