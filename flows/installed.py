"""Which version of a package is installed here?"""

from importlib.metadata import PackageNotFoundError, version


def installed(package: str) -> str | None:
    """Its version; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
