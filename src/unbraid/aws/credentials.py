"""The AWS account that the user's credentials open. Each obstacle is one clear line."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound

from unbraid.errors import SettingError


def open_session() -> tuple[Any, str]:
    """Return a boto3 session of the account that the environment, the profile or the AWS configuration names.

    Also return the number of the account. Raises SettingError.
    """
    try:
        # boto3 reads only AWS_DEFAULT_REGION; AWS's other tools, and the CDK, read AWS_REGION first.
        session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
        if session.region_name is None:
            raise SettingError("No AWS region is set. Set AWS_REGION, for example to eu-central-1.")
        return session, str(session.client("sts").get_caller_identity()["Account"])
    except ProfileNotFound as error:
        raise SettingError(f"{error}. Set AWS_PROFILE to one of `aws configure list-profiles`.") from None
    except NoCredentialsError:
        raise SettingError(
            "No AWS credentials were found. Run `aws configure sso` or `aws configure`, "
            "or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from None
    except ClientError as error:
        code = error.response["Error"]["Code"]
        raise SettingError(
            f"AWS refuses the credentials ({code}). Sign in again with `aws sso login`."
        ) from None
    except BotoCoreError as error:
        raise SettingError(f"AWS can't be reached: {error}. Check the network.") from None
