"""Commands that a person runs now and then: another model, a tidy lake, somebody who asks to be erased."""

from features.errors import ConfigError
from flows.cli.options import COMMON, Common, Summary
from flows.cli.running import run_flow


def promote(version: str, /, *, reason: str, common: Common = COMMON) -> Summary:
    """Put a model in use by hand, whatever the rule says; it stays until a later one beats it by the rule.

    Example: winback promote 3 --reason "the new recipe was checked on last year's season"

    Args:
        version: Its number, as winback runs shows it.
        reason: Why; kept with the model. No names of customers, please.
        common: What every command takes.
    """
    root = common.settings().root
    return run_flow("promote", root, common, common.config, version, reason, [*common.set])


def rollback(*, reason: str = "no reason given", common: Common = COMMON) -> Summary:
    """Put the model back in use that decided before the present one; again, the one before that.

    Example: winback rollback --reason "too many people on the list"

    Args:
        reason: Why; kept with the model. No names of customers, please.
        common: What every command takes.
    """
    return run_flow("rollback", common.settings().root, common, common.config, reason, [*common.set])


def compact(*, common: Common = COMMON) -> Summary:
    """Merge the small increments of the lake into its base, so that reading stays fast.

    Example: winback compact -c winback.yaml
    """
    return run_flow("compact", common.settings().root, common, common.config, [*common.set])


def forget(*, customer_id: str, common: Common = COMMON) -> Summary:
    """Erase a person everywhere: lake, quarantine, features, scores and lists.

    Example: winback forget --customer-id 12345

    Args:
        customer_id: Whom to erase, as the shop's own files name them.
        common: What every command takes.
    """
    from features.pricing import fingerprint

    if not customer_id.strip():  # an unset variable in a script: it would take out what names nobody
        raise ConfigError("--customer-id is empty. Give the id of the person to erase.")
    # Prefect keeps what a flow is called with: it gets nothing that names the person.
    person = fingerprint(customer_id)
    return run_flow("forget", common.settings().root, common, common.config, person, [*common.set])
