"""Teach in the user's AWS account, for the page: its price, the training, its end. Needs the extra `aws`.

A training has the state that `unbraid finetune --aws` has too (`unbraid.aws.training.state`). So a server that starts
again finds its job, and the command can watch or stop it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from time import sleep
from typing import Any, TypeVar

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from unbraid.aws.training import run as events
from unbraid.aws.training.deployment import NAME, Deployment
from unbraid.aws.training.material import File
from unbraid.aws.training.offer import Offer
from unbraid.aws.training.phases import PHASES
from unbraid.aws.training.plan import Wishes, plan, settings_of
from unbraid.aws.training.run import EndedEarly, Training
from unbraid.aws.training.state import State, alone, load_state
from unbraid.errors import SettingError, Unavailable
from unbraid.finetuning.check import Check, check_songs
from unbraid.finetuning.finetune import Request, base_of
from unbraid.finetuning.result import Result, result_of
from unbraid.finetuning.teachable import check_base
from unbraid.local.teaching import MODELS, OFFER, SONGS, Run, Teaching
from unbraid.models import find_model
from unbraid.models.cache import LOCK_POLL_S
from unbraid.models.own import read_card

RETRY_S = 30.0
UNREACHABLE = "unreachable"
"""Event: AWS can't be reached, with a text that says why. Any later event ends it."""
PATIENCE_S = 5.0
"""How long another process may hold a training before the page says so."""
_PASSING = ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "Throttling", "ThrottlingException")
"""Errors of AWS that end by themselves, or when the user has signed in again."""
_UNDER_WAY = "The training is under way in AWS already. It costs no more than you agreed to."

T = TypeVar("T")


def find_app() -> dict[str, str] | None:
    """Return the deployed app that the user's credentials open: account, region and deployment; None if there is none.

    Without a region in the environment or in AWS's configuration, nothing is called.
    """
    try:
        found = Deployment.open(NAME)
    except (SettingError, BotoCoreError, ClientError):
        return None
    return {"account": found.account, "region": found.region, "deployment": found.name}


class _ConnectionLost(Exception):  # noqa: N818 - named for what happened
    """AWS, or the credentials, are unavailable while a training is under way."""


class TeachingInAws:
    """The training of a run in AWS."""

    def __init__(self, teaching: Teaching, run: Run) -> None:
        self._teaching, self._run = teaching, run

    @cached_property
    def check(self) -> Check:
        """The check of the songs."""
        return check_songs(self._teaching.folder / SONGS)

    @property
    def base(self) -> str:
        """Name of the model to begin with."""
        return base_of(
            Request(self._teaching.folder / SONGS, self._run.name, base=self._run.base), self.check
        )

    def write_offer(self) -> None:
        """Write what the training costs. Nothing is uploaded. Raises SettingError, InputError and ModelError."""
        state = load_state(self._run.name)
        if state is not None and state.running:
            offer = {"most_usd": self._run.most_usd or 0.0, "lines": [_UNDER_WAY]}
        else:
            planned = self._plan(self._deployment(state), state)[2]
            offer = {"most_usd": planned.as_dict()["most_usd"], "lines": list(planned.lines(options=False))}
        self._teaching.write(OFFER, offer)

    def teach(self) -> Result:
        """Start the training or find it again, and return its result. Raises SettingError, Unavailable and others.

        While AWS can't be reached, it notes that, and tries again.
        """
        with alone(self._run.name, self._waiting()):
            try:
                found = self._teaching.model()
                if found == self._teaching.folder / MODELS:
                    return self._until_reached(self._train)
                # The process ended after the model was written.
                self._until_reached(self._cancel)
                return result_of(found, read_card(found))
            except EndedEarly as error:
                raise Unavailable(
                    f"Teaching in AWS ended early. {error.why} Start again to continue from its last checkpoint. "
                    "Otherwise delete it."
                ) from error
            finally:
                self._teaching.mark_in_aws(load_state(self._run.name) is not None)

    def cancel(self) -> None:
        """Stop the training, and delete everything of it in AWS."""
        with alone(self._run.name, self._waiting()):
            self._until_reached(self._cancel)
            self._teaching.mark_in_aws(False)

    def _plan(self, deployment: Deployment, state: State | None) -> tuple[State, list[File], Offer]:
        run = self._run
        if run.base is not None:
            check_base(run.base)
        model = find_model(self.base)
        wishes = Wishes(None, None, True, None, False)
        settings = settings_of(run.minutes, None, run.minutes is None, 0)
        return plan(run.name, deployment, self.check, self.base, model, settings, wishes, state)

    def _train(self) -> Result:
        state, files = load_state(self._run.name), None
        deployment = self._deployment(state)
        if state is None or not state.running:
            state, files, offer = self._plan(deployment, state)
            if (usd := offer.as_dict()["most_usd"]) > (self._run.most_usd or 0.0):
                raise SettingError(
                    f"It would now cost at most {usd:.2f} dollars. Start again to look at the price."
                )
            self._teaching.mark_in_aws(True)
            state.save(self._run.name)
        training = self._training(state, deployment)
        if files is not None:
            training.start(files)
        return training.follow()

    def _cancel(self) -> None:
        state = load_state(self._run.name)
        if state is not None:
            try:
                deployment = Deployment.open(state.deployment)
            except SettingError as error:
                raise _ConnectionLost(error.message) from error
            self._training(state, deployment).cancel()

    def _deployment(self, state: State | None) -> Deployment:
        try:
            return Deployment.open(NAME if state is None else state.deployment)
        except SettingError as error:
            if state is None or not state.running:
                raise
            raise _ConnectionLost(error.message) from error

    def _training(self, state: State, deployment: Deployment) -> Training:
        kept = self._teaching.folder / MODELS
        return Training(self._run.name, state, deployment, self._event, kept=kept)

    def _event(self, happened: Mapping[str, Any]) -> None:
        text = PHASES.get(happened["phase"]) if happened["event"] == events.PHASE else None
        self._teaching.note(happened if text is None else {**happened, "text": text})

    def _until_reached(self, action: Callable[[], T]) -> T:
        """Repeat an action until AWS can be reached. Raises Unavailable for other errors of AWS."""
        while True:
            try:
                return action()
            except (BotoCoreError, Boto3Error, ClientError, _ConnectionLost) as error:
                if isinstance(error, ClientError) and not _passes(error):
                    raise Unavailable(f"AWS reported an error: {error}. Start again to continue.") from error
                self._teaching.note({"event": UNREACHABLE, "text": str(error)})
            sleep(RETRY_S)

    def _waiting(self) -> Callable[[], object]:
        """Return what to do while another process has the training: note it, once."""
        looks = iter(range(int(PATIENCE_S / LOCK_POLL_S), -1, -1))

        def waiting() -> None:
            if next(looks, None) == 0:
                text = (
                    f"Another command is watching the training of {self._run.name}. Stop it to see it here."
                )
                self._teaching.note({"event": UNREACHABLE, "text": text})

        return waiting


def _passes(error: ClientError) -> bool:
    """Whether an error of AWS ends by itself, or when the user has signed in again."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or status == 429 or error.response["Error"]["Code"] in _PASSING
