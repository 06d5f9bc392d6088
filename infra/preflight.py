"""What a new account lacks, asked before anything is created: `unbraid deploy --check`, and first in `deploy`.

A check that may not be made is a line of its own, and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from infra import quotas
from infra.account import Account, code
from infra.console import say
from infra.cpu_memory import song_s
from infra.models import longest_songs, meaning, offered, relative_work
from infra.settings import Settings
from unbraid.models.auto import AUTO, FAST

SUPPORT = "https://console.aws.amazon.com/support"
API_FUNCTIONS = 8
"""Functions that a page with one user may call at the same time."""


SHORT_MIN = 20
"""Songs longer than this are rare, so a lower limit is worth a line."""


@dataclass(frozen=True)
class Finding:
    """One line of the report. missing: a part won't work before it is mended."""

    level: Literal["ok", "note", "missing", "unknown"]
    text: str
    memory_mb: int | None = None
    """Memory to use instead of the one in the settings."""


@dataclass(frozen=True)
class Report:
    """Everything that was found, and the settings that this account allows."""

    findings: list[Finding]
    settings: Settings

    @property
    def missing(self) -> bool:
        """Whether a part won't work before something is mended."""
        return any(finding.level == "missing" for finding in self.findings)

    def show(self) -> None:
        """Print a line for each finding."""
        for finding in self.findings:
            say(f"  {finding.level}: {finding.text}")


def check(account: Account, settings: Settings) -> Report:
    """Ask AWS for everything that these settings need. Raises nothing that AWS answers."""
    findings = [_models(settings)]
    for what, find in _checks(settings):
        try:
            findings += find(account, settings)
        except (BotoCoreError, ClientError) as error:
            reason = code(error) if isinstance(error, ClientError) else type(error).__name__
            findings.append(Finding("unknown", f"couldn't check {what} ({reason})"))
    memory_mb = next((finding.memory_mb for finding in findings if finding.memory_mb), settings.memory)
    return Report(findings, settings.model_copy(update={"memory": memory_mb}))


Check = Callable[[Account, Settings], Iterator[Finding]]


def _checks(settings: Settings) -> Iterator[tuple[str, Check]]:
    """Yield each check after its description in words."""
    yield "how many builds may run: the image needs one", _builds
    if settings.compute == "gpu":
        yield f"the quota {quotas.instances(settings.instance)}", _instances
    else:
        yield "how much memory a function may have. If 10,240 MB are refused, add --memory 3008", _memory
    yield "how many functions may run at the same time", _concurrency
    if settings.sender is not None:
        yield "whether SES may send e-mails", _email
    if settings.cloudfront:
        yield "whether CloudFront is allowed", _cloudfront


def _models(settings: Settings) -> Finding:
    models = settings.image_models
    best, fast = (_meaning(choice, models) for choice in (AUTO, FAST))
    means = f"`auto` and `fast` are {best}" if best == fast else f"`auto` is {best}; `fast` is {fast}"
    text = f"models: {', '.join(offered(models))}; {means}"
    if meaning(AUTO, models) == "lite":
        return Finding("note", f"{text}, the weakest. Add htdemucs or spleeter to --models")
    return Finding("ok", text)


def _meaning(choice: str, models: Sequence[str]) -> str:
    """Name the model that a choice stands for, and the one for all stems if that is another."""
    two, every = (meaning(choice, models, stems) for stems in ("vocals", "all"))
    return two if two == every else f"{two} ({every} for drums, bass and other)"


def _builds(account: Account, settings: Settings) -> Iterator[Finding]:
    found = quotas.quota(account, "codebuild", quotas.BUILDS)
    if found is None:
        yield Finding("unknown", f'AWS lists no quota "{quotas.BUILDS}" in {account.region}')
    elif found.value < 1:
        yield Finding(
            "missing",
            "CodeBuild may not run a build, so the image can't be built. Ask for 1, wait for AWS's e-mail, and deploy "
            f"again:\n    {found.increase(1, account.region)}",
        )
    else:
        builds = "one build" if found.value == 1 else f"{found.value:.0f} builds"
        yield Finding("ok", f"CodeBuild may run {builds} at the same time")


def _instances(account: Account, settings: Settings) -> Iterator[Finding]:
    name, wanted = quotas.instances(settings.instance), settings.at_most + 1
    found = quotas.quota(account, "sagemaker", name)
    if found is None:
        yield Finding(
            "unknown", f'AWS lists no quota "{name}" in {account.region}: is that type offered there?'
        )
    elif found.value < 1:
        yield Finding(
            "missing",
            f'the quota "{name}" is 0, so no song can be separated. Ask for {wanted} ({settings.at_most} for '
            "--at-most, and 1 because an update starts a new instance before it stops the old one):\n"
            f"    {found.increase(wanted, account.region)}\n"
            "    AWS answers within minutes to days. Until then: ./unbraid deploy --compute cpu",
        )
    elif found.value < wanted:
        yield Finding(
            "note",
            f'the quota "{name}" is {found.value:.0f}. An update while {settings.at_most} instances run needs '
            f"{wanted}:\n    {found.increase(wanted, account.region)}",
        )
    else:
        yield Finding("ok", f'the quota "{name}" is {found.value:.0f}')


