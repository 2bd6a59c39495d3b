"""`python -m page --into site` builds the gallery."""

import sys
from pathlib import Path

import click

from page.gallery import build


@click.command()
@click.option("--into", type=click.Path(path_type=Path, file_okay=False), default="site", show_default=True)
def main(into: Path) -> None:
    """Build the static gallery into a folder, which is replaced completely."""
    try:
        build(into)
    except (FileNotFoundError, ImportError, LookupError, ValueError) as error:
        sys.exit(f"Error: {error}")
    click.echo(f"{into / 'index.html'} is built; to view it: python -m http.server --bind 127.0.0.1 --directory {into}")


if __name__ == "__main__":
    main()
