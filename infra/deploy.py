"""`unbraid deploy`, run in the environment that has the CDK: `python -m infra.deploy OPTIONS` (JSON)."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra import builds, cdk_cli, destroy, leftovers, page, preflight, redrive, replacing, resume
from infra.account import Account
from infra.bundles import MADE
from infra.console import Stopped, ask, say
from infra.settings import NO_PAGE, STACK, Settings, load, save

ASSEMBLY = MADE / "assembly"


@dataclass(frozen=True)
class Action:
    """What to do. All other options are settings."""

    synth_only: bool = False
    out: str | None = None
    yes: bool = False
    destroy: bool = False
    check: bool = False
    redrive: bool = False


def main(arguments: Sequence[str]) -> int:
    """Run the command and return the exit code."""
    options: dict[str, Any] = json.loads(arguments[0])
    action = Action(**{name: options.pop(name) for name in Action.__dataclass_fields__ if name in options})
    try:
        if action.destroy:
            destroy.destroy(Account.opened(options.get("name") or STACK), action.yes)
        elif action.redrive:
            redrive.redrive(Account.opened(options.get("name") or STACK))
        else:
            try:
                settings = load(options)
            except ValueError as error:
                say(str(error))
                return 2
            if action.check:
                return check(Account.opened(settings.name), settings)
            cdk_cli.check_node()
            if action.synth_only:
                synth(settings, Path(action.out or "cdk.out"))
            else:
                deploy(Account.opened(settings.name), settings, action.yes)
    except Stopped as error:
        say(str(error))
        return 1
    except (BotoCoreError, ClientError, RuntimeError) as error:
        say(f"AWS or the CDK reported an error: {error}")
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130
    return 0


def synth(settings: Settings, out: Path) -> Path:
    """Write template and assets to `out`, and print the template's path."""
    # The CDK takes seconds to import.
    from infra.app import assembled

    template = assembled(settings, out)
    sys.stdout.write(f"{template}\n")
    return template


def check(account: Account, settings: Settings) -> int:
    """Print what the account lacks for these settings, and return the exit code: 1 if a part won't work."""
    report = _checked(account, settings)
    say("something is missing, see above" if report.missing else "nothing is missing")
    return 1 if report.missing else 0


def _checked(account: Account, settings: Settings) -> preflight.Report:
    say(f"account {account.number}, region {account.region}, stack {account.name}: checking what it allows")
    report = preflight.check(account, settings)
    report.show()
    return report


def deploy(account: Account, settings: Settings, yes: bool) -> None:
    """Deploy this checkout with these settings. Raises Stopped."""
    report = _checked(account, settings)
    if report.missing:
        ask("Something is missing, see above. Deploy everything else?", yes)
    # The settings that are saved stay as they were chosen, so that a later deployment uses what AWS allows then.
    chosen, settings = settings, report.settings
    if not account.bootstrapped():
        ask("The CDK has to be set up in this account first (the stack CDKToolkit).", yes)
        cdk_cli.bootstrap(account)
    origin = None
    if settings.cloudfront:
        page.build_page()
        origin = account.outputs(account.page_name).get("Page")
    say("building the code and the template")
    template = json.loads(assemble(account, settings, origin).read_text("utf-8"))
    cdk_cli.cdk(ASSEMBLY, account, "diff")
    ask("Apply these changes to AWS?", yes)
    leftovers.delete_log_groups(account, template)
    tag = str(template["Outputs"]["WantedImage"]["Value"])
    image = builds.image_exists(account, tag)
    parameters = image_parameters(tag, image, account.image_tag())
    for each in replacing.deployments(account, template, parameters):
        cdk_cli.deploy(ASSEMBLY, account, account.name, *each)
    save(chosen)
    resume.resume(account, settings)
    if settings.cloudfront:
        deploy_page(account, settings, origin)
    elif account.stack(account.page_name) is not None:
        say("deleting the page on CloudFront")
        destroy.delete(account, account.page_name)
    outputs = account.outputs()
    print_outputs(outputs, settings)
    if not image:
        builds.build(account, tag)
    say(f"ready: {outputs['Api' if outputs['Page'] == NO_PAGE else 'Page']}")


def assemble(account: Account, settings: Settings, origin: str | None) -> Path:
    """Write the templates and assets to the folder `ASSEMBLY`, and return the path of the main template.

    The secret of CloudFront's calls stays that of the existing stack.
    """
    from infra.app import assembled

    shutil.rmtree(ASSEMBLY, ignore_errors=True)
    return assembled(settings, ASSEMBLY, origin, account.outputs().get("ProxySecret"))


def deploy_page(account: Account, settings: Settings, origin: str | None) -> None:
    """Create or update the page on CloudFront, and upload it. If AWS refuses, say so: the API works without it.

    `origin`: the page that the API accepts already. Raises Stopped.
    """
    try:
        cdk_cli.deploy(ASSEMBLY, account, account.page_name)
    except Stopped:
        say(
            "The page could not be created on CloudFront. The reason is above; everything else works. If the account "
            "must be verified, ask for that at https://console.aws.amazon.com/support and deploy again. Until then, "
            "host the page on Netlify: docs/aws.md#the-page-on-netlify"
        )
        return
    created = account.outputs(account.page_name)
    page.publish(account, created["PageBucket"])
    if created["Page"] != origin:
        say("telling the API where the page is")
        assemble(account, settings, created["Page"])
        cdk_cli.deploy(ASSEMBLY, account, account.name)


def image_parameters(tag: str, exists: bool, running: str) -> list[str]:
    """Return the stack's parameter for its image: `tag` if that exists; otherwise none, and it keeps `running`."""
    if exists:
        return ["--parameters", f"ImageTag={tag}"]
    if running and running.rpartition("-")[2] != tag.rpartition("-")[2]:
        # It was built for the other kind of machine. Songs wait until the new image is built.
        return ["--parameters", "ImageTag="]
    return []


def print_outputs(outputs: dict[str, str], settings: Settings) -> None:
    """Print addresses to standard output, and the next steps to standard error."""
    sys.stdout.write(f"UNBRAID_API_URL={outputs['Api']}\nUNBRAID_SOCKET_URL={outputs['Socket']}\n")
    sys.stdout.write(f"UNBRAID_FILES_URL={outputs['Files']}\n")
    if "SignIn" in outputs:
        sys.stdout.write(f"UNBRAID_SIGN_IN_URLS={outputs['SignIn']}\n")
    sys.stdout.flush()
    if settings.site is not None:
        say("set these in Netlify under Environment variables, and build the page again")
    elif outputs.get("Page") == NO_PAGE and not settings.cloudfront:
        say(
            "there is no page yet. Set these in Netlify under Environment variables, build the page there, and run "
            "./unbraid deploy --site https://NAME.netlify.app; or host it here: ./unbraid deploy --cloudfront"
        )
    if "People" in outputs:
        command = f"aws cognito-idp admin-create-user --user-pool-id {outputs['People']} --username"
        say(f"to invite a user: {command} anna@example.org")
    for address in {settings.sender, settings.alarms} - {None}:
        say(f"{address} receives an e-mail from AWS, once; open the link in it to confirm the address")
    if settings.alarms is None:
        say(
            "no address receives alarms and budget warnings yet; to add one: ./unbraid deploy --alarms you@example.org"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