def _memory(account: Account, settings: Settings) -> Iterator[Finding]:
    allowed = allowed_memory(account, settings.memory)
    if allowed < settings.memory:
        model = meaning(AUTO, settings.image_models)
        now, then = (
            _duration(song_s(240, memory_mb, relative_work(model)))
            for memory_mb in (allowed, settings.memory)
        )
        yield Finding(
            "note",
            f"Lambda allows functions {allowed:,} MB in this account, not {settings.memory:,}. With that, a song of 4 "
            f"minutes takes about {now} with {model} instead of {then} (estimates). AWS raises the limit with use. "
            f'To ask for 10,240 MB, open a case "Account and billing": {SUPPORT}. Then deploy again.',
            allowed,
        )
    else:
        yield Finding("ok", f"Lambda allows functions {allowed:,} MB of memory")
    for name, minutes in longest_songs(settings.image_models, allowed).items():
        if minutes < SHORT_MIN:
            yield Finding(
                "note",
                f"with {allowed:,} MB, {name} separates songs of up to about {minutes:.0f} minutes (an estimate): a "
                "function stops after 15 minutes",
            )


def _duration(seconds: float) -> str:
    """Write an estimate: in steps of 5 seconds, or in minutes."""
    return f"{5 * round(seconds / 5)} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"


def allowed_memory(account: Account, wanted: int) -> int:
    """Return the memory that a function may have in MB, at most `wanted`. Raises ClientError.

    No call returns this limit. So this asks for a function with a role that doesn't exist. Lambda checks the memory
    before the role, and creates nothing in either case.
    """
    functions, name = account.client("lambda"), f"{account.name}-preflight"
    partition = account.session.get_partition_for_region(account.region)
    try:
        functions.create_function(
            FunctionName=name,
            Role=f"arn:{partition}:iam::{account.number}:role/{name}-missing",
            Runtime="python3.13",
            Handler="none.none",
            Code={"ZipFile": b"PK\5\6" + bytes(18)},
            MemorySize=wanted,
        )
    except ClientError as error:
        limit = re.search(r"MemorySize.*less than or equal to (\d+)", str(error))
        if limit is not None:
            return min(wanted, int(limit[1]))
        if code(error) != "InvalidParameterValueException":
            raise
    else:
        functions.delete_function(FunctionName=name)
    return wanted


def _concurrency(account: Account, settings: Settings) -> Iterator[Finding]:
    limit = account.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    separating = settings.at_most if settings.compute == "cpu" else 0
    if limit < separating + API_FUNCTIONS:
        level: Literal["note", "missing"] = "missing"
        text = f"only {limit}, and --at-most {separating} with an API needs {separating + API_FUNCTIONS}"
    elif limit < 100:
        level, text = "note", f"{limit}, which is enough for a few users"
    else:
        yield Finding("ok", f"Lambda may run {limit} functions at the same time")
        return
    request = quotas.Quota("lambda", quotas.CODES[quotas.FUNCTIONS], limit).increase(1000, account.region)
    yield Finding(
        level, f"functions that Lambda may run at the same time: {text}. Ask for more:\n    {request}"
    )


def _email(account: Account, settings: Settings) -> Iterator[Finding]:
    ses, region = account.client("sesv2"), account.region
    if not ses.get_account().get("ProductionAccessEnabled", False):
        yield Finding(
            "note",
            "SES is in the sandbox: it sends e-mails only to addresses that you have confirmed. Ask for production "
            f"access:\n    https://{region}.console.aws.amazon.com/ses/home?region={region}#/account",
        )
    else:
        yield Finding("ok", "SES may send e-mails to every address")
    try:
        ses.get_email_identity(EmailIdentity=settings.sender)
    except ClientError as error:
        if code(error) != "NotFoundException":
            raise
        return
    if _owner(account, str(settings.sender)) != account.name:
        yield Finding(
            "missing",
            f"SES already has the address {settings.sender}, and not from this deployment, which would fail on it. "
            "Choose another --sender, or delete that identity:\n"
            f"    aws sesv2 delete-email-identity --region {region} --email-identity {settings.sender}",
        )


def _owner(account: Account, resource: str) -> str | None:
    """Return the name of the stack that created a resource with this physical id."""
    try:
        found = account.client("cloudformation").describe_stack_resources(PhysicalResourceId=resource)
    except ClientError as error:
        if code(error) != "ValidationError":
            raise
        return None
    return next((str(each["StackName"]) for each in found["StackResources"]), None)


def _cloudfront(account: Account, settings: Settings) -> Iterator[Finding]:
    # Accounts that weren't verified have no distribution. No call says whether they may create one.
    if account.client("cloudfront").list_distributions()["DistributionList"]["Quantity"] > 0:
        yield Finding("ok", "CloudFront is allowed: the account has a distribution")
    else:
        yield Finding(
            "note",
            "AWS may refuse CloudFront until it has verified this account. Then everything but the page is created; "
            f"ask for verification at {SUPPORT}, or host the page on Netlify: docs/aws.md#the-page-on-netlify",
        )
