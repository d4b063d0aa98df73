"""Runs `python -m evals COMMAND`.

The exit code is 0 when the gates hold, 1 when one fails, 2 for bad input, 3 when the run broke.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from bot.errors import DeskError, InputError
from bot.files import keep_files_private
from bot.infra.telemetry import disable_telemetry

Tool = Callable[[Sequence[str]], int]
TOOLS = {
    **{name: f"evals.{name}" for name in ("run", "compare", "add", "safety", "lint", "coverage")},
    "pictures": "evals.pictures", "transfer": "evals.transfer", "bench": "evals.bench",
    "edits": "evals.edits", "evening": "evals.evening", "calibrate": "evals.calibrate",
    "requests": "evals.requests", "contacts": "evals.contacts", "tune": "evals.tune",
    "centre": "evals.fitting.centring", "first_day": "evals.first_day",
    "day_one": "evals.day_one", "team_answers": "evals.team_answers",
}  # fmt: skip
USAGE = """usage: python -m evals COMMAND [--help]

  run        cases through the desk; gates decide the exit code
  compare    head against BASE on the same cases
  add        a real mail or thread as a redacted case
  safety     the guard on generated hostile, honest and secret texts
  lint       near-duplicates, missing contrasts, canaries
  coverage   passages that no case touches; where the knowledge is thin
  pictures   draw the pictures of the documentation (needs Chromium)
  calibrate  what the desk learns, measured on each author with that author left out
  edits      what an edit of the knowledge costs the questions that it is not about
  evening    a desk that knows a few wordings of each meaning alone
  first_day  a new desk that learns from what people answer, over a day's messages
  day_one    what the desk makes of posts that it never saw; gates decide the exit code
  team_answers  who gets what the support team answered somebody else
  requests   learn what is asked for from the hands of evals/data/requests
  contacts   learn which questions are about a caller, sender, link or number
  tune       the last layers of the encoder over all incidents (needs the train extra)
  centre     the mean that the desk subtracts from every vector of the encoder
  transfer   learn from all labelled incidents what serves a post without questions
  bench      this desk beside a stock LangChain chain

example: python -m evals run --split all --jobs 2"""


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit code; an error is printed as one line."""
    keep_files_private()
    disable_telemetry()
    if not argv or argv[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if argv else 2
    try:
        return _tool(argv[0])(argv[1:])
    except InputError as error:
        return _fault(error, 2)
    except DeskError as error:
        return _fault(error, 3)
    except (KeyboardInterrupt, BrokenPipeError):
        return _fault("stopped", 3)
    except Exception as error:  # noqa: BLE001 - whatever broke, the run proves nothing
        lines = str(error).splitlines()
        return _fault(f"the run broke: {type(error).__name__}: {lines[0] if lines else ''}", 3)


def _tool(name: str) -> Tool:
    """Return the command `name`, imported only now: most do not need LangChain.

    InputError for an unknown name.
    """
    if name not in TOOLS:
        raise InputError(f"no command {name!r}\n{USAGE}")
    tool: Tool = getattr(import_module(TOOLS[name]), name)
    return tool


def _fault(what: object, code: int) -> int:
    print(f"evals: {what}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
