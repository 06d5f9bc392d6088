"""POST /process and POST /batch/process: songs are to be separated."""

from __future__ import annotations

from unbraid.api import email
from unbraid.api.answers import batch_process_answer, process_answer
from unbraid.api.schemas import BatchProcessAnswer, BatchProcessRequest, ProcessAnswer, ProcessRequest
from unbraid.aws.handlers import count
from unbraid.aws.http import Call, answering
from unbraid.jobs.session import Choices, Session


def process(call: Call) -> ProcessAnswer:
    """Have an uploaded song separated. Asking twice is one job."""
    owner, asked = call.owner, call.body(ProcessRequest)
    choices = asked.choices()
    _check_letters(call, choices)
    session = call.service.start(asked.session_id, asked.s3_key, choices, owner)
    count("SongsAsked")
    return process_answer(session)


def batch(call: Call) -> BatchProcessAnswer:
    """Have many separated, each for itself: those that can't be are told with the reason."""
    owner, asked = call.owner, call.body(BatchProcessRequest)
    choices = asked.choices()
    _check_letters(call, choices)
    results = call.service.start_many(asked.session_ids, choices, owner)
    count("SongsAsked", sum(isinstance(result, Session) for result in results.values()))
    return batch_process_answer(results)


def _check_letters(call: Call, choices: Choices | None) -> None:
    email.wanted(choices, can=call.settings.sender is not None, may=call.settings.sends_mail)


handler = answering({"POST /process": process, "POST /batch/process": batch}, 202)
