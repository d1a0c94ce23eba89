"""`conlora` and `python -m conlora_agent`: checks the environment, then hands over to the command line.

The one place that looks upwards, to apps: it must run before a shadowed `apps` is imported.
"""

from __future__ import annotations

import sys

from conlora_agent.core.errors import INTERRUPTED, ConloraError


def main() -> None:
    """Run the command line; exit with one line on stderr when the environment is not fit for it."""
    try:
        from conlora_agent.environment import check_environment

        check_environment()
        from apps.cli import main as run
    except ConloraError as error:
        print(f"conlora: {error}", file=sys.stderr)  # noqa: T201
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    run()


if __name__ == "__main__":
    main()
