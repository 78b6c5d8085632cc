"""EXPECT: 0. Modules and import hooks of the learner's compare nothing: comparing happens elsewhere."""

KIND = "cell"
CAUSE = r"expected|It returns|Look at"
CELL = r"""
import sys, types

fake = types.ModuleType("numpy.testing")
for name in ("assert_allclose", "assert_equal", "assert_array_equal"):
    setattr(fake, name, lambda *args, **kwargs: None)
sys.modules["numpy.testing"] = fake

class Finder:
    def find_spec(self, name, path=None, target=None):
        sys.modules[name] = fake
        return None

sys.meta_path.insert(0, Finder())

def ANSWER(*args, **kwargs):
    return args[0]
"""
