"""EXPECT: 0. A type that raises when it is asked for its name does no harm."""

KIND = "cell"
CAUSE = r"ended its own process|raised|expected"
CELL = r"""
class Meta(type):
    __name__ = property(lambda cls: 1 / 0)
    __mro__ = property(lambda cls: 1 / 0)

class Odd(Exception, metaclass=Meta):
    pass

def ANSWER(*args, **kwargs):
    raise Odd("odd")
"""
