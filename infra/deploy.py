"""What `unbraid deploy` does, in the environment that has the CDK: `python -m infra.deploy OPTIONS`, as JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra import builds, cdk_cli, destroy, page
from infra.account import Account
from infra.bundles import MADE
from infra.console import Stopped, ask, say
from infra.settings import STACK, Settings, keep, load


@dataclass(frozen=True)
class Wishes:
    """What to do; all other options are settings."""

    synth_only: bool = False
    out: str | None = None
    yes: bool = False
    destroy: bool = False


def main(arguments: Sequence[str]) -> int:
    """Do it; the exit code."""
    options: dict[str, Any] = json.loads(arguments[0])
    wishes = Wishes(**{name: options.pop(name) for name in Wishes.__dataclass_fields__ if name in options})
    try:
        if wishes.destroy:
            destroy.destroy(Account.opened(), wishes.yes)
        else:
            try:
                settings = load(options)
            except ValueError as error:
                say(str(error))
                return 2
            cdk_cli.check_node()
            if wishes.synth_only:
                synth(settings, Path(wishes.out or "cdk.out"))
            else:
                deploy(Account.opened(), settings, wishes.yes)
    except Stopped as error:
        say(str(error))
        return 1
    except (BotoCoreError, ClientError, RuntimeError) as error:
        say(f"it can't go on: {error}")
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130
    return 0


def synth(settings: Settings, out: Path) -> Path:
    """Write template and assets to `out`, and its name to standard output."""
    # Imported here, as this takes seconds.
    from infra.app import assembled

    template = assembled(settings, out)
    sys.stdout.write(f"{template}\n")
    return template


def deploy(account: Account, settings: Settings, yes: bool) -> None:
    """Bring the account to what is here and wished. Raises Stopped."""
    from infra.app import assembled

    say(f"account {account.number}, region {account.region}")
    if not account.bootstrapped():
        ask("The CDK was never used here, and has to be set up first (the stack CDKToolkit).", yes)
        cdk_cli.bootstrap(account)
    if settings.site is None:
        page.build_page()
    assembly = MADE / "assembly"
    shutil.rmtree(assembly, ignore_errors=True)
    say("putting together what is to be deployed")
    template = json.loads(assembled(settings, assembly).read_text("utf-8"))
    cdk_cli.cdk(assembly, account, "diff", STACK)
    ask("Shall AWS be changed so?", yes)
    tag = str(template["Outputs"]["WantedImage"]["Value"])
    image = builds.there(account, tag)
    parameters = image_parameters(tag, image, account.image_tag())
    cdk_cli.cdk(assembly, account, "deploy", STACK, "--require-approval", "never", *parameters)
    keep(settings)
    outputs = account.outputs()
    if "PageBucket" in outputs:
        page.publish(account, outputs["PageBucket"])
    tell(outputs, settings)
    if not image:
        builds.build(account, tag)
    say(f"ready: {outputs['Page']}")


def image_parameters(wanted: str, there: bool, running: str) -> list[str]:
    """What the stack is told of its image: `wanted` if it is `there`; else nothing, and it goes on with `running`."""
    if there:
        return ["--parameters", f"ImageTag={wanted}"]
    if running and running.rpartition("-")[2] != wanted.rpartition("-")[2]:
        # One for other machines. Without any, the part that separates is gone until the new one is there.
        return ["--parameters", "ImageTag="]
    return []


def tell(outputs: dict[str, str], settings: Settings) -> None:
    """What somebody has to know or do now: addresses on standard output, the rest on standard error."""
    sys.stdout.write(f"UNBRAID_API_URL={outputs['Api']}\nUNBRAID_SOCKET_URL={outputs['Socket']}\n")
    sys.stdout.write(f"UNBRAID_FILES_URL={outputs['Files']}\n")
    if "SignIn" in outputs:
        sys.stdout.write(f"UNBRAID_SIGN_IN_URLS={outputs['SignIn']}\n")
    sys.stdout.flush()
    if settings.site is not None:
        say("set these for the page's build, in Netlify under Environment variables, and build it anew")
    if "People" in outputs:
        command = f"aws cognito-idp admin-create-user --user-pool-id {outputs['People']} --username"
        say(f"invite people by: {command} somebody@example.org")
    for address in {settings.sender, settings.alarms} - {None}:
        say(f"{address} gets a letter to confirm, the first time")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
