"""``python -m assay``: the command line."""

from assay.commands.main import run

__all__: list[str] = []

if __name__ == "__main__":
    run()
