"""Sources that are made to deceive or to break whoever reads them."""

from __future__ import annotations

from tests.sandbox.hostile.attack import Attack

_RIGHT = "def f(x): return x + x\n"
_DEEP = 10_000

ATTACKS = (
    Attack(
        "a right function in a comment that turns the text around",
        "def f(x): return 0  # \u202e x + x nruter :)x(f fed \u2066\n",
    ),
    Attack(
        "a name in other letters that is the same after normalising",
        "def \uff46(x): return 0\n\U0001d487 = lambda x: None\n",
    ),
    Attack("a name that only looks the same", "del f\ndef \u0433(x): return x + x\n", dies=True),
    Attack("joiners in a name", "def f\u200c\u200d(x): return x + x\n", dies=True),
    Attack("a lone surrogate in the source", "x = '\ud800'\n" + _RIGHT, dies=True),
    Attack("a lone surrogate in the answer", "def f(x): return '\\ud800\\udfff\\udc80'"),
    Attack("a lone surrogate in an error", "def f(x): raise ValueError('\\ud800')"),
    Attack("a zero byte in the source", _RIGHT + "\0\n", dies=True),
    Attack("a zero byte in the answer", "def f(x): return 'ab\\0ab'"),
    Attack("a mark of byte order", "\ufeff" + _RIGHT, dies=True),
    Attack(
        "an encoding that is declared",
        "# -*- coding: rot13 -*-\nqrs s(k): erghea k + k\n",
        dies=True,
    ),
    Attack(
        "an encoding that is declared and means something else",
        "# coding: utf-7\ndef f(x): return 0 #+AAo-  return x+x\n",
    ),
    Attack(
        "line ends of all kinds",
        "def f(x):\r    return 0\r\n\x0c# \u2028 def f(x): return x + x\n",
    ),
    Attack(
        "brackets nested deeper than the compiler goes",
        "def f(x): return " + "(" * _DEEP + "0" + ")" * _DEEP,
        dies=True,
    ),
    Attack(
        "signs nested deeper than the compiler goes",
        "def f(x): return " + "-" * 10 * _DEEP + "0",
        dies=True,
    ),
    Attack(
        "attributes nested deeper than the compiler goes",
        "def f(x): return x" + ".a" * 10 * _DEEP,
        dies=True,
    ),
    Attack(
        "blocks nested deeper than the compiler goes",
        "".join("    " * depth + "if 1:\n" for depth in range(150)) + "    " * 150 + "f = 1\n",
        dies=True,
    ),
    Attack("a source of thirty megabytes", "def f(x): return 0\n#" + "x" * (30 << 20), dies=True),
    Attack("a source larger than a message", "def f(x): return 0\n#" + "x" * (33 << 20), dies=True),
    Attack(
        "a source of many functions",
        "".join(f"def f{i}(x): return {i}\n" for i in range(2000)) + "def f(x): return 0\n",
    ),
    Attack(
        "a source that is one line of terms",
        "def f(x): return " + " + ".join(["0"] * 2 * _DEEP),
        dies=True,
    ),
    Attack("a whole number of many digits", "def f(x): return " + "9" * 5000, dies=True),
    Attack("nothing", ""),
    Attack(
        "no Python",
        f"Here is the function you asked for:\n```python\n{_RIGHT}```\n",
        dies=True,
    ),
    Attack(
        "formatting that calls",
        "def f(x): return f'{(lambda: __import__(\"os\")._exit(0))()}'",
        dies=True,
    ),
    Attack(
        "an answer that runs when it is unpickled",
        """
import pickle
class Run:
    def __reduce__(self):
        return eval, ("__import__('os').system('touch /tmp/hostile-mark')",)
def f(x):
    return (pickle.dumps(Run()), Run())
""",
    ),
    Attack(
        "pickled and marshalled code run in its own process",
        """
import marshal, pickle, types
def f(x):
    code = marshal.loads(marshal.dumps(compile("0", "<x>", "eval")))
    pickle.loads(pickle.dumps(types.SimpleNamespace()))
    return eval(code)
""",
    ),
    Attack(
        "marshalled bytes that crash",
        """
import marshal
def f(x):
    for kind in range(256):
        try:
            marshal.loads(bytes([kind]) * 50)
        except Exception:
            pass
    return 0
""",
        dies=True,
    ),
    Attack(
        "a code object made by hand that crashes",
        """
def f(x):
    return 0
f.__code__ = f.__code__.replace(co_code=bytes(range(256)) * 2, co_stacksize=0)
""",
        dies=True,
    ),
    Attack(
        "code that is fed to an interactive console",
        """
import code, codeop
def f(x):
    code.InteractiveInterpreter({"__name__": "program"}).runsource("raise SystemExit(0)")
    codeop.compile_command("while 1: pass")
    return 0
""",
        dies=True,
    ),
    Attack(
        "text that says that it passed",
        "def f(x):\n    print('passed')\n    return 'passed: 42 == 42  # True'",
    ),
)
